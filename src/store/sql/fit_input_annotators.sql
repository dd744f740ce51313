-- The annotators of project $1 with a comparison that counts, by id.
SELECT a.id FROM annotator a
WHERE a.project_id = $1
  AND EXISTS (SELECT FROM comparison c
              WHERE c.project_id = $1 AND c.annotator_id = a.id AND c.outcome <> 'skip'
                AND NOT EXISTS (SELECT FROM retraction r WHERE r.project_id = $1 AND r.comparison_id = c.id))
ORDER BY a.id
