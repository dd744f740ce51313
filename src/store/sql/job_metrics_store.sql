-- Figures of job $1 under lease $2: steps $3, times $4, JSON objects $5, side by side. A step that is done again
-- replaces its row. No row when the lease is lost.
WITH held AS (
    SELECT id FROM job WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR SHARE
), stored AS (
    INSERT INTO job_metric (job_id, step, at, figures)
    SELECT held.id, row.step, row.at, row.figures::jsonb
    FROM held, unnest($3::integer[], $4::timestamptz[], $5::text[]) AS row(step, at, figures)
    ON CONFLICT (job_id, step) DO UPDATE SET at = excluded.at, figures = excluded.figures
)
SELECT pg_notify('egalign_job', id::text) FROM held
