-- The policy of project $1 with name $2, parent $3, recipe $4 and folder $5, by a job of kind $6, unless it is deleted
-- or has failed; and its job. What a training job makes is told by the options of the job, for it adds to the recipe.
SELECT p.id, p.job_id
FROM policy p JOIN job j ON j.id = p.job_id
WHERE p.project_id = $1 AND p.name = $2 AND p.parent_id IS NOT DISTINCT FROM $3::uuid
  AND CASE WHEN j.kind = 'register' THEN p.recipe = $4::jsonb AND p.folder IS NOT DISTINCT FROM $5
           ELSE j.params = $4::jsonb END
  AND j.kind = $6::text::job_kind AND p.deleted_at IS NULL
  AND (p.ready_at IS NOT NULL OR j.state IN ('queued', 'running'))
