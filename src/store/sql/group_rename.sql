-- Names group (lineage) $2 of project $1; its win rates are told with the new name from now on.
WITH named AS (UPDATE lineage SET name = $3 WHERE project_id = $1 AND id = $2 RETURNING project_id)
SELECT pg_notify('egalign_fit', project_id::text) FROM named
