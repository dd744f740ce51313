-- Comparison $2 of project $1 as JSON, with its texts when $3.
SELECT CASE WHEN $3::boolean THEN body_inline ELSE body END FROM comparison_document WHERE project_id = $1 AND id = $2
