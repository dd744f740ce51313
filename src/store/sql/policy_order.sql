-- Queues job $2 of project $1: kind $3, parameters $4, asked for by token $5 under trace context $6, reading the
-- policies $7. With $8, it makes the policy of that id: name $9, parent $10, recipe $11, folder $12,
-- role $13.
WITH made AS (
    INSERT INTO job (id, project_id, kind, params, token_id, traceparent)
    VALUES ($2, $1, $3::text::job_kind, $4, $5, $6)
    RETURNING id
), reading AS (
    INSERT INTO job_policy (job_id, policy_id)
    SELECT DISTINCT made.id, policy FROM made, unnest($7::uuid[]) AS policy
), begun AS (
    INSERT INTO policy (id, project_id, name, parent_id, job_id, recipe, folder, role)
    SELECT $8::uuid, $1, $9::text, $10::uuid, made.id, $11::jsonb, $12::text, $13::text
    FROM made WHERE $8::uuid IS NOT NULL
)
SELECT pg_notify('egalign_job', id::text) FROM made
