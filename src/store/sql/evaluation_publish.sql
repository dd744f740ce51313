-- The document $2 of evaluation $1, and the fit $3 whose groups were asked.
UPDATE evaluation SET document = $2, fit_id = $3, published_at = clock_timestamp() WHERE id = $1
