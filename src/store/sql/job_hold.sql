-- First statement of a publishing transaction: holds job $1 while lease $2 is valid. No row when it is lost.
SELECT project_id FROM job WHERE id = $1 AND lease_token = $2 AND state = 'running' FOR NO KEY UPDATE
