-- A lineage $1 of project $2 that begins, in colour $3.
INSERT INTO lineage (id, project_id, colour) VALUES ($1, $2, $3)
