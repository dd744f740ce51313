-- What job $1 under lease $2 has read: comparisons $3, retractions $4, up to seq $5, by program version $6. No row when
-- the lease is lost.
UPDATE fit f SET watermark = $5, input_digest = fit_input_digest(f.options, $6::text, $3, $4)
FROM job j
WHERE j.id = $1 AND j.lease_token = $2 AND j.state = 'running' AND f.job_id = j.id
RETURNING f.id
