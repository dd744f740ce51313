-- Whether fit $2 of project $1 (null: the published one) has results, and how many groups.
SELECT f.published_at IS NOT NULL, coalesce(f.k, 0)
FROM project p JOIN fit f ON f.project_id = p.id AND f.id = coalesce($2::uuid, p.published_fit)
WHERE p.id = $1
