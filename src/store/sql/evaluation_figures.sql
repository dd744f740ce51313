-- The published evaluations of project $1, oldest first: id, names of the two policies, the objective that the first was
-- trained for (null: none), when it was published, document.
SELECT e.id, p.name, a.name,
       CASE WHEN jsonb_typeof(p.recipe -> 'objective') = 'string' THEN p.recipe ->> 'objective'
            ELSE p.recipe -> 'objective' ->> 'mode' END,
       e.published_at, e.document::text
FROM evaluation e JOIN policy p ON p.id = e.policy_id LEFT JOIN policy a ON a.id = e.against_id
WHERE e.project_id = $1 AND e.published_at IS NOT NULL
ORDER BY e.published_at, e.id
