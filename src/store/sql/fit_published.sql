-- The fit $2 of project $1 (null: the published one) for scoring, a row a group: fit, model (in the first row), lineage,
-- share, expected size, verdict, and the policy whose states are its features (null: none). It must have results.
SELECT f.id, CASE WHEN g.ordinal = 0 THEN f.model END, g.lineage_id, g.weight,
       coalesce((g.summary ->> 'expected_size')::double precision, g.size), f.verdict, f.options ->> 'policy'
FROM project p
JOIN fit f ON f.project_id = p.id AND f.id = coalesce($2::uuid, p.published_fit) AND f.published_at IS NOT NULL
JOIN fit_group g ON g.fit_id = f.id
WHERE p.id = $1
ORDER BY g.ordinal
