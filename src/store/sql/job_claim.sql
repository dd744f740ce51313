-- The next job for worker $1, with a lease of $2 seconds: the oldest one of the project whose last start is longest ago,
-- among those whose lane is free. The project's row is taken first, so that two workers do not look into one project at
-- once; job_one_running_in_lane has the last word.
WITH turn AS (
    SELECT p.id, p.name, busy.lanes
    FROM project p
    CROSS JOIN LATERAL (SELECT coalesce(array_agg(job_lane(r.kind)) FILTER (WHERE job_lane(r.kind) IS NOT NULL), '{}')
                               AS lanes
                        FROM job r WHERE r.project_id = p.id AND r.state = 'running') busy
    WHERE EXISTS (SELECT FROM job j WHERE j.project_id = p.id AND j.state = 'queued'
                  AND job_lane(j.kind) = ANY (busy.lanes) IS NOT TRUE)
    ORDER BY p.last_job_at NULLS FIRST, p.id
    LIMIT 1
    FOR NO KEY UPDATE OF p SKIP LOCKED
), next AS (
    SELECT j.id
    FROM turn JOIN job j ON j.project_id = turn.id
    WHERE j.state = 'queued' AND job_lane(j.kind) = ANY (turn.lanes) IS NOT TRUE
    ORDER BY j.created_at, j.id
    LIMIT 1
    FOR UPDATE OF j SKIP LOCKED
), claimed AS (
    UPDATE job j
    SET state = 'running', attempts = j.attempts + 1, worker = $1, lease_token = gen_random_uuid(),
        lease_until = clock_timestamp() + make_interval(secs => $2), started_at = clock_timestamp(), finished_at = NULL,
        stage = '', progress = 0, progress_at = NULL, stage_at = NULL, stage_progress = NULL, metrics = '{}', error = NULL
    FROM next WHERE j.id = next.id
    RETURNING j.id, j.project_id, j.lease_token, j.attempts, j.kind
), served AS (
    UPDATE project p SET last_job_at = clock_timestamp() FROM claimed WHERE p.id = claimed.project_id
), attempt AS (
    INSERT INTO job_attempt (job_id, attempt, worker) SELECT id, attempts, $1 FROM claimed
)
SELECT c.id, c.project_id, t.name, c.lease_token, c.attempts, c.kind::text, pg_notify('egalign_job', c.id::text)
FROM claimed c JOIN turn t ON t.id = c.project_id
