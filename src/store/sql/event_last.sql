-- The number of the last event of project $1; 0 before the first.
SELECT coalesce(max(number), 0) FROM event WHERE project_id = $1
