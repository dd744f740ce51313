-- Those who ask for fits of project $1 do so one after the other. No row when there is no such project.
SELECT id FROM project WHERE id = $1 FOR NO KEY UPDATE
