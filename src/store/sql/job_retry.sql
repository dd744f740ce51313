-- Puts the failed or cancelled job $2 of project $1 into the queue again. No row when there is none such.
WITH again AS (
    UPDATE job
    SET state = 'queued', failures = 0, cancel_requested = false, error = NULL, finished_at = NULL, stage = '',
        progress = 0, metrics = '{}'
    WHERE id = $2 AND project_id = $1 AND state IN ('failed', 'cancelled')
    RETURNING id
), said AS (
    INSERT INTO job_log (job_id, level, message) SELECT id, 'info', 'put into the queue again' FROM again
)
SELECT pg_notify('egalign_job', id::text) FROM again
