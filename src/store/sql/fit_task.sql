-- The fit that job $1 makes, and its options.
SELECT id, options FROM fit WHERE job_id = $1
