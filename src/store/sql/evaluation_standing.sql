-- The standing $2 of project $1; the win rates have changed.
WITH stored AS (
    INSERT INTO standing (project_id, body) VALUES ($1, $2)
    ON CONFLICT (project_id) DO UPDATE SET body = excluded.body, updated_at = clock_timestamp()
    RETURNING project_id
)
SELECT pg_notify('egalign_fit', project_id::text) FROM stored
