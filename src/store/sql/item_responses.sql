-- Stores the responses of item $1 that it does not have.
INSERT INTO response (item_id, id, text, policy)
SELECT $1, u.id, u.text, u.policy
FROM unnest($2::uuid[], $3::text[], $4::text[]) AS u (id, text, policy)
ON CONFLICT DO NOTHING
