-- Gives job $1 under lease $2 back to the queue; the attempt keeps the reason $3. $4 is the code of a failure, or null:
-- it counts, and the $5-th failure is the job's end, with that code. Cancelled instead when that was asked for. Returns
-- the state; no row when the lease is lost.
WITH released AS (
    UPDATE job
    SET failures = failures + ($4::text IS NOT NULL)::integer,
        state = CASE WHEN cancel_requested THEN 'cancelled'
                     WHEN $4::text IS NOT NULL AND failures + 1 >= $5 THEN 'failed' ELSE 'queued' END::job_state,
        error = CASE WHEN NOT cancel_requested AND $4::text IS NOT NULL AND failures + 1 >= $5
                     THEN jsonb_build_object('code', $4::text, 'message', $3::text) END,
        finished_at = CASE WHEN cancel_requested OR ($4::text IS NOT NULL AND failures + 1 >= $5)
                           THEN clock_timestamp() END,
        lease_token = NULL, lease_until = NULL, cancel_requested = false
    WHERE id = $1 AND lease_token = $2 AND state = 'running'
    RETURNING id, attempts, state
), attempt AS (
    UPDATE job_attempt a SET ended_at = clock_timestamp(), reason = $3
    FROM released WHERE a.job_id = released.id AND a.attempt = released.attempts
), said AS (
    INSERT INTO job_log (job_id, level, message)
    SELECT id, CASE WHEN $4::text IS NOT NULL THEN 'warning' ELSE 'info' END, $3 FROM released
)
SELECT state, pg_notify('egalign_job', id || ' ' || state) FROM released
