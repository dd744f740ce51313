-- Policies, the jobs that make, sample and judge them, and what those jobs leave behind.
-- A value added to an enum cannot be named in the transaction that adds it, so nothing here compares job.kind with one
-- of the new values as an enum: job_lane compares names.

ALTER TYPE job_kind ADD VALUE 'register';
ALTER TYPE job_kind ADD VALUE 'complete';
ALTER TYPE job_kind ADD VALUE 'sft';
ALTER TYPE job_kind ADD VALUE 'ppo';
ALTER TYPE job_kind ADD VALUE 'evaluate';
ALTER TYPE job_kind ADD VALUE 'rebase';

CREATE FUNCTION job_lane(kind job_kind) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE kind::text WHEN 'fit' THEN 'fit' WHEN 'sft' THEN 'training' WHEN 'ppo' THEN 'training'
                          WHEN 'rebase' THEN 'training' END $$;
COMMENT ON FUNCTION job_lane(job_kind) IS 'Of the jobs in one lane of a project one runs at a time; null: the job excludes none. Several may wait in a lane, and other projects take their turns between them.';
-- The last word on what runs at once, in place of the index that knew fits only.
CREATE UNIQUE INDEX job_one_running_in_lane ON job (project_id, job_lane(kind)) WHERE state = 'running';
DROP INDEX job_one_running_fit;

CREATE TABLE policy (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES project,
    name text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'
                              AND name !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
    parent_id uuid,
    job_id uuid NOT NULL UNIQUE REFERENCES job,
    folder text,
    recipe jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(recipe) = 'object'),
    digest bytea CHECK (length(digest) = 32),
    family text CHECK (family IN ('gpt2', 'llama')),
    parameters bigint CHECK (parameters > 0),
    bytes bigint CHECK (bytes > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz,
    deleted_at timestamptz,
    UNIQUE (project_id, name),
    UNIQUE (project_id, id),
    FOREIGN KEY (project_id, parent_id) REFERENCES policy (project_id, id),
    CHECK ((ready_at IS NULL) = (digest IS NULL) AND (ready_at IS NULL) = (family IS NULL)
           AND (ready_at IS NULL) = (parameters IS NULL) AND (ready_at IS NULL) = (bytes IS NULL)),
    CHECK (ready_at IS NULL OR deleted_at IS NOT NULL OR folder IS NOT NULL),
    CHECK (deleted_at IS NULL OR ready_at IS NOT NULL)
);
CREATE INDEX policy_by_parent ON policy (project_id, parent_id) WHERE parent_id IS NOT NULL;
COMMENT ON TABLE policy IS 'A language model of a project: a checkpoint directory, where it comes from, and how it was made. The row stays when the policy is deleted, for its name tags responses; only one that was never ready is removed.';
COMMENT ON COLUMN policy.id IS 'UUIDv7.';
COMMENT ON COLUMN policy.project_id IS 'Its project.';
COMMENT ON COLUMN policy.name IS 'The name in URLs and in response.policy. Never changes, never given again, and never one that reads as an id.';
COMMENT ON COLUMN policy.parent_id IS 'The policy that it was made from; null for a first one.';
COMMENT ON COLUMN policy.job_id IS 'The job that makes it: register, sft, ppo or rebase.';
COMMENT ON COLUMN policy.folder IS 'The checkpoint directory, an absolute path on the machines of the workers. Null before a training job has written it, and after the files of a deleted policy were removed.';
COMMENT ON COLUMN policy.recipe IS 'How it was made: of a registered policy what its owner says, of a trained one the options of its job.';
COMMENT ON COLUMN policy.digest IS 'SHA-256 over the names, sizes and contents of the files that make the model, in order of name; null until ready.';
COMMENT ON COLUMN policy.family IS 'gpt2 or llama; null until ready.';
COMMENT ON COLUMN policy.parameters IS 'Number of weights; null until ready.';
COMMENT ON COLUMN policy.bytes IS 'Size of the files that the digest is over; null until ready.';
COMMENT ON COLUMN policy.created_at IS 'When asked for.';
COMMENT ON COLUMN policy.ready_at IS 'When its job had read or written it whole; null before.';
COMMENT ON COLUMN policy.deleted_at IS 'When it was deleted; null while it may be used.';

CREATE TABLE job_policy (
    job_id uuid NOT NULL REFERENCES job,
    policy_id uuid NOT NULL REFERENCES policy,
    PRIMARY KEY (job_id, policy_id)
);
CREATE INDEX job_policy_by_policy ON job_policy (policy_id);
COMMENT ON TABLE job_policy IS 'Which policies a job reads. A policy cannot be deleted while such a job waits or runs, or while the published fit of its project is the work of one.';
COMMENT ON COLUMN job_policy.job_id IS 'The job.';
COMMENT ON COLUMN job_policy.policy_id IS 'A policy that it reads.';

CREATE TABLE job_metric (
    job_id uuid NOT NULL REFERENCES job,
    step integer NOT NULL CHECK (step >= 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    figures jsonb NOT NULL CHECK (jsonb_typeof(figures) = 'object'),
    PRIMARY KEY (job_id, step)
);
COMMENT ON TABLE job_metric IS 'The figures of a training job, step by step. A step that is done again after a crash replaces its row.';
COMMENT ON COLUMN job_metric.job_id IS 'The job.';
COMMENT ON COLUMN job_metric.step IS 'Step or update, from 0.';
COMMENT ON COLUMN job_metric.at IS 'When it was recorded.';
COMMENT ON COLUMN job_metric.figures IS 'Numbers by name, in the names that TRL uses where it has one.';

CREATE TABLE job_sample (
    job_id uuid NOT NULL REFERENCES job,
    step integer NOT NULL CHECK (step >= 0),
    line smallint NOT NULL CHECK (line >= 0),
    prompt text NOT NULL,
    response text NOT NULL,
    figures jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(figures) = 'object'),
    PRIMARY KEY (job_id, step, line)
);
COMMENT ON TABLE job_sample IS 'Completions of a job: all of a complete job, and those that a training job shows now and then, so that people can read where it goes.';
COMMENT ON COLUMN job_sample.job_id IS 'The job.';
COMMENT ON COLUMN job_sample.step IS 'Step or update that they were sampled at; of a complete job the prompt, from 0.';
COMMENT ON COLUMN job_sample.line IS '0, 1, 2 ... within the step.';
COMMENT ON COLUMN job_sample.prompt IS 'The prompt as the model got it, without its template.';
COMMENT ON COLUMN job_sample.response IS 'The completion.';
COMMENT ON COLUMN job_sample.figures IS 'Its scores by name; of a complete job how it was sampled, and as which response it is stored.';

CREATE TABLE response_features (
    encoder bytea NOT NULL CHECK (length(encoder) = 32),
    item_id uuid NOT NULL,
    response_id uuid NOT NULL,
    features bytea NOT NULL,
    PRIMARY KEY (encoder, item_id, response_id)
);
ALTER TABLE response_features ALTER COLUMN features SET STORAGE EXTERNAL;
COMMENT ON TABLE response_features IS 'Cache of what a language model makes of a response; may be emptied at any time. No foreign key, for responses are never removed.';
COMMENT ON COLUMN response_features.encoder IS 'SHA-256 over the digest of the checkpoint, the pooling, and the version of the encoder.';
COMMENT ON COLUMN response_features.item_id IS 'The item.';
COMMENT ON COLUMN response_features.response_id IS 'The response to it.';
COMMENT ON COLUMN response_features.features IS 'Numbers as IEEE 754 single precision, little endian. Stored as they are: they do not compress.';

CREATE TABLE evaluation (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES project,
    job_id uuid NOT NULL UNIQUE REFERENCES job,
    policy_id uuid NOT NULL,
    against_id uuid,
    fit_id uuid REFERENCES fit,
    document jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz,
    FOREIGN KEY (project_id, policy_id) REFERENCES policy (project_id, id),
    FOREIGN KEY (project_id, against_id) REFERENCES policy (project_id, id),
    CHECK ((published_at IS NULL) = (document IS NULL))
);
CREATE INDEX evaluation_by_project ON evaluation (project_id, id);
CREATE INDEX evaluation_by_policy ON evaluation (policy_id, id);
CREATE INDEX evaluation_by_against ON evaluation (against_id) WHERE against_id IS NOT NULL;
COMMENT ON TABLE evaluation IS 'How the groups judge one policy against another, on the same prompts.';
COMMENT ON COLUMN evaluation.id IS 'UUIDv7.';
COMMENT ON COLUMN evaluation.project_id IS 'Its project.';
COMMENT ON COLUMN evaluation.job_id IS 'The job that makes it.';
COMMENT ON COLUMN evaluation.policy_id IS 'The policy judged.';
COMMENT ON COLUMN evaluation.against_id IS 'The policy that it is judged against; null when that is not a policy of the project.';
COMMENT ON COLUMN evaluation.fit_id IS 'The fit whose groups are asked. Who judges is fitted on the annotators that it held out. Null: the one that is published when the job begins.';
COMMENT ON COLUMN evaluation.document IS 'What was found, as the API shows it; null until published.';
COMMENT ON COLUMN evaluation.created_at IS 'When asked for.';
COMMENT ON COLUMN evaluation.published_at IS 'When the document was stored; null before.';

CREATE FUNCTION prompt_text(prompt text, is_messages boolean) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN NOT is_messages THEN prompt
               WHEN json_array_length(prompt::json) = 1 THEN prompt::json -> 0 ->> 'content'
               ELSE (SELECT string_agg(initcap(m.message ->> 'role') || ': ' || (m.message ->> 'content'), E'\n\n'
                                       ORDER BY m.place)
                     FROM json_array_elements(prompt::json) WITH ORDINALITY AS m (message, place)) END $$;
COMMENT ON FUNCTION prompt_text(text, boolean) IS 'A prompt as the one text that a language model is given (within its template): a plain prompt as it is, a single message''s content, and of several messages "User: ...", "Assistant: ..." with an empty line between them.';

ALTER TABLE job ADD COLUMN progress_at timestamptz, ADD COLUMN stage_at timestamptz,
                ADD COLUMN stage_progress real CHECK (stage_progress BETWEEN 0 AND 1);
COMMENT ON COLUMN job.progress_at IS 'When progress was last written.';
COMMENT ON COLUMN job.stage_at IS 'When the present stage of this attempt began; null before the first.';
COMMENT ON COLUMN job.stage_progress IS 'Share that was done when the present stage began: an attempt that goes on from a checkpoint begins with the share of that.';

CREATE FUNCTION job_seconds_left(j job) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN j.state = 'running' AND j.progress > j.stage_progress AND j.progress_at > j.stage_at
               THEN ceil(greatest(0, extract(epoch FROM j.progress_at - j.stage_at)::double precision
                                     * (1 - j.progress) / (j.progress - j.stage_progress)
                                     - extract(epoch FROM clock_timestamp() - j.progress_at)::double precision))::bigint
          END $$;
COMMENT ON FUNCTION job_seconds_left(job) IS 'Time that a running job will still take at the pace of its present stage; null when that is not known.';

CREATE VIEW policy_document AS
SELECT p.project_id, p.id, p.name,
       json_build_object(
           'id', p.id, 'name', p.name,
           'state', CASE WHEN p.deleted_at IS NOT NULL THEN 'deleted' WHEN p.ready_at IS NOT NULL THEN 'ready'
                         WHEN j.state IN ('failed', 'cancelled') THEN 'failed' ELSE 'making' END,
           'parent', p.parent_id, 'job', p.job_id, 'folder', p.folder, 'recipe', p.recipe,
           'digest', encode(p.digest, 'hex'), 'family', p.family, 'parameters', p.parameters, 'bytes', p.bytes,
           'created_at', rfc3339(p.created_at), 'ready_at', rfc3339(p.ready_at),
           'deleted_at', rfc3339(p.deleted_at)) AS body
FROM policy p JOIN job j ON j.id = p.job_id;
COMMENT ON VIEW policy_document IS 'A policy as the API shows it.';
COMMENT ON COLUMN policy_document.project_id IS 'Its project.';
COMMENT ON COLUMN policy_document.id IS 'The policy.';
COMMENT ON COLUMN policy_document.name IS 'Its name.';
COMMENT ON COLUMN policy_document.body IS 'The JSON document.';

CREATE OR REPLACE VIEW job_document AS
SELECT j.id, j.project_id, j.state,
       json_build_object(
           'id', j.id, 'project', p.name, 'kind', j.kind, 'options', j.params, 'state', j.state,
           'fit', f.id, 'policy', y.id, 'evaluation', e.id,
           'stage', j.stage, 'progress', j.progress, 'seconds_left', job_seconds_left(j), 'metrics', j.metrics,
           'error', j.error, 'cancel_requested', j.cancel_requested,
           'created_at', rfc3339(j.created_at), 'started_at', rfc3339(j.started_at),
           'finished_at', rfc3339(j.finished_at),
           'attempts', coalesce((SELECT json_agg(json_build_object(
                                            'attempt', a.attempt, 'worker', a.worker,
                                            'started_at', rfc3339(a.started_at), 'ended_at', rfc3339(a.ended_at),
                                            'reason', a.reason) ORDER BY a.attempt)
                                 FROM job_attempt a WHERE a.job_id = j.id), '[]'::json)) AS body
FROM job j JOIN project p ON p.id = j.project_id LEFT JOIN fit f ON f.job_id = j.id
LEFT JOIN policy y ON y.job_id = j.id LEFT JOIN evaluation e ON e.job_id = j.id;
COMMENT ON VIEW job_document IS 'A job as the API shows it, with the fit, the policy or the evaluation that it makes.';

CREATE TABLE standing (
    project_id uuid PRIMARY KEY REFERENCES project,
    body text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE standing IS 'How the policies of a project stand with its groups, over all of its evaluations: written by each evaluation, read as part of the win rates. Of the project and not of a fit, so that it survives refits.';
COMMENT ON COLUMN standing.project_id IS 'Its project.';
COMMENT ON COLUMN standing.body IS 'The members "evaluations" and "history" of the win-rates document, as JSON text without the braces around them.';
COMMENT ON COLUMN standing.updated_at IS 'When it was last written.';

CREATE VIEW evaluation_document AS
SELECT e.project_id, e.id,
       json_build_object(
           'id', e.id, 'job', e.job_id, 'state', j.state, 'policy', p.name, 'against', a.name, 'fit', e.fit_id,
           'created_at', rfc3339(e.created_at), 'published_at', rfc3339(e.published_at), 'result', e.document) AS body
FROM evaluation e JOIN job j ON j.id = e.job_id JOIN policy p ON p.id = e.policy_id
LEFT JOIN policy a ON a.id = e.against_id;
COMMENT ON VIEW evaluation_document IS 'An evaluation as the API shows it.';
COMMENT ON COLUMN evaluation_document.project_id IS 'Its project.';
COMMENT ON COLUMN evaluation_document.id IS 'The evaluation.';
COMMENT ON COLUMN evaluation_document.body IS 'The JSON document.';
