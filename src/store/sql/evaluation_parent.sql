-- The parent of policy $2 of project $1; null when it has none.
SELECT parent_id FROM policy WHERE project_id = $1 AND id = $2
