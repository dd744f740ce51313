-- Adds the members of the JSON object $3 to the recipe of the policy that job $1 under lease $2 makes. No row when the
-- lease is lost.
UPDATE policy p SET recipe = p.recipe || $3::jsonb
FROM job j
WHERE p.job_id = j.id AND j.id = $1 AND j.lease_token = $2 AND j.state = 'running'
RETURNING p.id
