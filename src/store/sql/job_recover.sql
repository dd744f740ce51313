-- Jobs whose lease has run out, by the database's clock: back to the queue, or failed after $1 failures, or cancelled
-- when that was asked for. One row for each, with its new state.
WITH expired AS (
    SELECT id FROM job WHERE state = 'running' AND lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED
), freed AS (
    UPDATE job j
    SET failures = failures + 1,
        state = CASE WHEN cancel_requested THEN 'cancelled' WHEN failures + 1 >= $1 THEN 'failed'
                     ELSE 'queued' END::job_state,
        error = CASE WHEN NOT cancel_requested AND failures + 1 >= $1
                     THEN jsonb_build_object('code', 'lease_lost',
                                             'message', 'the worker ' || worker || ' fell silent and its lease ran out')
            END,
        finished_at = CASE WHEN cancel_requested OR failures + 1 >= $1 THEN clock_timestamp() END,
        lease_token = NULL, lease_until = NULL, cancel_requested = false
    FROM expired WHERE j.id = expired.id
    RETURNING j.id, j.attempts, j.state, 'the worker ' || j.worker || ' fell silent and its lease ran out' AS reason
), attempt AS (
    UPDATE job_attempt a SET ended_at = clock_timestamp(), reason = freed.reason
    FROM freed WHERE a.job_id = freed.id AND a.attempt = freed.attempts
), said AS (
    INSERT INTO job_log (job_id, level, message) SELECT id, 'warning', reason FROM freed
)
SELECT id, state, pg_notify('egalign_job', id || ' ' || state) FROM freed
