"""sft jobs through a running service: what they learn, make and tell, and that kill -9 and SIGTERM change nothing."""
import json
import os
import signal
import uuid

import pytest

from test_policy_jobs import Place, checkpoint, tiny, until  # noqa: F401  fixtures

NEW = {"layers": 2, "width": 64, "vocabulary": 300, "context": 96}
QUICK = {"batch_tokens": 192, "held_out": 0.1, "seed": 3, "checkpoint_every": 2}
LONG = {"new": NEW, "data": "preferred", "steps": 120, "evaluate_every": 40, **QUICK}


class Training(Place):
    def ask(self, name, **options):
        status, job = self.call("POST", "/v1/projects/p/jobs", {"kind": "sft", "options": {"name": name, **options}})
        assert status == 202, job
        return job["id"]

    def policy(self, name):
        return self.call("GET", f"/v1/projects/p/policies/{name}")[1]

    def part(self, job, part, query=""):
        return self.call("GET", f"/v1/projects/p/jobs/{job}/{part}?limit=1000{query}")[1]["items"]

    def at_step(self, job, step):
        """Waits until the job has told of that step, or has ended."""
        def there():
            found = self.part(job, "metrics", f"&after={step - 1}")
            return found or self.call("GET", f"/v1/projects/p/jobs/{job}")[1]["state"] in ("done", "failed")
        until(there, f"step {step}")

    def messages(self, job):
        return [line["message"] for line in self.part(job, "log")]


@pytest.fixture(scope="module")
def place(start_daemon, cluster, migrated_template):  # noqa: F811  in place of the one that is imported
    url = cluster.create(migrated_template)
    daemon = start_daemon(url, "--schedule-poll-seconds", "1", workers=1).ready()
    made = Training(daemon, url)
    lines = [{"annotator": f"p{n % 7}", "prompt": f"count to {n % 12}", "a": {"text": "one " * (n % 12)}, "b": {"text": "many"},
              "outcome": "b" if n % 12 == 0 else "a"} for n in range(84)]
    reply = made.session.post(daemon.url + "/v1/projects/p/comparisons", data="".join(json.dumps(x) + "\n" for x in lines),
                              headers={"Content-Type": "application/x-ndjson"}, timeout=60)
    assert reply.status_code == 201, reply.text
    yield made
    assert daemon.stop() == 0


@pytest.fixture(scope="module")
def whole(place):
    """The policy of an uninterrupted run of LONG, and its job."""
    job = place.job(place.ask("whole", **LONG))
    assert job["state"] == "done", job
    return place.policy("whole"), job


def test_it_learns_what_was_preferred(place, whole):
    policy, job = whole
    assert policy["state"] == "ready" and policy["family"] == "gpt2" and policy["parent"] is None
    assert policy["id"] == job["policy"] and policy["folder"] == str(place.models / "policies" / policy["id"])
    recipe = policy["recipe"]
    assert recipe["steps_done"] == 120 and recipe["examples"] == 12 and recipe["seed"] == 3 and recipe["data"] == "preferred"
    assert len(recipe["data_digest"]) == 64 and "(" in recipe["program"]
    until(lambda: not (place.models / "jobs" / job["id"]).exists(), "the job's folder to go")
    series = place.part(job["id"], "metrics")
    assert [m["step"] for m in series] == list(range(1, 121))
    assert all({"loss", "learning_rate", "grad_norm", "tokens_per_second"} <= m["figures"].keys() for m in series)
    assert series[-1]["figures"]["loss"] < series[0]["figures"]["loss"]
    assert [m["step"] for m in series if "held_out_perplexity" in m["figures"]] == [40, 80, 120]


def test_the_same_again_is_the_same_job(place, whole):
    status, job = place.call("POST", "/v1/projects/p/jobs", {"kind": "sft", "options": {"name": "whole", **LONG}})
    assert status == 200 and job["id"] == whole[1]["id"]
    status, refused = place.call("POST", "/v1/projects/p/jobs",
                                 {"kind": "sft", "options": {"name": "whole", **LONG, "seed": 4}})
    assert (status, refused["code"]) == (409, "conflict")


def test_kill_9_and_sigterm_change_nothing(place, whole):
    job = place.ask("killed", **LONG)
    for step, how in ((9, signal.SIGKILL), (33, signal.SIGTERM), (61, signal.SIGKILL)):
        place.at_step(job, step)
        process = place.run_job()
        if process:
            os.kill(process, how)
        until(lambda: place.run_job() != process, "the process to end")
    done = place.job(job)
    assert done["state"] == "done", done
    reasons = [a["reason"] for a in done["attempts"]]
    assert sum("killed by signal 9" in r for r in reasons) == 2 and sum("told to stop" in r for r in reasons) == 1, reasons
    assert any("going on from the checkpoint" in m for m in place.messages(job))
    assert place.policy("killed")["digest"] == whole[0]["digest"]
    undisturbed, disturbed = ([m["figures"]["loss"] for m in place.part(j, "metrics")] for j in (whole[1]["id"], job))
    assert disturbed == undisturbed


def test_new_comparisons_do_not_change_a_job_that_goes_on(place, whole):
    job = place.ask("steady", **LONG)
    place.at_step(job, 5)
    os.kill(place.run_job(), signal.SIGKILL)
    place.call("POST", "/v1/projects/p/comparisons", {"annotator": "late", "prompt": "count to 99", "a": {"text": "no"},
                                                      "b": {"text": "ninety-nine"}, "outcome": "b"})
    assert place.job(job)["state"] == "done"
    assert place.policy("steady")["digest"] == whole[0]["digest"]


def test_cancel_ends_training_within_a_step_and_retry_goes_on(place, whole):
    job = place.ask("slow", **dict(LONG, steps=100000, checkpoint_every=100000))
    place.at_step(job, 3)
    place.call("POST", f"/v1/projects/p/jobs/{job}/cancel")
    assert place.job(job)["state"] == "cancelled"
    told = len(place.part(job, "metrics"))
    assert place.policy("slow")["state"] == "failed"
    assert place.call("POST", f"/v1/projects/p/jobs/{job}/retry")[0] == 202
    place.at_step(job, told + 1)
    assert any("going on from the checkpoint" in m for m in place.messages(job))
    place.call("POST", f"/v1/projects/p/jobs/{job}/cancel")
    assert place.job(job)["state"] == "cancelled"


def test_the_folder_of_a_job_that_ended_long_ago_goes(place):
    """Whatever ended without success longer ago than job_folder_hours; what waits, runs, or is nobody's stays."""
    def folder(job):
        return place.models / "jobs" / job

    def ended(job, hours):
        place.call("POST", f"/v1/projects/p/jobs/{job}/cancel")
        assert place.job(job)["state"] == "cancelled"
        place.sql("UPDATE job SET finished_at = now() - make_interval(hours => %s) WHERE id = %s", hours, job)

    endless = dict(LONG, steps=100000, checkpoint_every=1)
    old = place.ask("old", **endless)
    place.at_step(old, 3)
    running = place.ask("running", **endless)
    ended(old, 100)
    assert list(folder(old).glob("checkpoint-*"))
    place.at_step(running, 1)
    fresh, waiting = place.ask("fresh", **endless), place.ask("waiting", **endless)
    ended(fresh, 167)
    place.sql("UPDATE job SET finished_at = now() - interval '1 year' WHERE id IN (%s, %s)", running, waiting)
    kept = [folder(job) for job in (running, fresh, waiting, str(uuid.uuid4()), "notes", f"{fresh}.kept")]
    for path in kept:
        path.mkdir(exist_ok=True)
    (place.models / "jobs" / f"{uuid.uuid4()}.removed").mkdir()  # what a look that was cut short leaves
    place.sql("UPDATE job SET finished_at = now() - interval '169 hours' WHERE id = %s", old)
    until(lambda: not folder(old).exists() and not list((place.models / "jobs").glob("*.removed")), "the folder to go")
    assert all(path.exists() for path in kept)
    until(lambda: list(folder(running).glob("checkpoint-*")), "the running job to write on in its folder")
    assert sum("was removed 168 hours after its end" in m for m in place.messages(old)) == 1
    place.call("POST", f"/v1/projects/p/jobs/{waiting}/cancel")
    assert place.call("POST", f"/v1/projects/p/jobs/{old}/retry")[0] == 202
    ended(running, 0)
    until(lambda: place.part(old, "metrics", "&after=0")[0]["at"] > place.call("GET", f"/v1/projects/p/jobs/{old}")[1]["started_at"],
          "the first step to be made again")
    place.call("POST", f"/v1/projects/p/jobs/{old}/cancel")
    assert place.job(old)["state"] == "cancelled"
    assert not any("going on from the checkpoint" in m for m in place.messages(old))


def test_it_goes_on_from_a_policy(place, tiny):  # noqa: F811
    examples = place.models / "examples.jsonl"
    examples.write_text("".join(json.dumps({"prompt": f"say {n}", "response": "two " * 3}) + "\n" for n in range(20)))
    job = place.job(place.ask("child", policy="tiny", data={"file": str(examples)}, epochs=1, learning_rate=1e-3,
                              template="Q: {prompt}\nA: ", store="bf16"))
    assert job["state"] == "done", job
    child = place.policy("child")
    assert child["parent"] == tiny["id"] and child["parameters"] == tiny["parameters"] and child["digest"] != tiny["digest"]
    assert child["bytes"] < tiny["bytes"]
    item = place.job(place.complete("child", prompts=["say 3"], samples=2, max_tokens=8))
    assert item["state"] == "done", item


def test_adapters_are_trained_and_merged(place, whole):
    """From memory and from files the same; kill -9 changes nothing; frozen blocks have no adapter."""
    done = lambda name, **options: (place.job(place.ask(name, data="preferred", **options))["state"], place.policy(name))
    state, base = done("half", policy="whole", steps=2, store="bf16", **QUICK)
    assert state == "done"
    tuned = {"policy": "half", "steps": 40, "lora_rank": 4, "lora_targets": ["c_attn", "mlp.c_proj"], **QUICK}
    state, loaded = done("tuned", store="bf16", lora_mapped=False, **tuned)
    assert state == "done" and loaded["parameters"] == base["parameters"] and loaded["digest"] != base["digest"]
    job = place.ask("tuned-mapped", data="preferred", lora_mapped=True, **tuned)
    place.at_step(job, 7)
    process = place.run_job()
    assert process
    os.kill(process, signal.SIGKILL)
    assert place.job(job)["state"] == "done"
    assert any("going on from the checkpoint" in m for m in place.messages(job))
    assert place.policy("tuned-mapped")["digest"] == loaded["digest"]
    losses = [m["figures"]["loss"] for m in place.part(job, "metrics")]
    rates = [m["figures"]["learning_rate"] for m in place.part(job, "metrics")]
    assert len(losses) == 40 and 1e-4 < max(rates) <= 2e-4  # that of adapters
    assert done("top", frozen_blocks=1, **tuned)[0] == "done"
    failed = place.job(place.ask("all-frozen", data="preferred", **{**tuned, "frozen_blocks": 2}))
    assert failed["state"] == "failed" and "none to adapt" in json.dumps(failed["error"]), failed
    failed = place.job(place.ask("too-frozen", policy="half", data="preferred", steps=1, frozen_blocks=3, **QUICK))
    assert failed["state"] == "failed" and failed["error"]["code"] == "invalid_value", failed


@pytest.mark.parametrize("options, code, pointer", [
    ({"data": "preferred"}, "missing_member", "/options"),
    ({"new": NEW, "policy": "whole", "data": "preferred"}, "invalid_value", "/options/new"),
    ({"new": {**NEW, "width": 65}, "data": "preferred"}, "invalid_value", "/options/new/width"),
    ({"new": NEW, "data": "everything"}, "invalid_value", "/options/data"),
    ({"new": NEW, "data": {"file": "/etc/passwd"}}, "invalid_value", "/options/data/file"),
    ({"new": NEW, "data": "preferred", "steps": 3, "epochs": 2}, "invalid_value", "/options/epochs"),
    ({"new": NEW, "data": "preferred", "template": "none"}, "invalid_value", "/options/template"),
    ({"new": NEW, "data": "preferred", "learning_rate": 7}, "invalid_value", "/options/learning_rate"),
    ({"new": NEW, "data": "preferred", "rate": 7}, "unknown_member", "/options/rate"),
    ({"new": NEW, "data": "preferred", "lora_rank": 4}, "invalid_value", "/options/lora_rank"),
    ({"policy": "whole", "data": "preferred", "lora_alpha": 4}, "invalid_value", "/options/lora_alpha"),
    ({"policy": "whole", "data": "preferred", "lora_rank": 4, "lora_targets": ["c_fc", "q_proj"]}, "invalid_value",
     "/options/lora_targets/1"),
    ({"policy": "nobody", "data": "preferred"}, "unknown_reference", "/options/policy"),
])
def test_options_that_are_refused(place, whole, options, code, pointer):
    status, refused = place.call("POST", "/v1/projects/p/jobs", {"kind": "sft", "options": {"name": "never", **options}})
    assert (status, refused["code"], refused["pointer"]) == (422, code, pointer), refused


def test_too_little_data_fails_with_the_reason(place):
    assert place.call("POST", "/v1/projects", {"name": "empty"})[0] == 201
    status, job = place.call("POST", "/v1/projects/empty/jobs",
                             {"kind": "sft", "options": {"name": "none", "new": NEW, "data": "preferred"}})
    assert status == 202

    def ended():
        found = place.call("GET", f"/v1/projects/empty/jobs/{job['id']}")[1]
        return found if found["state"] in ("done", "failed") else None
    assert until(ended, "the job to end")["error"]["code"] == "insufficient_data"


def test_projects_take_turns_whatever_the_kinds(place):
    """One worker: a project with three jobs of two kinds waiting does not hold up another one with one."""
    busy = place.ask("busy", **dict(LONG, steps=100000))
    place.at_step(busy, 1)
    waiting = [place.ask(f"waiting-{n}", **dict(LONG, steps=1)) for n in range(2)]
    waiting.append(place.call("POST", "/v1/projects/p/fits", {})[1]["job"])
    assert place.call("POST", "/v1/projects", {"name": "other"})[0] == 201
    first = place.call("POST", "/v1/projects/other/fits", {})[1]["job"]
    place.call("POST", f"/v1/projects/p/jobs/{busy}/cancel")
    for job in waiting:
        assert place.job(job)["state"] == "done"
    started = dict(place.sql("SELECT id::text, started_at FROM job"))
    assert sorted([*waiting, first], key=started.get).index(first) <= 1
