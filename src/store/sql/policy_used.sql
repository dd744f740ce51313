-- Why policy $2 of project $1 cannot be deleted now; no row when it can.
SELECT format('the job %s that makes it is %s', j.id, j.state) AS reason
FROM policy p JOIN job j ON j.id = p.job_id
WHERE p.id = $2 AND j.state IN ('queued', 'running')
UNION ALL
SELECT format('the %s job %s, which reads it, is %s', j.kind, j.id, j.state)
FROM job_policy u JOIN job j ON j.id = u.job_id
WHERE u.policy_id = $2 AND j.state IN ('queued', 'running')
UNION ALL
SELECT format('the published fit %s rests on it', f.id)
FROM project p JOIN fit f ON f.id = p.published_fit JOIN job_policy u ON u.job_id = f.job_id
WHERE p.id = $1 AND u.policy_id = $2
UNION ALL
SELECT format('the policy %s has it as its parent', c.name)
FROM policy p JOIN policy c ON c.project_id = p.project_id AND c.parent_id = p.id
WHERE p.id = $2 AND p.ready_at IS NULL
LIMIT 1
