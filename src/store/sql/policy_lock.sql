-- Holds policy $2 of project $1 for its deletion: no job that reads it can be asked for meanwhile.
SELECT id FROM policy WHERE project_id = $1 AND id = $2 FOR UPDATE
