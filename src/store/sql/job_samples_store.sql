-- Sample completions of job $1 under lease $2 at step $3: lines $4, prompts $5, responses $6, JSON objects $7, side by
-- side. A line that is there already is replaced. No row when the lease is lost.
WITH held AS (
    SELECT id FROM job WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR SHARE
), stored AS (
    INSERT INTO job_sample (job_id, step, line, prompt, response, figures)
    SELECT held.id, $3, row.line, row.prompt, row.response, row.figures::jsonb
    FROM held, unnest($4::smallint[], $5::text[], $6::text[], $7::text[]) AS row(line, prompt, response, figures)
    ON CONFLICT (job_id, step, line)
    DO UPDATE SET prompt = excluded.prompt, response = excluded.response, figures = excluded.figures
)
SELECT pg_notify('egalign_job', id::text) FROM held
