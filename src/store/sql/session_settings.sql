-- Settings of a new session: $1 statement_timeout and $2 lock_timeout in ms. A server whose default is to acknowledge
-- before the disk has it (synchronous_commit = off) is overruled, unless the connection string itself asks for it.
SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
       set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false),
       set_config('idle_in_transaction_session_timeout', '600s', false),
       CASE WHEN current_setting('synchronous_commit') = 'off'
                 AND (SELECT source <> 'client' FROM pg_settings WHERE name = 'synchronous_commit')
            THEN set_config('synchronous_commit', 'on', false) END
