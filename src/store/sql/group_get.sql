-- Group (lineage) $2 of project $1, as of the published fit.
SELECT g.body
FROM project p JOIN group_document g ON g.fit_id = p.published_fit
WHERE p.id = $1 AND g.id = $2
