-- Items of project $1 after the item $2 (null: from the start), at most $3.
WITH page AS (
    SELECT id FROM item
    WHERE project_id = $1 AND ($2::uuid IS NULL OR id > $2::uuid)
    ORDER BY id LIMIT $3::integer + 1
), shown AS (
    SELECT d.id, d.body
    FROM item_document d JOIN (SELECT id FROM page ORDER BY id LIMIT $3::integer) p ON p.id = d.id
    WHERE d.project_id = $1
)
SELECT json_build_object(
    'items', coalesce((SELECT json_agg(body ORDER BY id) FROM shown), '[]'::json),
    'next_cursor', CASE WHEN (SELECT count(*) FROM page) > $3::integer
                        THEN (SELECT id FROM shown ORDER BY id DESC LIMIT 1) END)
