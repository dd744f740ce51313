-- Names group (lineage) $2 of project $1.
UPDATE lineage SET name = $3 WHERE project_id = $1 AND id = $2
