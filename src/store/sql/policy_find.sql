-- The policy of project $1 with id $2 or name $3 (one of them null): id, role, of reward models the fit whose groups they
-- are for, and of one that is ready its family.
SELECT id, role, CASE role WHEN 'reward' THEN (recipe ->> 'fit')::uuid END, family
FROM policy WHERE project_id = $1 AND (id = $2 OR name = $3)
