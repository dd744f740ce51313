-- The groups that the next fit of project $1 is matched against: fit, ordinal, lineage, colour, name; those of the published
-- fit, or of the last one published that had groups.
WITH former AS (
    SELECT f.id FROM fit f JOIN project p ON p.id = f.project_id
    WHERE f.project_id = $1 AND f.k > 0 AND f.published_at IS NOT NULL
    ORDER BY (f.id = p.published_fit) DESC, f.published_at DESC
    LIMIT 1
)
SELECT g.fit_id, g.ordinal, g.lineage_id, l.colour, l.name
FROM former JOIN fit_group g ON g.fit_id = former.id JOIN lineage l ON l.id = g.lineage_id
ORDER BY g.ordinal
