-- Whether this transaction is the one that schedules. The number is the scheduler's own.
SELECT pg_try_advisory_xact_lock(7305808869232651265)
