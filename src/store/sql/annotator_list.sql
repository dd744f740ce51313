-- Annotators of project $1 by name after $2 (null: from the start), at most $3, with their counts.
WITH page AS (
    SELECT id, name, created_at FROM annotator
    WHERE project_id = $1 AND ($2::text IS NULL OR name > $2)
    ORDER BY name LIMIT $3::integer + 1
), shown AS (
    SELECT id, name, created_at FROM page ORDER BY name LIMIT $3::integer
), counted AS (
    SELECT n.name,
           json_build_object(
               'id', n.id, 'name', n.name, 'created_at', rfc3339(n.created_at), 'comparisons', count(c.id),
               'by_outcome', json_build_object(
                   'a', count(*) FILTER (WHERE c.outcome = 'a'), 'b', count(*) FILTER (WHERE c.outcome = 'b'),
                   'tie', count(*) FILTER (WHERE c.outcome = 'tie'),
                   'both_bad', count(*) FILTER (WHERE c.outcome = 'both_bad'),
                   'skip', count(*) FILTER (WHERE c.outcome = 'skip')),
               'retracted', count(t.comparison_id),
               'last_received_at', rfc3339(max(c.received_at))) AS body
    FROM shown n
    LEFT JOIN comparison c ON c.project_id = $1 AND c.annotator_id = n.id
    LEFT JOIN retraction t ON t.project_id = c.project_id AND t.comparison_id = c.id
    GROUP BY n.id, n.name, n.created_at
)
SELECT json_build_object(
    'items', coalesce((SELECT json_agg(body ORDER BY name) FROM counted), '[]'::json),
    'next_cursor', CASE WHEN (SELECT count(*) FROM page) > $3::integer THEN (SELECT max(name) FROM shown) END)
