-- Makes fit $2 of project $1 the published one and tells everybody. No row unless it has results.
WITH changed AS (
    UPDATE project p SET published_fit = f.id
    FROM fit f
    WHERE p.id = $1 AND f.project_id = p.id AND f.id = $2 AND f.published_at IS NOT NULL
    RETURNING p.id
)
SELECT pg_notify('egalign_fit', id::text) FROM changed
