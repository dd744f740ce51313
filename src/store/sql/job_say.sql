-- A line for the log of job $1, when lease $2 still holds it: level $3, message $4.
INSERT INTO job_log (job_id, level, message)
SELECT id, $3, $4 FROM job WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR SHARE
RETURNING line
