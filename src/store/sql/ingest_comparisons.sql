-- Stores comparisons whose annotators, items and responses are stored already; answers with the keys of the new ones.
-- as ingest_new_comparisons: all of it is expected to be new, which is a third less work; else the statement fails.
INSERT INTO comparison (project_id, id, annotator_id, item_id, response_a, response_b, outcome, strength, shown_first,
                        duration_ms, skip_reason, reasons, meta, judged_at, digest)
SELECT u.project_id, u.id, u.annotator_id, u.item_id, u.response_a, u.response_b,
       ('{a,b,tie,both_bad,skip}'::outcome[])[u.outcome + 1], u.strength, ('{a,b}'::outcome[])[u.shown_first + 1],
       u.duration_ms, u.skip_reason, u.reasons::text[], u.meta::json, u.judged_at, u.digest
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::smallint[], $8::smallint[],
            $9::smallint[], $10::integer[], $11::text[], $12::text[], $13::text[], $14::timestamptz[], $15::bytea[])
     AS u (project_id, id, annotator_id, item_id, response_a, response_b, outcome, strength, shown_first, duration_ms,
           skip_reason, reasons, meta, judged_at, digest)
ON CONFLICT DO NOTHING -- not in ingest_new_comparisons
RETURNING project_id, id -- not in ingest_new_comparisons
