-- Lines of the log of job $2 of project $1 after line $3, at most $4, with the job's state as it was before they were
-- read. No row when there is no such job.
SELECT json_build_object(
    'items', coalesce((SELECT json_agg(json_build_object('line', l.line, 'at', rfc3339(l.at), 'level', l.level,
                                                         'message', l.message) ORDER BY l.line)
                       FROM (SELECT * FROM job_log WHERE job_id = j.id AND line > $3::bigint
                             ORDER BY line LIMIT $4::integer) l), '[]'::json),
    'next_cursor', (SELECT max(line) FROM (SELECT line FROM job_log WHERE job_id = j.id AND line > $3::bigint
                                           ORDER BY line LIMIT $4::integer) l)), j.state
FROM job j WHERE j.id = $2 AND j.project_id = $1
