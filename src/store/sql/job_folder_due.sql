-- The first of the jobs $1 whose folder has served its time, held until the transaction ends, so that nobody starts it
-- again meanwhile: failed or cancelled more than $2 hours ago (0: never), or done for an hour and still there. The log
-- of one that might be tried again says what that means.
WITH due AS (
    SELECT id, state FROM job
    WHERE id = ANY ($1::uuid[])
      AND (state = 'done' AND finished_at < clock_timestamp() - interval '1 hour'
           OR state IN ('failed', 'cancelled') AND $2 > 0
              AND finished_at < clock_timestamp() - make_interval(hours => $2))
    ORDER BY id LIMIT 1
    FOR UPDATE SKIP LOCKED
), said AS (
    INSERT INTO job_log (job_id, level, message)
    SELECT id, 'info', 'its folder with what it had made was removed ' || $2 || ' hours after its end: when it is tried '
                       'again, it starts from the beginning'
    FROM due WHERE state <> 'done'
)
SELECT id FROM due
