-- Those of these comparisons that are stored with another content: their lines.
SELECT u.line
FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bigint[]) AS u (project_id, id, digest, line)
JOIN comparison c ON c.project_id = u.project_id AND c.id = u.id
WHERE c.digest <> u.digest
ORDER BY u.line
