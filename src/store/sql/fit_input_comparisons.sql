-- The comparisons of project $1 that count, neither skipped nor undone, in the order in which they were made
-- as far as that is known, else of arrival.
SELECT c.id, c.annotator_id, c.response_a, c.response_b, c.outcome, c.strength
FROM comparison c
WHERE c.project_id = $1 AND c.outcome <> 'skip'
  AND NOT EXISTS (SELECT FROM retraction r WHERE r.project_id = $1 AND r.comparison_id = c.id)
ORDER BY coalesce(c.judged_at, c.received_at), c.seq
