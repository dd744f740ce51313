-- The groups of fit $1 by ordinal: lineage, name, weight.
SELECT g.lineage_id, l.name, g.weight
FROM fit_group g JOIN lineage l ON l.id = g.lineage_id
WHERE g.fit_id = $1 ORDER BY g.ordinal
