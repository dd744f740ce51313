-- All tokens, oldest first, one document a row: for a terminal.
SELECT body FROM token_document ORDER BY id
