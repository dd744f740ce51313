-- Revokes token $1, if it is not yet, and tells everybody. A row when there is such a token.
WITH changed AS (
    UPDATE token SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1 RETURNING id
)
SELECT pg_notify('egalign_token', id::text) FROM changed
