-- Evaluation $1 of project $2, which job $3 makes: policy $4 against $5, by the groups of fit $6 (null: the published one).
INSERT INTO evaluation (id, project_id, job_id, policy_id, against_id, fit_id) VALUES ($1, $2, $3, $4, $5, $6)
