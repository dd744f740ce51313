-- Which of these (project, item, response) exist: their positions, from 1.
SELECT u.position::integer
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS u (project_id, item_id, response_id, position)
JOIN item i ON i.project_id = u.project_id AND i.id = u.item_id
JOIN response r ON r.item_id = u.item_id AND r.id = u.response_id
