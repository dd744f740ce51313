-- Annotator $2 of project $1 with its counts, as JSON.
SELECT json_build_object(
    'id', n.id, 'name', n.name, 'created_at', rfc3339(n.created_at), 'comparisons', count(c.id),
    'by_outcome', json_build_object(
        'a', count(*) FILTER (WHERE c.outcome = 'a'), 'b', count(*) FILTER (WHERE c.outcome = 'b'),
        'tie', count(*) FILTER (WHERE c.outcome = 'tie'), 'both_bad', count(*) FILTER (WHERE c.outcome = 'both_bad'),
        'skip', count(*) FILTER (WHERE c.outcome = 'skip')),
    'retracted', count(t.comparison_id),
    'last_received_at', rfc3339(max(c.received_at)))
FROM annotator n
LEFT JOIN comparison c ON c.project_id = n.project_id AND c.annotator_id = n.id
LEFT JOIN retraction t ON t.project_id = c.project_id AND t.comparison_id = c.id
WHERE n.project_id = $1 AND n.id = $2
GROUP BY n.id
