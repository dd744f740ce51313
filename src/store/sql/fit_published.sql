-- The published fit of project $1 for scoring, a row a group: fit, model (in the first row), lineage, share, expected size.
SELECT f.id, CASE WHEN g.ordinal = 0 THEN f.model END, g.lineage_id, g.weight,
       coalesce((g.summary ->> 'expected_size')::double precision, g.size)
FROM project p
JOIN fit f ON f.id = p.published_fit
JOIN fit_group g ON g.fit_id = f.id
WHERE p.id = $1
ORDER BY g.ordinal
