-- What happens in a project, in the order in which it became true: a list that only grows, for streams that must not
-- miss anything and for whoever asks later what happened.

CREATE TABLE event (
    project_id uuid NOT NULL REFERENCES project,
    number bigint NOT NULL CHECK (number > 0),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind IN ('job', 'fit', 'group', 'evaluation')),
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    PRIMARY KEY (project_id, number)
);
COMMENT ON TABLE event IS 'What happened in a project: written by triggers in the transaction in which it happened, never changed and never removed.';
COMMENT ON COLUMN event.project_id IS 'Its project.';
COMMENT ON COLUMN event.number IS '1, 2, 3 ... of the project, without gaps, in the order of commits: who has seen number n has seen all before it.';
COMMENT ON COLUMN event.at IS 'When its transaction was about to commit.';
COMMENT ON COLUMN event.kind IS 'job: a job was asked for, changed its state, or its end was asked for. fit: another fit was published. group: a group appeared, split, merged or vanished. evaluation: one was published.';
COMMENT ON COLUMN event.data IS 'The members that the API shows beside number and at.';

CREATE FUNCTION event_add(of_project uuid, what text, told jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7305808869232651266);
    INSERT INTO event (project_id, number, kind, data)
    SELECT of_project, coalesce(max(e.number), 0) + 1, what, told FROM event e WHERE e.project_id = of_project;
END $$;
COMMENT ON FUNCTION event_add(uuid, text, jsonb) IS 'Adds an event. One transaction at a time from here to its commit, so that numbers become visible in their order; only to be called as a transaction commits (by deferred triggers), so that whoever waits here holds up nobody else for long, and so that no transaction waits for a row while it holds this lock.';

CREATE FUNCTION event_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_add(NEW.project_id, 'job', jsonb_build_object(
        'job', NEW.id, 'kind', NEW.kind, 'state', NEW.state, 'cancel_requested', NEW.cancel_requested,
        'attempts', NEW.attempts, 'error', NEW.error,
        'fit', (SELECT f.id FROM fit f WHERE f.job_id = NEW.id),
        'policy', (SELECT p.id FROM policy p WHERE p.job_id = NEW.id),
        'evaluation', (SELECT v.id FROM evaluation v WHERE v.job_id = NEW.id)));
    RETURN NULL;
END $$;
COMMENT ON FUNCTION event_of_job() IS 'Trigger: a job is new, or its state changed.';
CREATE CONSTRAINT TRIGGER job_asked AFTER INSERT ON job DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION event_of_job();
CREATE CONSTRAINT TRIGGER job_changed AFTER UPDATE OF state, cancel_requested ON job DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.state <> NEW.state OR NEW.cancel_requested AND NOT OLD.cancel_requested)
    EXECUTE FUNCTION event_of_job();

CREATE FUNCTION event_of_fit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_add(NEW.id, 'fit', jsonb_build_object('fit', f.id, 'job', f.job_id, 'k', f.k, 'verdict', f.verdict))
    FROM fit f WHERE f.id = NEW.published_fit;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION event_of_fit() IS 'Trigger: a project shows another fit.';
CREATE CONSTRAINT TRIGGER fit_published AFTER UPDATE OF published_fit ON project DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.published_fit IS DISTINCT FROM OLD.published_fit) EXECUTE FUNCTION event_of_fit();

CREATE FUNCTION event_of_group() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_add(f.project_id, 'group', jsonb_build_object(
        'fit', f.id, 'change', NEW.kind, 'before', NEW.before, 'after', NEW.after, 'share', NEW.share))
    FROM fit f WHERE f.id = NEW.fit_id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION event_of_group() IS 'Trigger: the groups of a fit do not simply continue those of the one before.';
CREATE CONSTRAINT TRIGGER group_changed AFTER INSERT ON lineage_event DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION event_of_group();

CREATE FUNCTION event_of_evaluation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM event_add(NEW.project_id, 'evaluation', jsonb_build_object(
        'evaluation', NEW.id, 'job', NEW.job_id, 'policy', NEW.policy_id, 'against', NEW.against_id,
        'fit', NEW.fit_id));
    RETURN NULL;
END $$;
COMMENT ON FUNCTION event_of_evaluation() IS 'Trigger: an evaluation was published.';
CREATE CONSTRAINT TRIGGER evaluation_published AFTER UPDATE OF published_at ON evaluation
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.published_at IS NULL AND NEW.published_at IS NOT NULL)
    EXECUTE FUNCTION event_of_evaluation();
