-- The win rates of project $1 and their ETag: what the published fit rendered, or what there is before the first fit.
SELECT coalesce(w.body, d.body), coalesce(w.etag, '"' || md5(d.body) || '"')
FROM project p
LEFT JOIN win_rates w ON w.fit_id = p.published_fit
LEFT JOIN LATERAL (
    SELECT json_build_object(
        'status', 'insufficient_data', 'project', p.name, 'fit_id', NULL, 'as_of', NULL, 'k', 0,
        'reason', 'No fit has been published yet.',
        'comparisons', (SELECT count(*) FROM comparison c WHERE c.project_id = p.id),
        'annotators', (SELECT count(*) FROM annotator n WHERE n.project_id = p.id),
        'missing', json_build_object('fits', 1),
        'job', (SELECT json_build_object('id', j.id, 'state', j.state)
                FROM job j WHERE j.project_id = p.id ORDER BY j.id DESC LIMIT 1),
        'groups', '[]'::json, 'policies', '[]'::json, 'win_rates', '[]'::json, 'worst_off', '[]'::json)::text AS body
) d ON w.body IS NULL
WHERE p.id = $1
