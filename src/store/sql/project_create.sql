-- Makes project $1 named $2 unless the name is taken: its id, then.
INSERT INTO project (id, name, title, refit_after_comparisons, refit_after_seconds, fit_options)
VALUES ($1, $2, coalesce($3, ''), coalesce($4, 0), coalesce($5, 0), coalesce($6::jsonb, '{}'))
ON CONFLICT (name) DO NOTHING
RETURNING id
