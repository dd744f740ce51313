-- Who is in which group by the published fit of project $1, by annotator after $2 (null: from the start), at most $3.
WITH page AS (
    SELECT m.annotator_id AS id, n.name, g.lineage_id, m.posterior, m.comparisons
    FROM project p
    JOIN membership m ON m.fit_id = p.published_fit
    JOIN annotator n ON n.id = m.annotator_id
    LEFT JOIN fit_group g ON g.fit_id = m.fit_id AND g.ordinal = m.ordinal
    WHERE p.id = $1 AND ($2::uuid IS NULL OR m.annotator_id > $2::uuid)
    ORDER BY m.annotator_id LIMIT $3::integer + 1
), shown AS (
    SELECT * FROM page ORDER BY id LIMIT $3::integer
)
SELECT json_build_object(
    'fit', (SELECT published_fit FROM project WHERE id = $1),
    'items', coalesce((SELECT json_agg(json_build_object('annotator', id, 'name', name, 'group', lineage_id,
                                                         'posterior', posterior, 'comparisons', comparisons) ORDER BY id)
                       FROM shown), '[]'::json),
    'next_cursor', CASE WHEN (SELECT count(*) FROM page) > $3::integer
                        THEN (SELECT id FROM shown ORDER BY id DESC LIMIT 1) END)
