-- Ends job $1 under lease $2 in state $3 (done, failed or cancelled) with error $4 (JSON or null); the attempt keeps
-- the reason $5. No row when the lease is lost.
WITH ended AS (
    UPDATE job
    SET state = $3::job_state, error = $4, lease_token = NULL, lease_until = NULL, finished_at = clock_timestamp(),
        stage = CASE WHEN $3 = 'done' THEN 'done' ELSE stage END,
        progress = CASE WHEN $3 = 'done' THEN 1 ELSE progress END, cancel_requested = false
    WHERE id = $1 AND lease_token = $2 AND state = 'running'
    RETURNING id, attempts, state
), attempt AS (
    UPDATE job_attempt a SET ended_at = clock_timestamp(), reason = $5
    FROM ended WHERE a.job_id = ended.id AND a.attempt = ended.attempts
), said AS (
    INSERT INTO job_log (job_id, level, message)
    SELECT id, CASE WHEN $3 = 'failed' THEN 'error' ELSE 'info' END, $5 FROM ended
)
SELECT pg_notify('egalign_job', id || ' ' || state) FROM ended
