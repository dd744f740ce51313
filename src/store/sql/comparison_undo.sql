-- Retracts comparison $2 of project $1 for token $3 (null: the command line), if it is there and not retracted yet.
INSERT INTO retraction (project_id, comparison_id, token_id)
SELECT project_id, id, $3 FROM comparison WHERE project_id = $1 AND id = $2
ON CONFLICT DO NOTHING
