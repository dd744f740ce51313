-- Event $2 of the lineages of fit $1: its kind, the lineage before and the one after (or null), and the share.
INSERT INTO lineage_event (fit_id, line, kind, before, after, share)
VALUES ($1, $2, $3, array_remove(ARRAY[$4::uuid], NULL), array_remove(ARRAY[$5::uuid], NULL), $6)
