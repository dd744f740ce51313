-- The place, from 0, of the first of the ids $2 that is no item of project $1; nulls are passed over.
SELECT (u.place - 1)::integer
FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, place)
WHERE u.id IS NOT NULL AND NOT EXISTS (SELECT FROM item i WHERE i.project_id = $1 AND i.id = u.id)
ORDER BY u.place LIMIT 1
