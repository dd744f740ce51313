"""ppo jobs through a running service: groups from comparisons, a policy from them, and that kill -9 changes nothing."""
import json
import math
import os
import random
import signal

import pytest

from test_policy_jobs import until
from test_training_jobs import Training

WRITER = {"new": {"layers": 2, "width": 64, "vocabulary": 300, "context": 64}, "data": "preferred", "steps": 60,
          "batch_tokens": 512, "held_out": 0, "seed": 1}
PPO = {"preset": "small", "updates": 60, "episodes": 64, "response_tokens": 12, "minibatches": 2, "epochs": 2, "seed": 5,
       "slots": 64}
RUN = {"policy": "writer", "checkpoint_every": 7, "sample_every": 25, "samples": 3, "references": 3, "ppo": PPO}


class Reinforcing(Training):
    def order(self, name, project="p", **options):
        return self.call("POST", f"/v1/projects/{project}/jobs", {"kind": "ppo", "options": {"name": name, **RUN, **options}})

    def reinforce(self, name, **options):
        status, job = self.order(name, **options)
        assert status == 202, job
        return job["id"]

    def done(self, job):
        ended = self.job(job)
        assert ended["state"] == "done", (ended, self.messages(job))
        return ended


def judgements(prompts=12, every=2):
    """One annotator of `every` likes long answers, the others short ones."""
    draw = random.Random(4)
    for annotator in range(16):
        for n in range(14):
            prompt, few, many = f"say {draw.randrange(prompts)}", draw.randrange(1, 3), draw.randrange(4, 9)
            likes_long = annotator % every == 1
            yield {"annotator": f"p{annotator}", "prompt": prompt, "a": {"text": "one " * few}, "b": {"text": "two " * many},
                   "outcome": "b" if likes_long else "a"}


@pytest.fixture(scope="module")
def place(start_daemon, cluster, migrated_template):
    url = cluster.create(migrated_template)
    daemon = start_daemon(url, "--schedule-poll-seconds", "1", "--job-attempts", "9", workers=1).ready()
    made = Reinforcing(daemon, url)
    made.sql("UPDATE project SET refit_after_comparisons = 0")
    reply = made.session.post(daemon.url + "/v1/projects/p/comparisons", timeout=60,
                              data="".join(json.dumps(x) + "\n" for x in judgements()),
                              headers={"Content-Type": "application/x-ndjson"})
    assert reply.status_code == 201, reply.text
    made.done(made.ask("writer", **WRITER))
    yield made
    assert daemon.stop() == 0


@pytest.fixture(scope="module")
def fit(place):
    status, refused = place.order("early")
    assert (status, refused["code"]) == (409, "not_ready")
    made = place.call("POST", "/v1/projects/p/fits", {"k": 2, "permutations": 0, "seed": 1})[1]
    place.done(made["job"])
    return place.call("GET", f"/v1/projects/p/fits/{made['id']}")[1]


@pytest.fixture(scope="module")
def whole(place, fit):
    """The policy of an uninterrupted run, and its job."""
    job = place.done(place.reinforce("whole"))
    return place.policy("whole"), job


def test_a_policy_for_the_groups(place, fit, whole):
    policy, job = whole
    writer = place.policy("writer")
    assert policy["state"] == "ready" and policy["parent"] == writer["id"] and policy["digest"] != writer["digest"]
    assert policy["parameters"] == writer["parameters"]  # without the value head
    recipe = policy["recipe"]
    assert (recipe["fit"], recipe["objective"], recipe["groups"]) == (fit["id"], "maxmin", 2)
    assert recipe["updates_done"] == 60 and recipe["prompts_used"] == 12 and recipe["references_used"] == 36
    assert recipe["reference_digest"] == writer["digest"] and "(" in recipe["program"]
    assert abs(sum(recipe["weights"]) - 1) < 1e-9
    series = place.part(job["id"], "metrics")
    assert [m["step"] for m in series] == list(range(1, 61))
    first, last = series[0]["figures"], series[-1]["figures"]
    assert first["objective/kl"] == 0 and first["val/ratio"] == pytest.approx(1, abs=0.2)
    for figures in first, last:
        for u in (0, 1):
            assert 0 <= figures[f"winrate/g{u}"] <= 1 and math.isfinite(figures[f"scores/g{u}"])
        assert figures["weight/g0"] + figures["weight/g1"] == pytest.approx(1)
        assert figures["eps"] > 0 and figures["time/train"] > 0
    samples = place.part(job["id"], "samples")
    assert sorted({s["step"] for s in samples}) == [1, 25, 50] and len(samples) == 9
    assert all(s["prompt"].startswith("say ") and {"kl", "score", "scores/g0"} <= s["figures"].keys() for s in samples)
    until(lambda: not (place.models / "jobs" / job["id"]).exists(), "the job's folder to go")
    done = place.job(place.complete("whole", prompts=["say 3"], samples=2, max_tokens=8))
    assert done["state"] == "done", done


def test_kill_9_at_random_updates_changes_nothing(place, whole):
    """Three times in one run, and once told to stop."""
    job = place.reinforce("killed")
    draw = random.Random()
    for low, how in ((1, signal.SIGKILL), (11, signal.SIGKILL), (22, signal.SIGTERM), (33, signal.SIGKILL)):
        place.at_step(job, draw.randrange(low, low + 9))
        process = place.run_job()
        assert process, "the run was over before it could be killed"
        os.kill(process, how)
        until(lambda: place.run_job() != process, "the process to end")
    done = place.done(job)
    reasons = [a["reason"] for a in done["attempts"]]
    assert sum("killed by signal 9" in r for r in reasons) == 3 and sum("told to stop" in r for r in reasons) == 1, reasons
    assert any("going on from the checkpoint" in m for m in place.messages(job))
    assert place.policy("killed")["digest"] == whole[0]["digest"]
    timeless = lambda j: [{k: v for k, v in m["figures"].items() if not k.startswith("time/") and k not in
                           ("eps", "tokens_per_second")} for m in place.part(j, "metrics")]
    assert timeless(job) == timeless(whole[1]["id"])


ADAPTED = {**PPO, "updates": 40, "lora_rank": 4, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def short_writer(place):
    """A policy whose weights are BF16, so that they may stay in their files."""
    place.done(place.ask("short-writer", **{**WRITER, "store": "bf16"}))
    return place.policy("short-writer")


@pytest.fixture(scope="module")
def adapted(place, fit):
    job = place.done(place.reinforce("adapted", ppo=ADAPTED))
    return place.policy("adapted"), job


def test_adapters_make_a_whole_policy(place, adapted):
    policy, job = adapted
    writer = place.policy("writer")
    assert policy["parameters"] == writer["parameters"] and policy["digest"] != writer["digest"]
    assert (policy["recipe"]["lora_rank"], policy["recipe"]["lora_alpha"]) == (4, 8)
    series = place.part(job["id"], "metrics")
    first, last = series[0]["figures"], series[-1]["figures"]
    assert first["objective/kl"] == 0 and last["objective/kl"] > 0.01 and last["val/ratio"] != 1
    files = {p.name for p in (place.models / "policies" / policy["id"]).iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "egalign.json"} <= files
    assert not any("adapter" in name for name in files)
    done = place.job(place.complete("adapted", prompts=["say 3"], samples=2, max_tokens=8))
    assert done["state"] == "done", done


def test_kill_9_changes_nothing_with_adapters(place, adapted):
    job = place.reinforce("adapted-killed", ppo=ADAPTED, checkpoint_every=3)
    for step, how in ((5, signal.SIGKILL), (17, signal.SIGTERM), (26, signal.SIGKILL)):
        place.at_step(job, step)
        process = place.run_job()
        assert process, "the run was over before it could be killed"
        os.kill(process, how)
        until(lambda: place.run_job() != process, "the process to end")
        names = {name for _, _, files in os.walk(place.models / "jobs" / job) for name in files}
        assert "adapter_model.safetensors" in names and "model.safetensors" not in names
    done = place.done(job)
    assert sum("killed by signal 9" in a["reason"] for a in done["attempts"]) == 2
    assert any("going on from the checkpoint" in m for m in place.messages(job))
    assert place.policy("adapted-killed")["digest"] == adapted[0]["digest"]


def test_the_policy_may_stay_in_its_files(place, fit, short_writer):
    brief = {**ADAPTED, "updates": 4}
    place.done(place.reinforce("from-files", policy="short-writer", ppo={**brief, "lora_mapped": True}))
    place.done(place.reinforce("from-memory", policy="short-writer", store="bf16", ppo={**brief, "lora_mapped": False}))
    place.done(place.reinforce("exact", policy="short-writer", ppo=brief))
    mapped, loaded, exact = (place.policy(name) for name in ("from-files", "from-memory", "exact"))
    assert mapped["digest"] == loaded["digest"] not in (short_writer["digest"], exact["digest"])
    assert mapped["bytes"] < 0.6 * exact["bytes"]  # stored as bf16 where nothing is said, so that it can stay in its files
    again = place.done(place.reinforce("from-files-2", policy="from-files", ppo={**brief, "lora_mapped": True, "updates": 1}))
    assert again["state"] == "done"
    done = place.job(place.complete("from-files", prompts=["say 3"], samples=2, max_tokens=8))
    assert done["state"] == "done", done


@pytest.mark.parametrize("ppo, code, words", [
    ({"lora_rank": 4, "lora_mapped": True}, "bad_file", "not BF16"),  # fp32 weights cannot stay in their files
    ({"lora_rank": 4, "frozen_blocks": 2}, "invalid_value", "option /ppo/frozen_blocks"),
    ({"frozen_blocks": 3}, "invalid_value", "option /ppo/frozen_blocks"),
    ({"lora_targets": ["c_attn"]}, "invalid_value", "option /ppo/lora_targets"),  # the preset has no adapters
])
def test_adapters_that_the_policy_cannot_have(place, fit, ppo, code, words):
    job = place.reinforce(f"never-{abs(hash(str(ppo)))}", ppo={**PPO, **ppo})
    failed = place.job(job)
    assert failed["state"] == "failed" and failed["error"]["code"] == code, failed
    assert words in json.dumps(failed["error"])
    assert not place.part(job, "metrics")


def test_the_official_preset_adapts(place, fit):
    place.done(place.reinforce("official", ppo={"preset": "maxmin-official", "updates": 3, "response_tokens": 12}))
    recipe = place.policy("official")["recipe"]
    assert (recipe["lora_rank"], recipe["lora_alpha"], recipe["objective"]) == (16, 32, "min_per_sample")
    place.done(place.reinforce("top-adapted", ppo={**ADAPTED, "updates": 2, "frozen_blocks": 1}))
    whole = {"preset": "maxmin-official", "updates": 1, "response_tokens": 12, "lora_rank": 0}
    place.done(place.reinforce("official-whole", ppo=whole))
    assert "lora_rank" not in place.policy("official-whole")["recipe"]


def test_a_diverging_run_ends_with_the_reason_and_a_checkpoint(place, fit):
    job = place.reinforce("wild", ppo={**PPO, "updates": 200, "learning_rate": 0.1, "kl_limit": 1, "gradient_clip": 100,
                                       "adaptive_beta": False, "beta": 0})
    failed = place.job(job)
    assert failed["state"] == "failed" and failed["error"]["code"] == "numerical_failure", failed
    [said] = [m for m in place.messages(job) if "the state before update" in m]
    folder = said.split(" is in ")[1]
    assert sorted(p.name for p in place.models.glob(f"jobs/{job}/checkpoint-*")) == [folder.rsplit("/", 1)[1]]
    assert os.path.exists(folder + "/model.safetensors")
    assert place.policy("wild")["state"] == "failed"


def test_cancel_ends_it_within_an_update(place, fit):
    job = place.reinforce("long", ppo={**PPO, "updates": 100000}, checkpoint_every=100000)
    place.at_step(job, 2)
    place.call("POST", f"/v1/projects/p/jobs/{job}/cancel")
    assert place.job(job)["state"] == "cancelled"
    assert list(place.models.glob(f"jobs/{job}/checkpoint-*"))


@pytest.mark.parametrize("objective, more", [
    ("single", {}), ("average", {}), ("nash", {}), ("alpha", {"alpha": 3}), ("maxmin_argmin", {}), ("min_per_sample", {}),
    ("regret", {"best_utilities": [1.0, 1.0]}), ("maxmin", {"anchor": "win"}),
])
def test_every_objective(place, fit, objective, more):
    name = f"o-{objective}-{more.get('anchor', '')}".rstrip("-")
    place.done(place.reinforce(name, objective=objective, **more, prompts=5, ppo={**PPO, "updates": 2}))
    recipe = place.policy(name)["recipe"]
    assert recipe["objective"] == objective and recipe["prompts_used"] == 5


@pytest.mark.parametrize("options, status, code, pointer", [
    ({"policy": "nobody"}, 422, "unknown_reference", "/options/policy"),
    ({"items": ["01a20540-42f4-8c51-b608-37cd0fba388e"]}, 422, "unknown_reference", "/options/items/0"),
    ({"fit": "01a20540-42f4-8c51-b608-37cd0fba388e"}, 422, "unknown_reference", "/options/fit"),
    ({"objective": "fairness"}, 422, "invalid_value", "/options/objective"),
    ({"objective": "regret"}, 422, "invalid_value", "/options/best_utilities"),
    ({"objective": "regret", "best_utilities": [1]}, 422, "invalid_value", "/options/best_utilities"),
    ({"ppo": {"preset": "small", "episodes": 0}}, 422, "invalid_value", "/options/ppo/episodes"),
    ({"ppo": {"learning_rte": 1}}, 422, "unknown_member", "/options/ppo/learning_rte"),
    ({"ppo": {"lora_rank": 4, "lora_targets": ["c_attn", "lm_head"]}}, 422, "invalid_value", "/options/ppo/lora_targets/1"),
    ({"ppo": {"lora_rank": 4, "lora_targets": ["c_attn", "q_proj"]}}, 422, "invalid_value", "/options/ppo/lora_targets/1"),
    ({"ppo": {"lora_rank": 0, "lora_alpha": 4}}, 422, "invalid_value", "/options/ppo/lora_alpha"),
    ({"min_group_size": 9}, 409, "insufficient_data", ""),
])
def test_orders_that_are_refused(place, fit, options, status, code, pointer):
    got, refused = place.order("never", **options)
    assert (got, refused["code"], refused["pointer"]) == (status, code, pointer), refused


def test_a_group_that_is_too_small_is_left_out_when_forced(place, fit):
    job = place.reinforce("forced", min_group_size=9, force=True, ppo={**PPO, "updates": 1})
    place.done(job)


def test_one_group_is_no_case_for_maxmin(place, fit):
    made = place.call("POST", "/v1/projects/p/fits", {"k": 1, "permutations": 0})[1]
    place.done(made["job"])
    status, refused = place.order("never", fit=made["id"])
    assert (status, refused["code"]) == (409, "conflict") and "one group suffices" in refused["detail"]
    place.done(place.reinforce("alone", fit=made["id"], objective="single", ppo={**PPO, "updates": 1}))
    place.done(place.reinforce("pushed", fit=made["id"], force=True, ppo={**PPO, "updates": 1}))


def test_a_fit_over_the_states_of_a_policy_rewards_too(place, fit):
    made = place.call("POST", "/v1/projects/p/fits", {"k": 2, "permutations": 0, "seed": 1, "encoder": "lm", "policy": "writer"})[1]
    place.done(made["job"])
    place.done(place.reinforce("by-states", fit=made["id"], objective="average", prompts=4, ppo={**PPO, "updates": 2}))
    assert place.policy("by-states")["recipe"]["fit"] == made["id"]
