-- Group $2 of fit $1: lineage, weight, size, stability, summary.
INSERT INTO fit_group (fit_id, ordinal, lineage_id, weight, size, stability, summary)
VALUES ($1, $2, $3, $4, $5, $6, $7)
