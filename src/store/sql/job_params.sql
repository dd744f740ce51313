-- The options of job $1 under lease $2, as JSON text. No row when the lease is lost.
SELECT params::text FROM job WHERE id = $1 AND lease_token = $2 AND state = 'running'
