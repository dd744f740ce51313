-- Fit $1 is what project $2 shows from now on.
UPDATE project SET published_fit = $1 WHERE id = $2 RETURNING pg_notify('egalign_fit', id::text)
