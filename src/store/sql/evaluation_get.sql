-- Evaluation $2 of project $1 as JSON.
SELECT body FROM evaluation_document WHERE project_id = $1 AND id = $2
