-- The prompts of the complete job $1 whose samples are stored.
SELECT DISTINCT step FROM job_sample WHERE job_id = $1
