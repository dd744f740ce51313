-- The policy of project $1 with id $2 or name $3 (one of them null).
SELECT id FROM policy WHERE project_id = $1 AND (id = $2 OR name = $3)
