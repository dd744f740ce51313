-- What happened to job $2 of project $1 after line $3 of its log and step $4 of its figures, in order of time, at most
-- $5 of each: kind, line, step, JSON. The last row, always, is its state: then `line` says whether it has ended, and
-- `step` is a number that differs when it has changed but for the time left. No row when there is no such job.
WITH asked AS (
    SELECT d.id, d.body::jsonb AS body FROM job_document d WHERE d.id = $2 AND d.project_id = $1
), lines AS (
    SELECT l.line, l.at, l.level, l.message FROM job_log l JOIN asked ON asked.id = l.job_id
    WHERE l.line > $3 ORDER BY l.line LIMIT $5
), figures AS (
    SELECT m.step, m.at, m.figures FROM job_metric m JOIN asked ON asked.id = m.job_id
    WHERE m.step > $4 ORDER BY m.step LIMIT $5
)
SELECT kind, line, step, body
FROM (SELECT 'log' AS kind, line, NULL::bigint AS step, at,
             json_build_object('line', line, 'at', rfc3339(at), 'level', level, 'message', message)::text AS body
      FROM lines
      UNION ALL
      SELECT 'metrics', NULL, step, at,
             json_build_object('step', step, 'at', rfc3339(at), 'figures', figures)::text
      FROM figures
      UNION ALL
      SELECT 'state', (body ->> 'state' IN ('done', 'failed', 'cancelled'))::integer,
             hashtextextended((body - 'seconds_left')::text, 0), 'infinity',
             (body - 'options' - 'attempts' - 'metrics')::text
      FROM asked) AS event
ORDER BY at, line, step
