-- What a job needs of the policy of project $1 with id $2 or name $3 (one of them null); last, of reward models, the fit
-- whose groups they are for.
SELECT id, name, folder, ready_at IS NOT NULL AND deleted_at IS NULL, digest, role,
       CASE role WHEN 'reward' THEN (recipe ->> 'fit')::uuid END
FROM policy WHERE project_id = $1 AND (id = $2 OR name = $3)
