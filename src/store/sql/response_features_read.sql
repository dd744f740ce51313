-- What encoder $2 made of the responses to the items of project $1, by item and response.
SELECT f.item_id, f.response_id, f.features
FROM item i JOIN response_features f ON f.encoder = $2 AND f.item_id = i.id
WHERE i.project_id = $1
ORDER BY f.item_id, f.response_id
