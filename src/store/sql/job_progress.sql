-- What job $1 under lease $2 is doing: stage $3, share $4, metrics $5. No row when the lease is lost.
UPDATE job SET stage = $3, progress = greatest(progress, $4), metrics = $5
WHERE id = $1 AND lease_token = $2 AND state = 'running'
RETURNING pg_notify('egalign_job', id::text)
