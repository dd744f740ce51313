-- Sample completions of job $2 of project $1 behind position $3, which is step * 32768 + line (-1: from the start), at
-- most $4. No row when there is no such job.
WITH lines AS (
    SELECT s.step::bigint * 32768 + s.line AS position, s.step, s.line, s.prompt, s.response, s.figures
    FROM job_sample s JOIN job j ON j.id = s.job_id
    WHERE j.id = $2 AND j.project_id = $1 AND (s.step, s.line::bigint) > ($3::bigint >> 15, $3::bigint & 32767)
    ORDER BY s.step, s.line LIMIT $4::integer + 1
), shown AS (
    SELECT * FROM lines ORDER BY position LIMIT $4::integer
)
SELECT json_build_object(
           'items', coalesce((SELECT json_agg(json_build_object('step', step, 'line', line, 'prompt', prompt,
                                                                'response', response, 'figures', figures)
                                              ORDER BY position) FROM shown), '[]'::json),
           'next_cursor', CASE WHEN (SELECT count(*) FROM lines) > $4::integer
                               THEN (SELECT max(position) FROM shown)::text END)
FROM job j WHERE j.id = $2 AND j.project_id = $1
