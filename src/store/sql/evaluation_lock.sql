-- Lets one evaluation of project $1 at a time write its standing, until the transaction ends.
SELECT id FROM project WHERE id = $1 FOR NO KEY UPDATE
