-- The policy that the fit options $2 of project $1 name (null: none), by name or id, held against deletion; its id is
-- null when it cannot be used; last, whether it is a language model.
SELECT asked.policy, held.id, held.role = 'policy'
FROM (SELECT $2::jsonb ->> 'policy' AS policy) AS asked
LEFT JOIN LATERAL (
    SELECT p.id, p.role FROM policy p
    WHERE p.project_id = $1 AND (p.name = asked.policy OR p.id::text = lower(asked.policy))
      AND p.ready_at IS NOT NULL AND p.deleted_at IS NULL
    FOR SHARE
) AS held ON true
