-- The digests of those of these comparisons that are stored, with their positions, from 1.
SELECT u.position::integer, c.digest
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS u (project_id, id, position)
JOIN comparison c ON c.project_id = u.project_id AND c.id = u.id
