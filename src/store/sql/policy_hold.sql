-- Holds the policies $2 of project $1 that may be read, so that none of them is deleted before a job that reads it is
-- there: a row for each.
SELECT id FROM policy
WHERE project_id = $1 AND id = ANY ($2::uuid[]) AND ready_at IS NOT NULL AND deleted_at IS NULL
ORDER BY id FOR SHARE
