-- The groups of the published fit of project $1.
SELECT json_build_object(
    'fit', p.published_fit,
    'items', coalesce((SELECT json_agg(g.body ORDER BY g.ordinal)
                       FROM group_document g WHERE g.fit_id = p.published_fit), '[]'::json),
    'next_cursor', NULL)
FROM project p WHERE p.id = $1
