-- The win rates of project $1 and their ETag: what the published fit rendered, with the names that groups were given
-- since, or what there is before the first fit; and how the policies stand, whatever fit is published.
SELECT whole.body, '"' || encode(sha256(convert_to(whole.body, 'UTF8')), 'hex') || '"'
FROM project p
LEFT JOIN win_rates w ON w.fit_id = p.published_fit
LEFT JOIN standing s ON s.project_id = p.id
LEFT JOIN LATERAL (
    SELECT jsonb_set(w.body::jsonb, '{groups}',
                     jsonb_agg(g.body || jsonb_build_object('name', l.name) ORDER BY g.place))::text AS body
    FROM jsonb_array_elements(w.body::jsonb -> 'groups') WITH ORDINALITY g (body, place)
    JOIN lineage l ON l.id = (g.body ->> 'id')::uuid
    HAVING bool_or(l.name <> g.body ->> 'name')
) n ON true
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
CROSS JOIN LATERAL (
    SELECT left(coalesce(n.body, w.body, d.body), -1) || ',' || coalesce(s.body, '"evaluations":[],"history":[]') || '}'
           AS body
) whole
WHERE p.id = $1
