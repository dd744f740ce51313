-- Changes of project $1 what is not null.
UPDATE project
SET title = coalesce($2, title), refit_after_comparisons = coalesce($3, refit_after_comparisons),
    refit_after_seconds = coalesce($4, refit_after_seconds), fit_options = coalesce($5::jsonb, fit_options)
WHERE id = $1
