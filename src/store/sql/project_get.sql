-- Project $1 as JSON.
SELECT body FROM project_document WHERE id = $1
