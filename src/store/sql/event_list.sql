-- What happened in project $1 after event $2, in order, at most $3 events: number, kind, JSON.
SELECT number, kind, (jsonb_build_object('number', number, 'at', rfc3339(at)) || data)::text
FROM event WHERE project_id = $1 AND number > $2
ORDER BY number LIMIT $3
