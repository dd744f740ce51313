-- What a job needs of the policy of project $1 with id $2 or name $3 (one of them null).
SELECT id, name, folder, ready_at IS NOT NULL AND deleted_at IS NULL, digest
FROM policy WHERE project_id = $1 AND (id = $2 OR name = $3)
