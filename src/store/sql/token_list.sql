-- Tokens, oldest first, after the token $1 (null: from the start), at most $2.
WITH page AS (
    SELECT id, body FROM token_document WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2::integer + 1
), shown AS (
    SELECT id, body FROM page ORDER BY id LIMIT $2::integer
)
SELECT json_build_object(
    'items', coalesce((SELECT json_agg(body ORDER BY id) FROM shown), '[]'::json),
    'next_cursor', CASE WHEN (SELECT count(*) FROM page) > $2::integer
                        THEN (SELECT id FROM shown ORDER BY id DESC LIMIT 1) END)
