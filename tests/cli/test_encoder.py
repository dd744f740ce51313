"""Fits over the hidden states of a policy, by a worker: what is encoded once is not encoded again."""
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import uuid

import pytest

from test_work import World, judged, lines_of, population, until  # noqa: F401 (a fixture)

QUICK = {"k": 2, "ridge": 30, "restarts": 2, "folds": 2}
ENGINE = ["--new", "2x32", "--vocabulary", "300", "--context", "128", "--steps", "20", "--rate", "0.01"]


@pytest.fixture(scope="module")
def checkpoint(program, population, tmp_path_factory):
    """A tiny language model that has read the demo's responses."""
    folder = tmp_path_factory.mktemp("lm")
    rows = [json.loads(line) for line in population[0].splitlines()[:200]]
    examples = [{"prompt": r["prompt"], "response": r["a"]["text"]} for r in rows]
    (folder / "examples.jsonl").write_text("".join(json.dumps(e) + "\n" for e in examples))
    subprocess.run([program, "train", "sft", "--data", folder / "examples.jsonl", "--out", folder / "model", *ENGINE],
                   check=True, capture_output=True, timeout=120)
    return folder / "model"


@pytest.fixture
def world(program, database, population):
    made = World(program, database, population[0])
    yield made
    made.end()


def digest_of(folder):
    """As core/lm/checkpoint_digest.h has it."""
    hash = hashlib.sha256()
    for path in sorted(folder.iterdir(), key=lambda p: p.name.encode()):
        if path.is_file() and (path.suffix in (".json", ".safetensors") or path.name in ("merges.txt", "tokenizer.model")):
            content = path.read_bytes()
            hash.update(path.name.encode() + b"\0" + len(content).to_bytes(8, "little") + content)
    return hash.digest()


def add_policy(world, project, name, folder):
    job = str(uuid.uuid4())
    world.sql("INSERT INTO job (id, project_id, kind, state) VALUES (%s, %s, 'register', 'done')", job, project)
    world.sql("INSERT INTO policy (id, project_id, name, job_id, folder, digest, family, parameters, bytes, ready_at) "
              "VALUES (%s, %s, %s, %s, %s, %s, 'gpt2', 1, 1, now())", str(uuid.uuid4()), project, name, job, str(folder),
              digest_of(folder))


def fitted(world, project, options):
    fit, job = world.ask(project, options)
    world.until_state(job, "done", "failed")
    assert world.job(job)["state"] == "done", world.job(job)["error"]
    [(encoder, summary)] = world.sql("SELECT encoder, summary FROM fit WHERE id = %s", fit)
    said = [m for (m,) in world.sql("SELECT message FROM job_log WHERE job_id = %s", job) if m.startswith("encoded ")]
    return fit, encoder, summary, said


def test_a_refit_encodes_only_what_is_new(world, checkpoint):
    project = world.add("demo")
    add_policy(world, project, "reader", checkpoint)
    world.start()
    options = dict(QUICK, encoder="lm", policy="reader")
    fit, encoder, summary, said = fitted(world, project, options)
    [(texts,)] = world.sql("SELECT count(*) FROM response_features")
    assert encoder == "lm" and summary["policy"] == "reader" and summary["dimension"] == 64
    assert said == [f"encoded {texts} responses with the policy reader, 0 were cached"] and texts == summary["responses"]
    assert world.sql("SELECT DISTINCT encode(encoder, 'hex'), length(features) FROM response_features") == \
        [(summary["encoder_digest"], 4 * 64)]
    groups = world.groups(fit)
    assert len(groups) == 2
    hashed = fitted(world, project, dict(QUICK))[2]
    print(f"held-out accuracy: lm {summary['accuracy']['group']['rate']:.3f}, "
          f"hashed {hashed['accuracy']['group']['rate']:.3f}, single {summary['accuracy']['single']['rate']:.3f}")
    assert summary["accuracy"]["group"]["low"] > summary["accuracy"]["single"]["high"]
    assert hashed["policy"] is None and hashed["encoder_digest"] is None

    again = fitted(world, project, dict(options, min_comparisons=9))  # other options, the same responses
    assert again[3] == [f"encoded 0 responses with the policy reader, {texts} were cached"]
    assert world.sql("SELECT count(DISTINCT model) FROM fit WHERE id IN (%s, %s)", fit, again[0]) == [(1,)]
    added = lines_of([judged(f"new {i % 3}", i, a=f"a fine answer {i}", b=f"no {i}") for i in range(12)])
    subprocess.run([world.program, "import", "--project", "demo", "--database-url", world.url, "-"], input=added,
                   check=True, capture_output=True, timeout=60)
    third = fitted(world, project, options)
    assert third[3] == [f"encoded 24 responses with the policy reader, {texts} were cached"]
    assert third[2]["encoder_digest"] == summary["encoder_digest"]


def test_a_checkpoint_that_changed_is_refused(world, checkpoint, tmp_path):
    project = world.add("small", (0, 40))
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in checkpoint.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    add_policy(world, project, "reader", copy)
    (copy / "egalign.json").write_text('{"prompt_template": "Q: {prompt}"}\n')
    world.start()
    fit, job = world.ask(project, dict(QUICK, encoder="lm", policy="reader"))
    world.until_state(job, "failed")
    assert "has changed since it became the policy reader" in world.job(job)["error"]["message"]


def order_rebase(world, project, name, options):
    """Queues the job as the API does; gives the job."""
    [(fit,)] = world.sql("SELECT published_fit::text FROM project WHERE id = %s", project)
    [(parent,)] = world.sql("SELECT id::text FROM policy WHERE name = 'reader'")
    job = str(uuid.uuid4())
    params = json.dumps(dict(options, name=name, policy="reader", fit=fit))
    world.query("policy_order", project, job, "rebase", params, None, None, f"{{{parent}}}", str(uuid.uuid4()), name, parent,
                params, None, "policy")
    return job


def test_a_rebased_policy_is_an_encoder_whatever_kills_its_job(world, checkpoint, tmp_path):
    project = world.add("demo", (0, 700))
    add_policy(world, project, "reader", checkpoint)
    models = tmp_path / "models"
    worker = world.start("--model-folder", str(models))
    fitted(world, project, dict(QUICK))
    how = {"epochs": 1, "learning_rate": 0.003, "batch_tokens": 512, "longest": 48, "held_out": 0.2,
           "checkpoint_every": 5}
    whole = order_rebase(world, project, "shaped", how)
    world.until_state(whole, "done", "failed")
    assert world.job(whole)["state"] == "done", world.job(whole)["error"]
    broken = order_rebase(world, project, "shaped-2", how)
    until(lambda: list((models / "jobs" / broken).glob("checkpoint-*")) or world.job(broken)["state"] == "done",
          "a checkpoint")
    if world.job(broken)["state"] == "running":
        os.kill(world.child(worker), signal.SIGKILL)
    world.until_state(broken, "done", "failed")
    assert world.job(broken)["state"] == "done", world.job(broken)["error"]
    assert world.job(broken)["attempts"] == 2
    rows = world.sql("SELECT folder, digest, recipe FROM policy WHERE name LIKE 'shaped%%' ORDER BY name")
    assert bytes(rows[0][1]) == bytes(rows[1][1]) == digest_of(pathlib.Path(rows[0][0]))
    assert not list((models / "jobs").iterdir())
    held_out = rows[0][2]["held_out"]
    print("held out:", [(round(u["rate"], 3), u["n"]) for u in held_out])
    assert len(held_out) == 2 and all(u["low"] < u["rate"] < u["high"] and u["n"] > 5 for u in held_out)
    [(steps, loss)] = world.sql("SELECT count(*), max((figures ->> 'loss')::float) FROM job_metric WHERE job_id = %s", whole)
    assert steps == rows[0][2]["steps_done"] and loss > 0
    losses = [loss for (loss,) in world.sql("SELECT (figures ->> 'loss')::float FROM job_metric WHERE job_id = %s "
                                            "ORDER BY step", whole)]
    quarter = len(losses) // 4
    assert sum(losses[-quarter:]) < sum(losses[:quarter])
    encoder, refit, said = fitted(world, project, dict(QUICK, encoder="lm", policy="shaped"))[1:]
    assert encoder == "lm" and refit["policy"] == "shaped" and "0 were cached" in said[0]
