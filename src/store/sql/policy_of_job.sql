-- The policy that job $1 makes.
SELECT id, name, folder, ready_at IS NOT NULL AND deleted_at IS NULL, digest, role
FROM policy WHERE job_id = $1
