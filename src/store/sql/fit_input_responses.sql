-- The responses that the comparisons of project $1 compare that count, neither skipped nor undone, by item; the prompt
-- stands in an item's first row only.
WITH counting AS (
    SELECT c.item_id, c.response_a, c.response_b
    FROM comparison c
    WHERE c.project_id = $1 AND c.outcome <> 'skip'
      AND NOT EXISTS (SELECT FROM retraction r WHERE r.project_id = $1 AND r.comparison_id = c.id)
), used AS (
    SELECT item_id, response_a AS id FROM counting
    UNION
    SELECT item_id, response_b FROM counting
)
SELECT r.id, r.text, r.policy, lag(i.id) OVER by_item IS DISTINCT FROM i.id AS first,
       CASE WHEN lag(i.id) OVER by_item IS NOT DISTINCT FROM i.id THEN NULL
            ELSE prompt_text(i.prompt, i.prompt_is_messages) END,
       i.id
FROM used
JOIN item i ON i.project_id = $1 AND i.id = used.item_id
JOIN response r ON r.item_id = used.item_id AND r.id = used.id
WINDOW by_item AS (ORDER BY i.id, r.id)
ORDER BY i.id, r.id
