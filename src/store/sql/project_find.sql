-- The id of the project named $1.
SELECT id FROM project WHERE name = $1
