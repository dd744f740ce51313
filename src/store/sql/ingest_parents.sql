-- Stores the annotators, items and responses that a part of a long batch needs.
-- PostgreSQL runs the last INSERT first and then those of WITH in reverse order: responses, items, annotators, in every
-- statement that stores them, so that two of them never wait for each other in a circle.
WITH new_annotator AS (
    INSERT INTO annotator (project_id, id, name)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[])
    ON CONFLICT DO NOTHING
), new_item AS (
    INSERT INTO item (project_id, id, prompt, prompt_is_messages)
    SELECT * FROM unnest($4::uuid[], $5::uuid[], $6::text[], $7::boolean[])
    ON CONFLICT DO NOTHING
)
INSERT INTO response (item_id, id, text, policy)
SELECT * FROM unnest($8::uuid[], $9::uuid[], $10::text[], $11::text[])
ON CONFLICT DO NOTHING
