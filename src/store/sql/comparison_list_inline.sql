-- Comparisons of project $1, with their texts, in order of arrival after number $2 (null: from the start), at most $3.
WITH page AS (
    SELECT seq, body_inline FROM comparison_document
    WHERE project_id = $1 AND ($2::bigint IS NULL OR seq > $2::bigint)
    ORDER BY seq LIMIT $3::integer + 1
), shown AS (
    SELECT seq, body_inline FROM page ORDER BY seq LIMIT $3::integer
)
SELECT json_build_object(
    'items', coalesce((SELECT json_agg(body_inline ORDER BY seq) FROM shown), '[]'::json),
    'next_cursor', CASE WHEN (SELECT count(*) FROM page) > $3::integer THEN (SELECT max(seq)::text FROM shown) END)
