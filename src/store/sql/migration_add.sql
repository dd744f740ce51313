-- Records migration $1 with its name $2 and checksum $3 as applied.
INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)
