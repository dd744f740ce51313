-- Deletes policy $1: marks it when it was ready, for its name tags responses; else the row goes.
WITH removed AS (
    DELETE FROM policy WHERE id = $1 AND ready_at IS NULL
)
UPDATE policy SET deleted_at = clock_timestamp() WHERE id = $1 AND ready_at IS NOT NULL AND deleted_at IS NULL
