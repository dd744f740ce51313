-- Lines of the log of job $2 of project $1 after line $3, at most $4, the last one's number, and whether the job had
-- ended when they were read. No row when there is no such job.
WITH lines AS (
    SELECT l.line, l.at, l.level, l.message
    FROM job_log l JOIN job j ON j.id = l.job_id
    WHERE j.id = $2 AND j.project_id = $1 AND l.line > $3
    ORDER BY l.line LIMIT $4
)
SELECT json_build_object(
           'items', coalesce((SELECT json_agg(json_build_object('line', line, 'at', rfc3339(at), 'level', level,
                                                                'message', message) ORDER BY line) FROM lines),
                             '[]'::json),
           'next_cursor', (SELECT max(line) FROM lines)),
       (SELECT max(line) FROM lines), j.state NOT IN ('queued', 'running')
FROM job j WHERE j.id = $2 AND j.project_id = $1
