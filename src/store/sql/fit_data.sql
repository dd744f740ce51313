-- The state of the data of project $1: comparisons, retractions, highest seq.
SELECT count(*), (SELECT count(*) FROM retraction WHERE project_id = $1), coalesce(max(seq), 0)
FROM comparison WHERE project_id = $1
