-- The comparisons of project $1 that count between responses of the policies named $2 and $3: annotator, 1 when the
-- former won, -1 when the latter, 0 for neither, and the annotator's group in fit $4 (null: not in it). Those of an
-- annotator lie together.
SELECT c.annotator_id,
       CASE WHEN c.outcome NOT IN ('a', 'b') THEN 0 WHEN (c.outcome = 'a') = (a.policy = $2) THEN 1 ELSE -1 END,
       m.ordinal
FROM comparison c
JOIN response a ON a.item_id = c.item_id AND a.id = c.response_a
JOIN response b ON b.item_id = c.item_id AND b.id = c.response_b
LEFT JOIN membership m ON m.fit_id = $4 AND m.annotator_id = c.annotator_id
WHERE c.project_id = $1 AND c.outcome <> 'skip'
  AND (a.policy = $2 AND b.policy = $3 OR a.policy = $3 AND b.policy = $2)
  AND NOT EXISTS (SELECT FROM retraction r WHERE r.project_id = $1 AND r.comparison_id = c.id)
ORDER BY c.annotator_id, c.seq
