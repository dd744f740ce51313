-- Stores item $2 of project $1, where $3 is the prompt ($4: messages): a row when it is new.
INSERT INTO item (project_id, id, prompt, prompt_is_messages)
VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
RETURNING id
