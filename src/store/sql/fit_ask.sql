-- The fit of project $1 with options $4 under program version $5: the one that is there, or a new fit $2 with its job
-- $3, for token $6 and trace context $7, reading the policy $8 (null: none). Gives fit, job, and whether they are new.
WITH data AS (
    SELECT count(*) AS comparisons, coalesce(max(seq), 0) AS watermark,
           (SELECT count(*) FROM retraction WHERE project_id = $1) AS retractions
    FROM comparison WHERE project_id = $1
), input AS (
    SELECT fit_input_digest($4::jsonb, $5::text, comparisons, retractions) AS digest, watermark FROM data
), known AS (
    SELECT f.id AS fit, j.id AS job
    FROM input, fit f JOIN job j ON j.id = f.job_id
    WHERE f.project_id = $1
      AND (f.input_digest = input.digest AND j.state IN ('queued', 'running', 'done')
           OR j.state = 'queued' AND f.options = $4::jsonb)
    ORDER BY f.input_digest = input.digest DESC, f.id DESC
    LIMIT 1
), made AS (
    INSERT INTO job (id, project_id, kind, params, token_id, traceparent)
    SELECT $3::uuid, $1, 'fit', $4::jsonb, $6, $7 WHERE NOT EXISTS (SELECT FROM known)
    RETURNING id
), reading AS (
    INSERT INTO job_policy (job_id, policy_id) SELECT made.id, $8::uuid FROM made WHERE $8::uuid IS NOT NULL
), fitted AS (
    INSERT INTO fit (id, project_id, job_id, options, input_digest, watermark)
    SELECT $2::uuid, $1, made.id, $4::jsonb, input.digest, input.watermark FROM made, input
    RETURNING id, job_id
)
SELECT fit, job, false, NULL::void FROM known
UNION ALL
SELECT id, job_id, true, pg_notify('egalign_job', job_id::text) FROM fitted
