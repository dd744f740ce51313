-- Makes the policy of job $1 ready: folder $2, digest $3, family $4, parameters $5, bytes $6. No row when there is none.
UPDATE policy
SET ready_at = clock_timestamp(), folder = $2, digest = $3, family = $4, parameters = $5, bytes = $6
WHERE job_id = $1 AND deleted_at IS NULL
RETURNING id
