-- The id of project $1, and whether its settings are the ones given (null: the default).
SELECT id, title = coalesce($2, '') AND refit_after_comparisons = coalesce($3, 0)
           AND refit_after_seconds = coalesce($4, 0) AND fit_options = coalesce($5::jsonb, '{}')
FROM project WHERE name = $1
