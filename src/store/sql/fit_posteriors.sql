-- Who belongs to which group of fit $2 of project $1 (null: the published one), with what probability, by annotator id.
SELECT m.annotator_id, m.posterior::text, f.id
FROM project p JOIN fit f ON f.project_id = p.id AND f.id = coalesce($2::uuid, p.published_fit)
JOIN membership m ON m.fit_id = f.id
WHERE p.id = $1
ORDER BY m.annotator_id
