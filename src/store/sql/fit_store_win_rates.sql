-- The win-rates document $2 of fit $1, with its entity tag $3.
INSERT INTO win_rates (fit_id, body, etag) VALUES ($1, $2, $3)
