-- What job $1 under lease $2 is doing: stage $3, share $4, metrics $5. Where a stage begins is kept, for the time left
-- is reckoned from the pace of the present one. No row when the lease is lost.
UPDATE job
SET stage = $3, progress = greatest(progress, $4), metrics = $5, progress_at = clock_timestamp(),
    stage_at = CASE WHEN stage = $3 THEN stage_at ELSE clock_timestamp() END,
    stage_progress = CASE WHEN stage = $3 THEN stage_progress ELSE greatest(progress, $4) END
WHERE id = $1 AND lease_token = $2 AND state = 'running'
RETURNING pg_notify('egalign_job', id::text)
