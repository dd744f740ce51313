-- Stores comparisons together with the annotators, items and responses that they need; answers as ingest_comparisons.
-- as ingest_new_block: all of it is expected to be new, which is a third less work; else the statement fails.
-- PostgreSQL runs the last INSERT first and then those of WITH in reverse order: responses, items, annotators, in every
-- statement that stores them, so that two of them never wait for each other in a circle.
WITH new_annotator AS (
    INSERT INTO annotator (project_id, id, name)
    SELECT * FROM unnest($16::uuid[], $17::uuid[], $18::text[])
    ON CONFLICT DO NOTHING -- not in ingest_new_block
), new_item AS (
    INSERT INTO item (project_id, id, prompt, prompt_is_messages)
    SELECT * FROM unnest($19::uuid[], $20::uuid[], $21::text[], $22::boolean[])
    ON CONFLICT DO NOTHING -- not in ingest_new_block
), new_response AS (
    INSERT INTO response (item_id, id, text, policy)
    SELECT * FROM unnest($23::uuid[], $24::uuid[], $25::text[], $26::text[])
    ON CONFLICT DO NOTHING -- not in ingest_new_block
)
INSERT INTO comparison (project_id, id, annotator_id, item_id, response_a, response_b, outcome, strength, shown_first,
                        duration_ms, skip_reason, reasons, meta, judged_at, digest)
SELECT u.project_id, u.id, u.annotator_id, u.item_id, u.response_a, u.response_b,
       ('{a,b,tie,both_bad,skip}'::outcome[])[u.outcome + 1], u.strength, ('{a,b}'::outcome[])[u.shown_first + 1],
       u.duration_ms, u.skip_reason, u.reasons::text[], u.meta::json, u.judged_at, u.digest
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::smallint[], $8::smallint[],
            $9::smallint[], $10::integer[], $11::text[], $12::text[], $13::text[], $14::timestamptz[], $15::bytea[])
     AS u (project_id, id, annotator_id, item_id, response_a, response_b, outcome, strength, shown_first, duration_ms,
           skip_reason, reasons, meta, judged_at, digest)
ON CONFLICT DO NOTHING -- not in ingest_new_block
RETURNING project_id, id -- not in ingest_new_block
