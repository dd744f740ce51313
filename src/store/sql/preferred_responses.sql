-- The responses of project $1 that a comparison which counts preferred, each once, with the prompt as a language model is
-- given it; by id, so that the same data come in the same order.
SELECT prompt_text(i.prompt, i.prompt_is_messages), r.text
FROM (SELECT DISTINCT c.item_id, CASE c.outcome WHEN 'a' THEN c.response_a ELSE c.response_b END AS id
      FROM comparison c
      WHERE c.project_id = $1 AND c.outcome IN ('a', 'b')
        AND NOT EXISTS (SELECT FROM retraction t WHERE t.project_id = $1 AND t.comparison_id = c.id)) AS preferred
JOIN item i ON i.project_id = $1 AND i.id = preferred.item_id
JOIN response r ON r.item_id = preferred.item_id AND r.id = preferred.id
ORDER BY i.id, r.id
