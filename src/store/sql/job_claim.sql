-- The next job for worker $1, with a lease of $2 seconds: the oldest job of the project whose last start is longest
-- ago. Takes the project's row too, so that two workers do not look at one project at once; job_one_running_fit has the
-- last word.
WITH next AS (
    SELECT j.id, j.project_id
    FROM job j JOIN project p ON p.id = j.project_id
    WHERE j.state = 'queued'
      AND NOT (j.kind = 'fit' AND EXISTS (SELECT 1 FROM job r WHERE r.project_id = j.project_id AND r.kind = 'fit'
                                                                 AND r.state = 'running'))
    ORDER BY p.last_job_at NULLS FIRST, j.created_at, j.id
    LIMIT 1
    FOR UPDATE OF j SKIP LOCKED
    FOR NO KEY UPDATE OF p SKIP LOCKED
), served AS (
    UPDATE project p SET last_job_at = clock_timestamp() FROM next WHERE p.id = next.project_id RETURNING p.id, p.name
), claimed AS (
    UPDATE job j
    SET state = 'running', attempts = j.attempts + 1, worker = $1, lease_token = gen_random_uuid(),
        lease_until = clock_timestamp() + make_interval(secs => $2), started_at = clock_timestamp(), finished_at = NULL,
        stage = '', progress = 0, metrics = '{}', error = NULL
    FROM next WHERE j.id = next.id
    RETURNING j.id, j.project_id, j.lease_token, j.attempts
), attempt AS (
    INSERT INTO job_attempt (job_id, attempt, worker) SELECT id, attempts, $1 FROM claimed
)
SELECT c.id, c.project_id, s.name, c.lease_token, c.attempts, pg_notify('egalign_job', c.id::text)
FROM claimed c JOIN served s ON s.id = c.project_id
