-- Projects that are due for a refit, with the options of their fits: no fit of theirs waits or runs, and since the last
-- one refit_after_comparisons have come, or refit_after_seconds have passed and something has come or was undone.
SELECT p.id, p.fit_options
FROM project p
LEFT JOIN LATERAL (
    SELECT coalesce(f.watermark, 0) AS watermark, f.created_at, coalesce(j.started_at, f.created_at) AS started_at
    FROM fit f JOIN job j ON j.id = f.job_id WHERE f.project_id = p.id
    ORDER BY f.id DESC LIMIT 1
) last ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS comparisons
    FROM (SELECT FROM comparison c WHERE c.project_id = p.id AND c.seq > coalesce(last.watermark, 0)
          LIMIT greatest(p.refit_after_comparisons, 1)) fresh
) fresh
WHERE (p.refit_after_comparisons > 0 OR p.refit_after_seconds > 0)
  AND NOT EXISTS (SELECT FROM job j WHERE j.project_id = p.id AND j.kind = 'fit' AND j.state IN ('queued', 'running'))
  AND (p.refit_after_comparisons > 0 AND fresh.comparisons >= p.refit_after_comparisons
       OR p.refit_after_seconds > 0
          AND (last.created_at IS NULL
               OR last.created_at < clock_timestamp() - make_interval(secs => p.refit_after_seconds))
          AND (fresh.comparisons > 0
               OR EXISTS (SELECT FROM retraction r WHERE r.project_id = p.id AND r.retracted_at > last.started_at)))
ORDER BY p.last_job_at NULLS FIRST, p.id
