-- Prompts of project $1 to train on: of the items $2, or (null) of at most $3 items by id, which is as good as drawn, for
-- ids are digests. Item, the prompt as a language model is given it, and as a fit reads it.
SELECT i.id, prompt_text(i.prompt, i.prompt_is_messages),
       CASE WHEN i.prompt_is_messages
            THEN (SELECT coalesce(string_agg(m.message ->> 'content', E'\n' ORDER BY m.place), '')
                  FROM json_array_elements(i.prompt::json) WITH ORDINALITY AS m (message, place))
            ELSE i.prompt END
FROM item i
WHERE i.project_id = $1 AND ($2::uuid[] IS NULL OR i.id = ANY ($2::uuid[]))
ORDER BY i.id
LIMIT CASE WHEN $2::uuid[] IS NULL THEN $3::bigint END
