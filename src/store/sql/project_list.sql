-- Projects by name after $1 (null: from the start), at most $2; only the one with id $3, when given.
WITH page AS (
    SELECT name, body FROM project_document
    WHERE ($1::text IS NULL OR name > $1) AND ($3::uuid IS NULL OR id = $3)
    ORDER BY name LIMIT $2::integer + 1
), shown AS (
    SELECT name, body FROM page ORDER BY name LIMIT $2::integer
)
SELECT json_build_object(
    'items', coalesce((SELECT json_agg(body ORDER BY name) FROM shown), '[]'::json),
    'next_cursor', CASE WHEN (SELECT count(*) FROM page) > $2::integer THEN (SELECT max(name) FROM shown) END)
