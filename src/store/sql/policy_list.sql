-- Policies of project $1, newest first, after the policy $2 (null: from the start), at most $3, of role $4 (null:
-- any).
WITH page AS (
    SELECT id, body FROM policy_document
    WHERE project_id = $1 AND ($2::uuid IS NULL OR id < $2::uuid) AND ($4::text IS NULL OR role = $4::text)
    ORDER BY id DESC LIMIT $3::integer + 1
), shown AS (
    SELECT id, body FROM page ORDER BY id DESC LIMIT $3::integer
)
SELECT json_build_object(
    'items', coalesce((SELECT json_agg(body ORDER BY id DESC) FROM shown), '[]'::json),
    'next_cursor', CASE WHEN (SELECT count(*) FROM page) > $3::integer THEN (SELECT id FROM shown ORDER BY id LIMIT 1) END)
