-- The results of fit $1.
UPDATE fit
SET published_at = clock_timestamp(), watermark = $2, input_digest = fit_input_digest(options, $3::text, $4, $5),
    data_digest = $6, comparisons = $7, annotators = $8, k = $9, verdict = $10, encoder = $11, ridge = $12, seed = $13,
    threads = $14, blas = $15, code_version = $16, evidence = $17, summary = $18, warnings = $19, model = $20
WHERE id = $1
