-- Sets of reward models: checkpoints like policies, which the same table keeps under another role, and the jobs that make
-- them. As in 0002 the new kind of job is compared by its name only.

ALTER TYPE job_kind ADD VALUE 'reward';

CREATE OR REPLACE FUNCTION job_lane(kind job_kind) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE kind::text WHEN 'fit' THEN 'fit' WHEN 'sft' THEN 'training' WHEN 'ppo' THEN 'training'
                          WHEN 'rebase' THEN 'training' WHEN 'reward' THEN 'training' END $$;

ALTER TABLE policy ADD COLUMN role text NOT NULL DEFAULT 'policy' CHECK (role IN ('policy', 'reward'));
COMMENT ON TABLE policy IS 'A checkpoint of a project: a language model, or a set of reward models (a folder with a model for each group of a fit and a single one); where it comes from, and how it was made. The row stays when it is deleted, for its name tags responses; only one that was never ready is removed.';
COMMENT ON COLUMN policy.role IS 'policy: a language model that writes; reward: reward models, one for each group of the fit that the recipe names, and a single one. Follows from the kind of its job, and never changes.';
COMMENT ON COLUMN policy.job_id IS 'The job that makes it: register, sft, ppo, rebase or reward.';
COMMENT ON COLUMN policy.digest IS 'SHA-256 over the names, sizes and contents of the files that make the model, in order of name; of reward models over the names and digests of all; null until ready.';
COMMENT ON COLUMN policy.parameters IS 'Number of weights, of all models; null until ready.';

CREATE OR REPLACE VIEW policy_document AS
SELECT p.project_id, p.id, p.name,
       json_build_object(
           'id', p.id, 'name', p.name, 'role', p.role,
           'state', CASE WHEN p.deleted_at IS NOT NULL THEN 'deleted' WHEN p.ready_at IS NOT NULL THEN 'ready'
                         WHEN j.state IN ('failed', 'cancelled') THEN 'failed' ELSE 'making' END,
           'parent', p.parent_id, 'job', p.job_id, 'folder', p.folder, 'recipe', p.recipe,
           'digest', encode(p.digest, 'hex'), 'family', p.family, 'parameters', p.parameters, 'bytes', p.bytes,
           'created_at', rfc3339(p.created_at), 'ready_at', rfc3339(p.ready_at),
           'deleted_at', rfc3339(p.deleted_at)) AS body,
       p.role
FROM policy p JOIN job j ON j.id = p.job_id;
COMMENT ON COLUMN policy_document.role IS 'Its role: policy or reward.';
