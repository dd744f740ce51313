-- The prompts of the items $2 of project $1, in their order, as a language model is given them; null where there is none.
SELECT prompt_text(i.prompt, i.prompt_is_messages)
FROM unnest($2::uuid[]) WITH ORDINALITY AS u (id, place)
LEFT JOIN item i ON i.project_id = $1 AND i.id = u.id
ORDER BY u.place
