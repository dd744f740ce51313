-- The files of the deleted policy $1 were removed.
UPDATE policy SET folder = NULL WHERE id = $1 AND deleted_at IS NOT NULL
