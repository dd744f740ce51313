-- Who was in which group of fit $1, by annotator id.
SELECT annotator_id, ordinal FROM membership WHERE fit_id = $1 ORDER BY annotator_id
