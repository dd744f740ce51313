-- Makes token $1 and tells everybody.
WITH made AS (
    INSERT INTO token (id, project_id, role, name, prefix, hash, expires_at)
    VALUES ($1, $2, $3::text::role, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING RETURNING id
)
SELECT pg_notify('egalign_token', id::text) FROM made
