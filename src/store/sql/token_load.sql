-- All tokens that work, by hash.
SELECT id, project_id, role, hash, expires_at
FROM token
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
ORDER BY hash
