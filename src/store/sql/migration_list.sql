-- The migrations that were applied: version, name, checksum.
SELECT version, name, checksum FROM schema_migration ORDER BY version
