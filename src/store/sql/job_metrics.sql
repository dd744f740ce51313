-- Figures of job $2 of project $1 after step $3 (-1: from the start), at most $4. No row when there is no such job.
WITH lines AS (
    SELECT m.step, m.at, m.figures
    FROM job_metric m JOIN job j ON j.id = m.job_id
    WHERE j.id = $2 AND j.project_id = $1 AND m.step > $3
    ORDER BY m.step LIMIT $4::integer + 1
), shown AS (
    SELECT * FROM lines ORDER BY step LIMIT $4::integer
)
SELECT json_build_object(
           'items', coalesce((SELECT json_agg(json_build_object('step', step, 'at', rfc3339(at), 'figures', figures)
                                              ORDER BY step) FROM shown), '[]'::json),
           'next_cursor', CASE WHEN (SELECT count(*) FROM lines) > $4::integer
                               THEN (SELECT max(step) FROM shown)::text END)
FROM job j WHERE j.id = $2 AND j.project_id = $1
