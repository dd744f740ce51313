-- Extends the lease $2 of job $1 by $3 seconds from now; no row when it is lost. Says whether somebody asked for its
-- end.
UPDATE job SET lease_until = clock_timestamp() + make_interval(secs => $3)
WHERE id = $1 AND lease_token = $2 AND state = 'running'
RETURNING cancel_requested
