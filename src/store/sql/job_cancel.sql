-- Asks for the end of job $2 of project $1: a queued one ends at once, a running one at its worker's next look. No row
-- when there is none that could be cancelled.
WITH cancelled AS (
    UPDATE job
    SET state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
        finished_at = CASE state WHEN 'queued' THEN clock_timestamp() END, cancel_requested = (state = 'running')
    WHERE id = $2 AND project_id = $1 AND state IN ('queued', 'running')
    RETURNING id, state
), said AS (
    INSERT INTO job_log (job_id, level, message)
    SELECT id, 'info', CASE state WHEN 'cancelled' THEN 'cancelled while waiting' ELSE 'its end was asked for' END
    FROM cancelled
)
SELECT pg_notify('egalign_job', id::text) FROM cancelled
