-- The first deleted policy after $1 (null: of all) whose folder was made by a job of ours and is not known to be gone.
SELECT p.id, p.name, p.folder, false, p.digest, p.role
FROM policy p JOIN job j ON j.id = p.job_id
WHERE p.deleted_at IS NOT NULL AND p.folder IS NOT NULL AND j.kind <> 'register' AND ($1::uuid IS NULL OR p.id > $1)
ORDER BY p.id LIMIT 1
