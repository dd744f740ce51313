-- The service's nouns. Forward only: a change is a new file.
-- Ids: comparison, fit, job, token, project and lineage have UUIDv7 ids (or the client's own UUID). Item, response and
-- annotator ids are UUIDv8, derived by SHA-256 from the project and the content, so that the same content has the same id
-- whoever posts it first and no lookup is needed before an insert.

CREATE TYPE role AS ENUM ('annotator', 'viewer', 'operator', 'admin');
CREATE TYPE outcome AS ENUM ('a', 'b', 'tie', 'both_bad', 'skip');
CREATE TYPE job_kind AS ENUM ('fit');
CREATE TYPE job_state AS ENUM ('queued', 'running', 'done', 'failed', 'cancelled');

CREATE TABLE project (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    title text NOT NULL DEFAULT '',
    refit_after_comparisons integer NOT NULL DEFAULT 0 CHECK (refit_after_comparisons >= 0),
    refit_after_seconds integer NOT NULL DEFAULT 0 CHECK (refit_after_seconds >= 0),
    fit_options jsonb NOT NULL DEFAULT '{}',
    published_fit uuid,
    last_job_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE project IS 'One collection of items, annotators and comparisons; groups are found within a project.';
COMMENT ON COLUMN project.id IS 'UUIDv7.';
COMMENT ON COLUMN project.name IS 'The name in URLs; never changes.';
COMMENT ON COLUMN project.title IS 'What people see.';
COMMENT ON COLUMN project.refit_after_comparisons IS 'The scheduler refits when this many comparisons are new since the last fit; 0 is never.';
COMMENT ON COLUMN project.refit_after_seconds IS 'The scheduler refits when this long has passed since the last fit and something is new; 0 is never.';
COMMENT ON COLUMN project.fit_options IS 'Options of scheduled fits, as in the body of POST fits.';
COMMENT ON COLUMN project.published_fit IS 'The fit that the groups and win rates come from; null before the first.';
COMMENT ON COLUMN project.last_job_at IS 'When a job of it was last started: workers take the project that has waited longest first.';
COMMENT ON COLUMN project.created_at IS 'When the project was made.';

CREATE TABLE token (
    id uuid PRIMARY KEY,
    project_id uuid REFERENCES project,
    role role NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz
);
COMMENT ON TABLE token IS 'Bearer tokens. The token itself is shown once, when it is made, and not stored.';
COMMENT ON COLUMN token.id IS 'UUIDv7.';
COMMENT ON COLUMN token.project_id IS 'The only project that the token opens; null opens all.';
COMMENT ON COLUMN token.role IS 'annotator < viewer < operator < admin.';
COMMENT ON COLUMN token.name IS 'What the token is for, in words.';
COMMENT ON COLUMN token.prefix IS 'First characters of the token, to recognise it by.';
COMMENT ON COLUMN token.hash IS 'SHA-256 of the token.';
COMMENT ON COLUMN token.created_at IS 'When it was made.';
COMMENT ON COLUMN token.expires_at IS 'When it stops working; null is never.';
COMMENT ON COLUMN token.revoked_at IS 'When it was revoked; null while it works.';

CREATE TABLE annotator (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES project,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);
COMMENT ON TABLE annotator IS 'A person who judges, by the pseudonym that the frontend gives.';
COMMENT ON COLUMN annotator.id IS 'UUIDv8 derived from project and name.';
COMMENT ON COLUMN annotator.project_id IS 'Its project.';
COMMENT ON COLUMN annotator.name IS 'The frontend''s name for the person; should be a pseudonym.';
COMMENT ON COLUMN annotator.created_at IS 'When first heard of.';

CREATE TABLE item (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    prompt text NOT NULL,
    prompt_is_messages boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, id)
);
COMMENT ON TABLE item IS 'A prompt; its candidate responses are in response. One index and no foreign key, here and in response: ids are derived from the parent, ingest stores both in one statement, and each further index or check costs as much as the row.';
COMMENT ON COLUMN item.id IS 'UUIDv8 derived from project and prompt, so a prompt is stored once.';
COMMENT ON COLUMN item.project_id IS 'Its project.';
COMMENT ON COLUMN item.prompt IS 'The prompt: plain text, or its chat messages as a JSON array of {"role", "content"}.';
COMMENT ON COLUMN item.prompt_is_messages IS 'Whether prompt is the JSON array of chat messages.';
COMMENT ON COLUMN item.created_at IS 'When first heard of.';

CREATE TABLE response (
    id uuid NOT NULL,
    item_id uuid NOT NULL,
    text text NOT NULL,
    policy text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (item_id, id)
);
COMMENT ON TABLE response IS 'A candidate response to the prompt of an item.';
COMMENT ON COLUMN response.id IS 'UUIDv8 derived from item, policy and text, so a text is stored once for an item and source.';
COMMENT ON COLUMN response.item_id IS 'The item it answers.';
COMMENT ON COLUMN response.text IS 'The response, UTF-8.';
COMMENT ON COLUMN response.policy IS 'What produced it, a policy or model name; null when not told.';
COMMENT ON COLUMN response.created_at IS 'When first heard of.';

CREATE TABLE comparison (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    annotator_id uuid NOT NULL,
    item_id uuid NOT NULL,
    response_a uuid NOT NULL,
    response_b uuid NOT NULL,
    outcome outcome NOT NULL,
    strength smallint CHECK (strength BETWEEN 1 AND 3),
    shown_first outcome CHECK (shown_first IN ('a', 'b')),
    duration_ms integer CHECK (duration_ms >= 0),
    skip_reason text,
    reasons text[],
    meta json,
    judged_at timestamptz,
    received_at timestamptz NOT NULL DEFAULT now(),
    digest bytea NOT NULL CHECK (length(digest) = 16),
    PRIMARY KEY (project_id, id)
);
CREATE UNIQUE INDEX comparison_by_seq ON comparison (project_id, seq);
COMMENT ON TABLE comparison IS 'A recorded judgement. Rows are only ever added; undo adds a retraction. References to item, responses and annotator are kept by the ingest transaction, which stores or checks them first: foreign keys here would double the cost of a row.';
COMMENT ON COLUMN comparison.seq IS 'Order of arrival within the database; the watermark of fits and exports. Given before the commit: of two transactions at once the later number may show first.';
COMMENT ON COLUMN comparison.id IS 'The client''s UUID, or one derived from its Idempotency-Key, or a new UUIDv7.';
COMMENT ON COLUMN comparison.project_id IS 'Its project.';
COMMENT ON COLUMN comparison.annotator_id IS 'Who judged.';
COMMENT ON COLUMN comparison.item_id IS 'The item judged.';
COMMENT ON COLUMN comparison.response_a IS 'The response called a.';
COMMENT ON COLUMN comparison.response_b IS 'The response called b.';
COMMENT ON COLUMN comparison.outcome IS 'Which is better; tie, both_bad, or skip.';
COMMENT ON COLUMN comparison.strength IS '1 slightly, 2 clearly, 3 much better; null when not told.';
COMMENT ON COLUMN comparison.shown_first IS 'Which was shown first (left or top); null when not told.';
COMMENT ON COLUMN comparison.duration_ms IS 'How long the person took, milliseconds.';
COMMENT ON COLUMN comparison.skip_reason IS 'Why it was skipped, in the frontend''s words.';
COMMENT ON COLUMN comparison.reasons IS 'Reasons given for the judgement, in the frontend''s words.';
COMMENT ON COLUMN comparison.meta IS 'Free-form JSON of the frontend, verbatim.';
COMMENT ON COLUMN comparison.judged_at IS 'When the person judged, by the frontend''s clock.';
COMMENT ON COLUMN comparison.received_at IS 'When it was stored.';
COMMENT ON COLUMN comparison.digest IS 'First 16 bytes of the SHA-256 of the judgement''s canonical form: tells a replay from a conflict.';

CREATE TABLE retraction (
    project_id uuid NOT NULL,
    comparison_id uuid NOT NULL,
    retracted_at timestamptz NOT NULL DEFAULT now(),
    token_id uuid REFERENCES token,
    PRIMARY KEY (project_id, comparison_id),
    FOREIGN KEY (project_id, comparison_id) REFERENCES comparison
);
COMMENT ON TABLE retraction IS 'A comparison that was undone: it stays stored and no longer counts.';
COMMENT ON COLUMN retraction.project_id IS 'Project of the comparison.';
COMMENT ON COLUMN retraction.comparison_id IS 'The comparison undone.';
COMMENT ON COLUMN retraction.retracted_at IS 'When.';
COMMENT ON COLUMN retraction.token_id IS 'By whom; null for the command line.';

CREATE TABLE job (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES project,
    kind job_kind NOT NULL,
    params jsonb NOT NULL DEFAULT '{}',
    state job_state NOT NULL DEFAULT 'queued',
    stage text NOT NULL DEFAULT '',
    progress real NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    metrics jsonb NOT NULL DEFAULT '{}',
    error jsonb,
    cancel_requested boolean NOT NULL DEFAULT false,
    attempts smallint NOT NULL DEFAULT 0,
    failures smallint NOT NULL DEFAULT 0,
    worker text,
    lease_token uuid,
    lease_until timestamptz,
    traceparent text,
    token_id uuid REFERENCES token,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
);
CREATE INDEX job_queue ON job (project_id, created_at) WHERE state = 'queued';
CREATE INDEX job_running ON job (lease_until) WHERE state = 'running';
CREATE INDEX job_by_project ON job (project_id, id);
-- Never two fits of a project at once: several may wait, and a worker takes none while one is running.
CREATE UNIQUE INDEX job_one_running_fit ON job (project_id) WHERE kind = 'fit' AND state = 'running';
COMMENT ON TABLE job IS 'Work for a worker; the one queue.';
COMMENT ON COLUMN job.id IS 'UUIDv7.';
COMMENT ON COLUMN job.project_id IS 'Its project.';
COMMENT ON COLUMN job.kind IS 'What is to be done.';
COMMENT ON COLUMN job.params IS 'The validated body of the request.';
COMMENT ON COLUMN job.state IS 'queued, running, done, failed or cancelled.';
COMMENT ON COLUMN job.stage IS 'What it is doing now, in words.';
COMMENT ON COLUMN job.progress IS 'Share done, 0 to 1.';
COMMENT ON COLUMN job.metrics IS 'Latest figures, by name.';
COMMENT ON COLUMN job.error IS 'Why it failed: {code, message}.';
COMMENT ON COLUMN job.cancel_requested IS 'Somebody asked for its end; the worker obeys at its next heartbeat.';
COMMENT ON COLUMN job.attempts IS 'Times it was started.';
COMMENT ON COLUMN job.failures IS 'Attempts that ended by a crash or a lost lease since it was asked for or retried; too many make it fail. A worker that is told to stop gives its job back without one.';
COMMENT ON COLUMN job.worker IS 'host:pid of the worker that has it or had it last.';
COMMENT ON COLUMN job.lease_token IS 'Changes with each claim; every write of a worker names it, so a worker that lost its lease can write nothing.';
COMMENT ON COLUMN job.lease_until IS 'By the database''s clock; after it another worker may take the job.';
COMMENT ON COLUMN job.traceparent IS 'W3C trace context of the request that made it.';
COMMENT ON COLUMN job.token_id IS 'Who asked; null for the scheduler and the command line.';
COMMENT ON COLUMN job.created_at IS 'When asked for.';
COMMENT ON COLUMN job.started_at IS 'When the last attempt started.';
COMMENT ON COLUMN job.finished_at IS 'When it came to an end.';

CREATE TABLE job_attempt (
    job_id uuid NOT NULL REFERENCES job,
    attempt smallint NOT NULL,
    worker text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    reason text,
    PRIMARY KEY (job_id, attempt)
);
COMMENT ON TABLE job_attempt IS 'Each start of a job and how it ended.';
COMMENT ON COLUMN job_attempt.job_id IS 'The job.';
COMMENT ON COLUMN job_attempt.attempt IS '1, 2, 3 ...';
COMMENT ON COLUMN job_attempt.worker IS 'host:pid.';
COMMENT ON COLUMN job_attempt.started_at IS 'When it was claimed.';
COMMENT ON COLUMN job_attempt.ended_at IS 'When it ended, or was found dead.';
COMMENT ON COLUMN job_attempt.reason IS 'Why it ended: done, cancelled, or what went wrong.';

CREATE TABLE job_log (
    job_id uuid NOT NULL REFERENCES job,
    line bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    level text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (job_id, line)
);
COMMENT ON TABLE job_log IS 'What a job said.';
COMMENT ON COLUMN job_log.job_id IS 'The job.';
COMMENT ON COLUMN job_log.line IS 'Ascending; the cursor of the log.';
COMMENT ON COLUMN job_log.at IS 'When.';
COMMENT ON COLUMN job_log.level IS 'info, warning or error.';
COMMENT ON COLUMN job_log.message IS 'One line of text.';

-- How a moment is written in every JSON document of the service.
CREATE FUNCTION rfc3339(moment timestamptz) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;
COMMENT ON FUNCTION rfc3339(timestamptz) IS 'RFC 3339 in UTC with microseconds; null of null.';

-- What the API shows of each resource, in one place: a GET reads the body, a list strings bodies together.
CREATE VIEW project_document AS
SELECT p.id, p.name,
       json_build_object(
           'id', p.id, 'name', p.name, 'title', p.title, 'refit_after_comparisons', p.refit_after_comparisons,
           'refit_after_seconds', p.refit_after_seconds, 'fit_options', p.fit_options,
           'published_fit', p.published_fit, 'created_at', rfc3339(p.created_at)) AS body
FROM project p;
COMMENT ON VIEW project_document IS 'A project as the API shows it.';
COMMENT ON COLUMN project_document.id IS 'The project.';
COMMENT ON COLUMN project_document.name IS 'Its name.';
COMMENT ON COLUMN project_document.body IS 'The JSON document.';

CREATE VIEW token_document AS
SELECT t.id,
       json_build_object(
           'id', t.id, 'project', p.name, 'role', t.role, 'name', t.name, 'prefix', t.prefix,
           'created_at', rfc3339(t.created_at), 'expires_at', rfc3339(t.expires_at),
           'revoked_at', rfc3339(t.revoked_at)) AS body
FROM token t LEFT JOIN project p ON p.id = t.project_id;
COMMENT ON VIEW token_document IS 'A token as the API shows it: without the token.';
COMMENT ON COLUMN token_document.id IS 'The token.';
COMMENT ON COLUMN token_document.body IS 'The JSON document.';

CREATE VIEW item_document AS
SELECT i.project_id, i.id,
       json_build_object(
           'id', i.id,
           'prompt', CASE WHEN i.prompt_is_messages THEN i.prompt::json ELSE to_json(i.prompt) END,
           'created_at', rfc3339(i.created_at),
           'responses', coalesce((SELECT json_agg(json_build_object('id', r.id, 'text', r.text, 'policy', r.policy)
                                                  ORDER BY r.id)
                                  FROM response r WHERE r.item_id = i.id), '[]'::json)) AS body
FROM item i;
COMMENT ON VIEW item_document IS 'An item with its responses as the API shows it.';
COMMENT ON COLUMN item_document.project_id IS 'Its project.';
COMMENT ON COLUMN item_document.id IS 'The item.';
COMMENT ON COLUMN item_document.body IS 'The JSON document.';

CREATE VIEW comparison_document AS
SELECT c.project_id, c.seq, c.id,
       json_build_object(
           'id', c.id, 'annotator', n.name, 'item', c.item_id, 'a', c.response_a, 'b', c.response_b,
           'outcome', c.outcome, 'strength', c.strength, 'reasons', c.reasons, 'skip_reason', c.skip_reason,
           'shown_first', c.shown_first, 'duration_ms', c.duration_ms, 'created_at', rfc3339(c.judged_at),
           'meta', c.meta, 'received_at', rfc3339(c.received_at), 'retracted_at', rfc3339(t.retracted_at)) AS body,
       json_build_object(
           'id', c.id, 'annotator', n.name, 'item', c.item_id,
           'prompt', CASE WHEN i.prompt_is_messages THEN i.prompt::json ELSE to_json(i.prompt) END,
           'a', json_build_object('id', a.id, 'text', a.text, 'policy', a.policy),
           'b', json_build_object('id', b.id, 'text', b.text, 'policy', b.policy),
           'outcome', c.outcome, 'strength', c.strength, 'reasons', c.reasons, 'skip_reason', c.skip_reason,
           'shown_first', c.shown_first, 'duration_ms', c.duration_ms, 'created_at', rfc3339(c.judged_at),
           'meta', c.meta, 'received_at', rfc3339(c.received_at), 'retracted_at', rfc3339(t.retracted_at)) AS body_inline
FROM comparison c
JOIN annotator n ON n.id = c.annotator_id
LEFT JOIN item i ON i.project_id = c.project_id AND i.id = c.item_id
LEFT JOIN response a ON a.item_id = c.item_id AND a.id = c.response_a
LEFT JOIN response b ON b.item_id = c.item_id AND b.id = c.response_b
LEFT JOIN retraction t ON t.project_id = c.project_id AND t.comparison_id = c.id;
COMMENT ON VIEW comparison_document IS 'A comparison as the API shows it. The joins to the texts are outer ones on unique keys, so that they are left out where only body is asked for.';
COMMENT ON COLUMN comparison_document.project_id IS 'Its project.';
COMMENT ON COLUMN comparison_document.seq IS 'Order of arrival.';
COMMENT ON COLUMN comparison_document.id IS 'The comparison.';
COMMENT ON COLUMN comparison_document.body IS 'The JSON document, texts by id.';
COMMENT ON COLUMN comparison_document.body_inline IS 'The JSON document with its texts.';

CREATE TABLE fit (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES project,
    job_id uuid NOT NULL UNIQUE REFERENCES job,
    options jsonb NOT NULL,
    input_digest bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    watermark bigint,
    data_digest bytea,
    comparisons integer,
    annotators integer,
    k smallint,
    verdict text,
    encoder text,
    ridge double precision,
    seed bigint,
    threads smallint,
    blas text,
    code_version text,
    evidence jsonb,
    summary jsonb,
    warnings jsonb,
    model bytea
);
CREATE INDEX fit_by_project ON fit (project_id, id);
CREATE FUNCTION fit_input_digest(options jsonb, version text, comparisons bigint, retractions bigint) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT sha256(convert_to(concat_ws('|', options, version, comparisons, retractions), 'UTF8')) $$;
COMMENT ON FUNCTION fit_input_digest(jsonb, text, bigint, bigint) IS 'What fit.input_digest is made of.';
ALTER TABLE project ADD FOREIGN KEY (published_fit) REFERENCES fit DEFERRABLE INITIALLY DEFERRED;
COMMENT ON TABLE fit IS 'One EM mixture with its evidence. Its state is its job''s; the columns from published_at on, but for watermark, are null until it is published.';
COMMENT ON COLUMN fit.id IS 'UUIDv7.';
COMMENT ON COLUMN fit.project_id IS 'Its project.';
COMMENT ON COLUMN fit.job_id IS 'The job that makes it.';
COMMENT ON COLUMN fit.options IS 'Options as asked for.';
COMMENT ON COLUMN fit.input_digest IS 'SHA-256 of options, program version and how many comparisons and retractions there are (rows are only added, so counts name a state of the data): the same inputs give the existing fit. Set when asked for, and again to what the job read.';
COMMENT ON COLUMN fit.created_at IS 'When asked for.';
COMMENT ON COLUMN fit.published_at IS 'When its results were stored, all in one transaction.';
COMMENT ON COLUMN fit.watermark IS 'Highest comparison.seq when asked for, then the highest that it read; the scheduler counts from here.';
COMMENT ON COLUMN fit.data_digest IS 'SHA-256 over the ids of the comparisons used, in the order in which they were made: which data exactly.';
COMMENT ON COLUMN fit.comparisons IS 'Comparisons used.';
COMMENT ON COLUMN fit.annotators IS 'Annotators with at least one of them.';
COMMENT ON COLUMN fit.k IS 'Groups found; 1 when one group suffices, 0 when there is too little data.';
COMMENT ON COLUMN fit.verdict IS 'Why this k: groups_found, one_group_suffices or insufficient_data.';
COMMENT ON COLUMN fit.encoder IS 'How texts became features.';
COMMENT ON COLUMN fit.ridge IS 'L2 penalty chosen.';
COMMENT ON COLUMN fit.seed IS 'Seed of every random choice.';
COMMENT ON COLUMN fit.threads IS 'Threads used; results do not depend on it.';
COMMENT ON COLUMN fit.blas IS 'Configuration string of the BLAS.';
COMMENT ON COLUMN fit.code_version IS 'Version and revision of the program.';
COMMENT ON COLUMN fit.evidence IS 'Held-out likelihood by k, permutation test, ridge path.';
COMMENT ON COLUMN fit.summary IS 'Held-out accuracies with intervals, calibration, and how it was fitted.';
COMMENT ON COLUMN fit.warnings IS 'What a reader of the result should know.';
COMMENT ON COLUMN fit.model IS 'The reward heads, in the self-checking form of core/reward.';

CREATE VIEW job_document AS
SELECT j.id, j.project_id, j.state,
       json_build_object(
           'id', j.id, 'project', p.name, 'kind', j.kind, 'options', j.params, 'state', j.state,
           'fit', f.id, 'stage', j.stage, 'progress', j.progress, 'metrics', j.metrics,
           'error', j.error, 'cancel_requested', j.cancel_requested,
           'created_at', rfc3339(j.created_at), 'started_at', rfc3339(j.started_at),
           'finished_at', rfc3339(j.finished_at),
           'attempts', coalesce((SELECT json_agg(json_build_object(
                                            'attempt', a.attempt, 'worker', a.worker,
                                            'started_at', rfc3339(a.started_at), 'ended_at', rfc3339(a.ended_at),
                                            'reason', a.reason) ORDER BY a.attempt)
                                 FROM job_attempt a WHERE a.job_id = j.id), '[]'::json)) AS body
FROM job j JOIN project p ON p.id = j.project_id LEFT JOIN fit f ON f.job_id = j.id;
COMMENT ON VIEW job_document IS 'A job as the API shows it.';
COMMENT ON COLUMN job_document.id IS 'The job.';
COMMENT ON COLUMN job_document.project_id IS 'Its project.';
COMMENT ON COLUMN job_document.state IS 'Its state.';
COMMENT ON COLUMN job_document.body IS 'The JSON document.';

CREATE TABLE lineage (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES project,
    colour smallint NOT NULL,
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE lineage IS 'What stays the same of a group from fit to fit; its id is the group''s id in the API.';
COMMENT ON COLUMN lineage.id IS 'UUIDv7.';
COMMENT ON COLUMN lineage.project_id IS 'Its project.';
COMMENT ON COLUMN lineage.colour IS 'Index into the palette of the pages, kept across refits.';
COMMENT ON COLUMN lineage.name IS 'A name given by an operator; empty before.';
COMMENT ON COLUMN lineage.created_at IS 'When first seen.';

CREATE TABLE fit_group (
    fit_id uuid NOT NULL REFERENCES fit,
    ordinal smallint NOT NULL,
    lineage_id uuid NOT NULL REFERENCES lineage,
    weight double precision NOT NULL,
    size integer NOT NULL,
    stability double precision,
    summary jsonb NOT NULL,
    PRIMARY KEY (fit_id, ordinal)
);
COMMENT ON TABLE fit_group IS 'A group: a component of a fit.';
COMMENT ON COLUMN fit_group.fit_id IS 'Its fit.';
COMMENT ON COLUMN fit_group.ordinal IS '0 .. k-1.';
COMMENT ON COLUMN fit_group.lineage_id IS 'Which group of earlier fits it continues.';
COMMENT ON COLUMN fit_group.weight IS 'Share of the population, eta.';
COMMENT ON COLUMN fit_group.size IS 'Annotators assigned.';
COMMENT ON COLUMN fit_group.stability IS 'Overlap (Jaccard) with the group of the fit before that it continues, over the annotators whom both fits placed; null for a new one.';
COMMENT ON COLUMN fit_group.summary IS 'Held-out accuracies with intervals, expected size, distances to the mixture and to each group.';

CREATE TABLE membership (
    fit_id uuid NOT NULL REFERENCES fit,
    annotator_id uuid NOT NULL REFERENCES annotator,
    ordinal smallint,
    posterior double precision[] NOT NULL,
    comparisons integer NOT NULL,
    PRIMARY KEY (fit_id, annotator_id)
);
COMMENT ON TABLE membership IS 'Which group an annotator is in, by one fit. For operators only.';
COMMENT ON COLUMN membership.fit_id IS 'The fit.';
COMMENT ON COLUMN membership.annotator_id IS 'The annotator.';
COMMENT ON COLUMN membership.ordinal IS 'The group; null when unassigned: too few comparisons, or not clear enough.';
COMMENT ON COLUMN membership.posterior IS 'Probability of each group, in order of ordinal.';
COMMENT ON COLUMN membership.comparisons IS 'Comparisons that it rests on.';

CREATE TABLE lineage_event (
    fit_id uuid NOT NULL REFERENCES fit,
    line smallint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('appeared', 'split', 'merged', 'vanished')),
    before uuid[] NOT NULL,
    after uuid[] NOT NULL,
    share double precision,
    PRIMARY KEY (fit_id, line)
);
COMMENT ON TABLE lineage_event IS 'How the groups of a fit came from those of the fit before, where one does not simply continue another.';
COMMENT ON COLUMN lineage_event.fit_id IS 'The later fit.';
COMMENT ON COLUMN lineage_event.line IS '0, 1, 2 ...';
COMMENT ON COLUMN lineage_event.kind IS 'What happened.';
COMMENT ON COLUMN lineage_event.before IS 'Lineages of the earlier fit.';
COMMENT ON COLUMN lineage_event.after IS 'Lineages of the later fit.';
COMMENT ON COLUMN lineage_event.share IS 'Part of the earlier group that went to the later one; null for appeared and vanished.';

CREATE TABLE win_rates (
    fit_id uuid PRIMARY KEY REFERENCES fit,
    body text NOT NULL,
    etag text NOT NULL
);
COMMENT ON TABLE win_rates IS 'The document that GET win-rates serves for a fit, rendered once when the fit was published.';
COMMENT ON COLUMN win_rates.fit_id IS 'The fit.';
COMMENT ON COLUMN win_rates.body IS 'The JSON document, byte for byte.';
COMMENT ON COLUMN win_rates.etag IS 'Its strong entity tag, with quotes.';

CREATE VIEW group_document AS
SELECT g.fit_id, g.ordinal, l.project_id, g.lineage_id AS id,
       json_build_object(
           'id', l.id, 'name', l.name, 'colour', l.colour, 'fit', g.fit_id, 'ordinal', g.ordinal,
           'weight', g.weight, 'size', g.size, 'stability', g.stability, 'summary', g.summary,
           'first_seen_at', rfc3339(l.created_at)) AS body
FROM fit_group g JOIN lineage l ON l.id = g.lineage_id;
COMMENT ON VIEW group_document IS 'A group of a fit as the API shows it; its id is the lineage''s.';
COMMENT ON COLUMN group_document.fit_id IS 'The fit.';
COMMENT ON COLUMN group_document.ordinal IS 'Its place in the fit.';
COMMENT ON COLUMN group_document.project_id IS 'Its project.';
COMMENT ON COLUMN group_document.id IS 'The lineage.';
COMMENT ON COLUMN group_document.body IS 'The JSON document.';

CREATE VIEW fit_document AS
SELECT f.project_id, f.id,
       json_build_object(
           'id', f.id, 'job', f.job_id, 'state', j.state, 'created_at', rfc3339(f.created_at),
           'published_at', rfc3339(f.published_at), 'is_published', p.published_fit IS NOT DISTINCT FROM f.id,
           'options', f.options, 'watermark', f.watermark, 'comparisons', f.comparisons,
           'annotators', f.annotators, 'k', f.k, 'verdict', f.verdict, 'encoder', f.encoder, 'ridge', f.ridge,
           'seed', f.seed, 'warnings', f.warnings) AS brief,
       json_build_object(
           'id', f.id, 'job', f.job_id, 'state', j.state, 'created_at', rfc3339(f.created_at),
           'published_at', rfc3339(f.published_at), 'is_published', p.published_fit IS NOT DISTINCT FROM f.id,
           'options', f.options, 'watermark', f.watermark, 'data_digest', encode(f.data_digest, 'hex'),
           'comparisons', f.comparisons, 'annotators', f.annotators, 'k', f.k, 'verdict', f.verdict,
           'encoder', f.encoder, 'ridge', f.ridge, 'seed', f.seed, 'threads', f.threads, 'blas', f.blas,
           'code_version', f.code_version, 'evidence', f.evidence, 'summary', f.summary, 'warnings', f.warnings,
           'groups', coalesce((SELECT json_agg(g.body ORDER BY g.ordinal)
                               FROM group_document g WHERE g.fit_id = f.id), '[]'::json),
           'lineage_events', coalesce((SELECT json_agg(json_build_object('kind', e.kind, 'before', e.before,
                                                                         'after', e.after, 'share', e.share)
                                                       ORDER BY e.line)
                                       FROM lineage_event e WHERE e.fit_id = f.id), '[]'::json)) AS body
FROM fit f JOIN job j ON j.id = f.job_id JOIN project p ON p.id = f.project_id;
COMMENT ON VIEW fit_document IS 'A fit as the API shows it.';
COMMENT ON COLUMN fit_document.project_id IS 'Its project.';
COMMENT ON COLUMN fit_document.id IS 'The fit.';
COMMENT ON COLUMN fit_document.brief IS 'The JSON document of a list.';
COMMENT ON COLUMN fit_document.body IS 'The whole JSON document.';
