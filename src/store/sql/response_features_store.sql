-- Keeps what encoder $1 made of responses: items $2, responses $3, features $4, one row each.
INSERT INTO response_features (encoder, item_id, response_id, features)
SELECT $1, item, response, features
FROM unnest($2::uuid[], $3::uuid[], $4::bytea[]) AS made (item, response, features)
ORDER BY item, response
ON CONFLICT DO NOTHING
