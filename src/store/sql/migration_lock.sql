-- Lets one migrator at a time into the database, until its transaction ends.
SELECT pg_advisory_xact_lock(7305091284261)
