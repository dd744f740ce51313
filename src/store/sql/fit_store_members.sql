-- Members of fit $1: annotators $2, ordinals $3, posteriors $4 as text, comparisons $5.
INSERT INTO membership (fit_id, annotator_id, ordinal, posterior, comparisons)
SELECT $1::uuid, annotator, ordinal, posterior::double precision[], comparisons
FROM unnest($2::uuid[], $3::smallint[], $4::text[], $5::integer[]) AS m (annotator, ordinal, posterior, comparisons)
