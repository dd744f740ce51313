-- What job $1 evaluates: the evaluation; policy, what it is judged against, and its parent, each as id and name; the fit
-- with its options, rewards and number of groups (null: there is none with groups).
SELECT e.id, p.id, p.name, a.id, a.name, r.id, r.name, f.id, f.options, f.model, f.k
FROM evaluation e
JOIN project j ON j.id = e.project_id
JOIN policy p ON p.id = e.policy_id
JOIN policy a ON a.id = e.against_id
LEFT JOIN policy r ON r.id = p.parent_id AND r.ready_at IS NOT NULL AND r.deleted_at IS NULL
LEFT JOIN fit f ON f.id = coalesce(e.fit_id, j.published_fit) AND f.k > 0
WHERE e.job_id = $1
