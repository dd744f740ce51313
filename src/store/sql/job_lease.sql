-- The running job $1 that lease $2 holds; no row when it is lost.
SELECT j.project_id, p.name, j.attempts, j.kind::text
FROM job j JOIN project p ON p.id = j.project_id
WHERE j.id = $1 AND j.lease_token = $2 AND j.state = 'running'
