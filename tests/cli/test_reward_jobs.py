"""reward jobs through a running service: a reward model for each group, that kill -9 and new data change nothing, ppo
jobs that are rewarded by them, and who refuses what."""
import json
import math
import os
import pathlib
import re
import shutil
import signal

import pytest

from test_policy_jobs import until
from test_ppo_jobs import PPO, WRITER, Reinforcing, judgements

HOW = {"policy": "writer", "learning_rate": 0.003, "batch_tokens": 192, "held_out": 0.25, "seed": 2}
LONG = {**HOW, "start": "round_robin", "iterations": 4, "epochs": 16, "learning_rate": 0.0003}
NOWHERE = "01a20540-42f4-8c51-b608-37cd0fba388e"


class Rewarding(Reinforcing):
    def order_rewards(self, name, project="p", **options):
        return self.call("POST", f"/v1/projects/{project}/jobs", {"kind": "reward", "options": {"name": name, **options}})

    def reward(self, name, **options):
        status, job = self.order_rewards(name, **options)
        assert status == 202, job
        return job["id"]

    def refused(self, kind, **options):
        status, problem = self.call("POST", "/v1/projects/p/jobs", {"kind": kind, "options": options})
        return status, problem.get("code"), problem.get("pointer")


@pytest.fixture(scope="module")
def place(start_daemon, cluster, migrated_template):
    url = cluster.create(migrated_template)
    daemon = start_daemon(url, "--schedule-poll-seconds", "1", "--job-attempts", "9", workers=1).ready()
    made = Rewarding(daemon, url)
    made.sql("UPDATE project SET refit_after_comparisons = 0")
    reply = made.session.post(daemon.url + "/v1/projects/p/comparisons", timeout=60,
                              data="".join(json.dumps(x) + "\n" for x in judgements(40, every=3)),
                              headers={"Content-Type": "application/x-ndjson"})
    assert reply.status_code == 201, reply.text
    made.done(made.ask("writer", **WRITER))
    yield made
    assert daemon.stop() == 0


def fit_again(place, **options):
    made = place.call("POST", "/v1/projects/p/fits", {"k": 2, "permutations": 0, "seed": 1, **options})[1]
    place.done(made["job"])
    return place.call("GET", f"/v1/projects/p/fits/{made['id']}")[1]


@pytest.fixture(scope="module")
def fit(place):
    status, refused = place.order_rewards("early", **HOW)
    assert (status, refused["code"]) == (409, "not_ready")
    return fit_again(place)


@pytest.fixture(scope="module")
def rewards(place, fit):
    """A set of reward models that were made of the fit, and its job."""
    job = place.done(place.reward("rm-1", **HOW, epochs=4))
    return place.policy("rm-1"), job


@pytest.fixture(scope="module")
def whole(place, fit):
    """The models of an uninterrupted run of LONG, and its job."""
    job = place.done(place.reward("whole", **LONG))
    return place.policy("whole"), job


def test_a_model_for_each_group(place, fit, rewards):
    policy, job = rewards
    writer = place.policy("writer")
    assert (policy["role"], policy["state"], writer["role"]) == ("reward", "ready", "policy")
    assert policy["parent"] == writer["id"] and policy["family"] == writer["family"] and job["policy"] == policy["id"]
    heads = 64 + 1
    assert policy["parameters"] == 3 * (writer["parameters"] + heads)
    folder = pathlib.Path(policy["folder"])
    assert folder == place.models / "policies" / policy["id"]
    assert sorted(p.name for p in folder.iterdir()) == ["group-0", "group-1", "single"]
    assert policy["bytes"] == sum(p.stat().st_size for p in folder.glob("*/*"))
    recipe = policy["recipe"]
    assert (recipe["fit"], recipe["groups"], recipe["parent_digest"]) == (fit["id"], 2, writer["digest"])
    assert recipe["annotators"] == fit["annotators"] and recipe["moved_from_fit"] < 0.05
    assert 1 <= recipe["iterations_done"] <= 4 and recipe["log_likelihood"] < 0 and "(" in recipe["program"]
    for group in recipe["held_out"]:
        own, single = group["group"], group["single"]
        assert own["n"] == single["n"] > 5 and own["low"] <= own["rate"] <= own["high"]
        assert own["rate"] > 0.9 and own["log_loss"] < single["log_loss"]
        own, single = group["calibration"]["group"], group["calibration"]["single"]
        assert own["n"] == single["n"] and own["nll"] < single["nll"] and 0 <= own["error"] <= 1
    assert min(group["single"]["rate"] for group in recipe["held_out"]) < 0.3  # one model for all serves the majority
    until(lambda: not (place.models / "jobs" / job["id"]).exists(), "the job's folder to go")
    page = place.call("GET", "/v1/projects/p/policies?role=reward")[1]["items"]
    assert policy in page and all(p["role"] == "reward" for p in page)


def test_it_tells_how_it_goes(place, rewards):
    policy, job = rewards
    series = place.part(job["id"], "metrics")
    assert [m["step"] for m in series] == list(range(1, policy["recipe"]["steps_done"] + 1))
    turns = [m["figures"] for m in series if "log_likelihood" in m["figures"]]
    assert len(turns) == policy["recipe"]["iterations_done"]
    assert all({"moved", "held_out/g0", "held_out/g1", "held_out_single/g0"} <= t.keys() for t in turns)
    assert turns[-1]["moved"] == policy["recipe"]["moved"]
    steps = [m["figures"] for m in series if "log_likelihood" not in m["figures"]]
    assert {s["model"] for s in steps} == {0, 1, 2} and all(math.isfinite(s["loss"]) for s in steps)
    assert all(s["tokens_per_second"] > 0 for s in steps)
    assert job["progress"] == 1 and any("posteriors moved" in m for m in place.messages(job["id"]))


def test_the_same_again_is_the_same_job(place, rewards):
    status, job = place.order_rewards("rm-1", **HOW, epochs=4)
    assert status == 200 and job["id"] == rewards[1]["id"]
    status, refused = place.order_rewards("rm-1", **HOW, epochs=5)
    assert (status, refused["code"]) == (409, "conflict")


def test_from_a_round_robin_start_groups_are_numbered_as_the_fit_has_them(place, fit, whole):
    """Whoever shares the fit's group 0 is predicted by group-0: the models agree with those that began from the fit."""
    recipe = whole[0]["recipe"]
    assert recipe["start"] == "round_robin" and recipe["iterations_done"] > 1
    assert recipe["moved_from_fit"] < 0.5
    place.done(place.reward("hard", **HOW, start="round_robin", assignment="hard", epochs=4))
    recipe = place.policy("hard")["recipe"]
    assert recipe["assignment"] == "hard" and recipe["moved_from_fit"] < 0.1
    assert all(group["group"]["rate"] > 0.9 for group in recipe["held_out"])


def kill(place, job, step, how):
    place.at_step(job, step)
    process = place.run_job()
    assert process, "the run was over before it could be killed"
    os.kill(process, how)
    until(lambda: place.run_job() != process, "the process to end")


def without_pace(place, job):
    return [{k: v for k, v in m["figures"].items() if k != "tokens_per_second"} for m in place.part(job, "metrics")]


def test_kill_9_and_sigterm_change_nothing(place, whole):
    ends = [m["step"] for m in place.part(whole[1]["id"], "metrics") if "log_likelihood" in m["figures"]]
    job = place.reward("killed", **LONG, checkpoint_every=5)
    kill(place, job, 3, signal.SIGKILL)
    kill(place, job, place.part(job, "metrics")[-1]["step"] + 1, signal.SIGTERM)
    kill(place, job, ends[0] + 3, signal.SIGKILL)  # long before the end, for steps are told of by the second
    done = place.done(job)
    reasons = [a["reason"] for a in done["attempts"]]
    assert sum("killed by signal 9" in r for r in reasons) == 2 and sum("told to stop" in r for r in reasons) == 1, reasons
    resumed = [int(re.search("from the checkpoint at step ([0-9]+)", m)[1]) for m in place.messages(job)
               if "from the checkpoint" in m]
    assert len(resumed) >= 2 and 0 < resumed[0] < ends[0] and resumed == sorted(resumed), resumed  # within an iteration
    killed = place.policy("killed")
    assert killed["digest"] == whole[0]["digest"]
    assert {k: killed["recipe"][k] for k in ("held_out", "log_likelihood", "moved", "steps_done", "data_digest")} == \
        {k: whole[0]["recipe"][k] for k in ("held_out", "log_likelihood", "moved", "steps_done", "data_digest")}
    assert without_pace(place, job) == without_pace(place, whole[1]["id"])


def test_new_comparisons_do_not_change_a_job_that_goes_on(place, whole):
    job = place.reward("steady", **LONG)
    place.at_step(job, 2)
    for n in range(4):
        assert place.call("POST", "/v1/projects/p/comparisons", {
            "annotator": f"p{n}", "prompt": "say 99", "a": {"text": "no"}, "b": {"text": f"ninety {n}"}, "outcome": "b"})[0] == 201
    os.kill(place.run_job(), signal.SIGKILL)
    place.done(job)
    assert place.policy("steady")["digest"] == whole[0]["digest"]


def test_cancel_ends_it_within_a_step_and_retry_goes_on(place, fit):
    job = place.reward("slow", **dict(LONG, iterations=1000, epochs=500))
    place.at_step(job, 3)
    place.call("POST", f"/v1/projects/p/jobs/{job}/cancel")
    assert place.job(job)["state"] == "cancelled" and place.policy("slow")["state"] == "failed"
    assert place.call("POST", f"/v1/projects/p/jobs/{job}/retry")[0] == 202
    place.job(job, "running")
    place.call("POST", f"/v1/projects/p/jobs/{job}/cancel")
    assert place.job(job)["state"] == "cancelled"


def test_a_policy_that_reward_models_rewarded(place, fit, rewards):
    by_models = place.done(place.reinforce("fair", rewards="rm-1", objective="maxmin", ppo={**PPO, "updates": 8}))
    policy, models = place.policy("fair"), rewards[0]
    recipe = policy["recipe"]
    assert policy["role"] == "policy" and policy["parent"] == place.policy("writer")["id"]
    assert (recipe["rewards"], recipe["rewards_digest"], recipe["fit"]) == ("rm-1", models["digest"], fit["id"])
    assert recipe["groups"] == 2 and abs(sum(recipe["weights"]) - 1) < 1e-9
    figures = place.part(by_models["id"], "metrics")[-1]["figures"]
    assert all(0 <= figures[f"winrate/g{u}"] <= 1 for u in (0, 1))
    place.done(place.reinforce("fair-by-heads", objective="maxmin", ppo={**PPO, "updates": 8}))
    heads = place.policy("fair-by-heads")
    assert "rewards" not in heads["recipe"] and heads["digest"] != policy["digest"]


def test_kill_9_of_a_rewarded_run_changes_nothing(place, fit, rewards):
    options = {"rewards": rewards[0]["id"], "checkpoint_every": 3, "ppo": {**PPO, "updates": 14}}
    place.done(place.reinforce("calm", **options))
    job = place.reinforce("shaken", **options)
    kill(place, job, 5, signal.SIGKILL)
    place.done(job)
    assert any("going on from the checkpoint" in m for m in place.messages(job))
    assert place.policy("shaken")["digest"] == place.policy("calm")["digest"]
    assert place.policy("shaken")["recipe"]["rewards"] == "rm-1"


def test_models_that_are_read_cannot_be_deleted_and_then_their_files_go(place, fit):
    place.done(place.reward("passing", **HOW, iterations=1))
    policy = place.policy("passing")
    job = place.reinforce("reading", rewards="passing", ppo={**PPO, "updates": 100000})
    place.at_step(job, 1)
    status, refused = place.call("DELETE", "/v1/projects/p/policies/passing")
    assert (status, refused["code"]) == (409, "conflict") and "reads it" in refused["detail"]
    place.call("POST", f"/v1/projects/p/jobs/{job}/cancel")
    place.job(job)
    assert place.call("DELETE", "/v1/projects/p/policies/passing")[0] == 204
    until(lambda: place.call("GET", "/v1/projects/p/policies/passing")[1]["folder"] is None, "the files to be removed")
    assert not pathlib.Path(policy["folder"]).exists()
    assert place.refused("ppo", name="late", policy="writer", rewards="passing")[:2] == (409, "not_ready")


@pytest.mark.parametrize("damage", ["change", "lose"])
def test_models_that_have_changed_reward_nobody(place, fit, rewards, damage):
    place.done(place.reward(f"rm-{damage}", **HOW, iterations=1))
    folder = pathlib.Path(place.policy(f"rm-{damage}")["folder"])
    if damage == "change":
        path = folder / "group-1" / "model.safetensors"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    else:
        shutil.rmtree(folder / "group-1")
    job = place.job(place.reinforce(f"by-{damage}", rewards=f"rm-{damage}", ppo={**PPO, "updates": 1}))
    assert job["state"] == "failed" and job["error"]["code"] == "bad_file" and "changed" in job["error"]["message"], job


@pytest.mark.parametrize("options, status, code, pointer", [
    ({"policy": "nobody"}, 422, "unknown_reference", "/options/policy"),
    ({"policy": "rm-1"}, 422, "invalid_value", "/options/policy"),
    ({"policy": "writer", "fit": NOWHERE}, 422, "unknown_reference", "/options/fit"),
    ({"policy": "writer", "assignment": "maybe"}, 422, "invalid_value", "/options/assignment"),
    ({"policy": "writer", "start": "round-robin"}, 422, "invalid_value", "/options/start"),
    ({"policy": "writer", "iterations": 0}, 422, "invalid_value", "/options/iterations"),
    ({"policy": "writer", "checkpoint_every": 0}, 422, "invalid_value", "/options/checkpoint_every"),
    ({}, 422, "missing_member", "/options/policy"),
])
def test_orders_that_are_refused(place, rewards, options, status, code, pointer):
    assert place.refused("reward", name="never", **options) == (status, code, pointer)


@pytest.mark.parametrize("kind, options, status, code, pointer", [
    ("ppo", {"policy": "writer", "rewards": "nobody"}, 422, "unknown_reference", "/options/rewards"),
    ("ppo", {"policy": "writer", "rewards": "writer"}, 422, "invalid_value", "/options/rewards"),
    ("ppo", {"policy": "rm-1"}, 422, "invalid_value", "/options/policy"),
    ("ppo", {"policy": "rm-1", "rewards": "rm-1"}, 422, "invalid_value", "/options/policy"),
    ("sft", {"policy": "rm-1", "data": "preferred"}, 422, "invalid_value", "/options/policy"),
    ("rebase", {"policy": "rm-1"}, 422, "invalid_value", "/options/policy"),
])
def test_orders_of_the_wrong_role(place, rewards, kind, options, status, code, pointer):
    assert place.refused(kind, name="never", **options) == (status, code, pointer)


def test_other_doors_refuse_reward_models_too(place, rewards):
    assert place.refused("evaluate", policy="rm-1", against="writer") == (422, "invalid_value", "/options/policy")
    assert place.refused("evaluate", policy="writer", against="rm-1") == (422, "invalid_value", "/options/against")
    assert place.refused("complete", policy="rm-1", prompts=["x"]) == (422, "invalid_value", "/options/policy")
    assert place.refused("fit", encoder="lm", policy="rm-1") == (422, "invalid_value", "/options/policy")
    status, refused = place.call("POST", "/v1/projects/p/policies/rm-1/completions", {"prompts": ["x"]})
    assert (status, refused["code"]) == (409, "conflict")


def test_one_of_the_models_is_no_policy(place, rewards):
    policy, job = place.register("rater", place.folder("rater", pathlib.Path(rewards[0]["folder"]) / "single"))
    assert (policy["state"], job["state"], job["error"]["code"]) == ("failed", "failed", "bad_file"), job
    assert "score.weight" in job["error"]["message"]


def test_models_of_another_fit_are_a_conflict(place, fit, rewards):
    other = fit_again(place, seed=9)
    status, refused = place.order("never", rewards="rm-1")  # the published fit is the new one
    assert (status, refused["code"]) == (409, "conflict") and fit["id"] in refused["detail"] and other["id"] in refused["detail"]
    place.done(place.reinforce("of-its-fit", rewards="rm-1", fit=fit["id"], ppo={**PPO, "updates": 1}))
    assert place.policy("of-its-fit")["recipe"]["fit"] == fit["id"]


def test_a_job_refuses_the_wrong_role_by_itself(place, fit, rewards):
    """A door of another version, or of nobody: the job looks again."""
    place.done(place.ask("other-writer", **{**WRITER, "steps": 1}))
    busy = place.reinforce("busy", fit=fit["id"], ppo={**PPO, "updates": 100000})
    place.at_step(busy, 1)
    waiting = [place.reinforce("by-a-writer", fit=fit["id"], rewards="rm-1", ppo={**PPO, "updates": 1}),
               place.reward("of-rewards", **{**HOW, "policy": "other-writer"}, fit=fit["id"])]
    place.sql("UPDATE policy SET role = CASE role WHEN 'reward' THEN 'policy' ELSE 'reward' END "
              "WHERE name IN ('other-writer', 'rm-1')")
    place.call("POST", f"/v1/projects/p/jobs/{busy}/cancel")
    try:
        for job, word in zip(waiting, ("a set of reward models is wanted", "a language model is wanted")):
            ended = place.job(job)
            assert ended["state"] == "failed" and ended["error"]["code"] == "invalid_value", ended
            assert word in ended["error"]["message"]
    finally:
        place.sql("UPDATE policy SET role = CASE role WHEN 'reward' THEN 'policy' ELSE 'reward' END "
                  "WHERE name IN ('other-writer', 'rm-1')")
