-- Comparisons of project $1 in order of arrival with their texts: up to number $2 (0: all), skips when $3, undone when $4.
SELECT c.seq, c.id, n.name, i.prompt, i.prompt_is_messages, a.text, a.policy, b.text, b.policy, c.outcome, c.strength,
       c.shown_first, c.duration_ms, c.skip_reason, c.meta, c.judged_at,
       CASE WHEN c.reasons IS NOT NULL OR i.prompt_is_messages THEN
           json_strip_nulls(json_build_object('reasons', c.reasons,
                                              'messages', CASE WHEN i.prompt_is_messages THEN i.prompt::json END)) END
FROM comparison c
JOIN annotator n ON n.id = c.annotator_id
JOIN item i ON i.project_id = c.project_id AND i.id = c.item_id
JOIN response a ON a.item_id = c.item_id AND a.id = c.response_a
JOIN response b ON b.item_id = c.item_id AND b.id = c.response_b
WHERE c.project_id = $1 AND ($2::bigint = 0 OR c.seq <= $2::bigint) AND ($3::boolean OR c.outcome <> 'skip')
  AND ($4::boolean OR NOT EXISTS (SELECT FROM retraction t WHERE t.project_id = c.project_id AND t.comparison_id = c.id))
ORDER BY c.seq
