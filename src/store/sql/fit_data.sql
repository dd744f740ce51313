-- The state of the data of project $1: comparisons, retractions, highest seq, and when that is so.
SELECT count(*), (SELECT count(*) FROM retraction WHERE project_id = $1), coalesce(max(seq), 0), now()
FROM comparison WHERE project_id = $1
