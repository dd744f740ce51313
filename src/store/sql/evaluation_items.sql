-- Up to $2 items of project $1 by id, with the prompt as a language model is given it.
SELECT id, prompt_text(prompt, prompt_is_messages) FROM item WHERE project_id = $1 ORDER BY id LIMIT $2
