-- Token $1 as JSON.
SELECT body FROM token_document WHERE id = $1
