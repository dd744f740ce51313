-- The responses that the comparisons of project $1 compare, by item; the prompt stands in an item's first row only.
WITH used AS (
    SELECT response_a AS id FROM comparison WHERE project_id = $1 AND outcome <> 'skip'
    UNION
    SELECT response_b FROM comparison WHERE project_id = $1 AND outcome <> 'skip'
)
SELECT r.id, r.text, r.policy, lag(i.id) OVER by_item IS DISTINCT FROM i.id AS first,
       CASE WHEN lag(i.id) OVER by_item IS NOT DISTINCT FROM i.id THEN NULL
            WHEN i.prompt_is_messages
            THEN (SELECT coalesce(string_agg(m.message ->> 'content', E'\n' ORDER BY m.place), '')
                  FROM json_array_elements(i.prompt::json) WITH ORDINALITY AS m (message, place))
            ELSE i.prompt END
FROM used JOIN response r ON r.id = used.id JOIN item i ON i.id = r.item_id
WINDOW by_item AS (ORDER BY i.id, r.id)
ORDER BY i.id, r.id
