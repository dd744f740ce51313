"""Policies from a directory to responses that people can compare: register and complete jobs through a running service,
directories that are broken or hostile, and completions whose process is killed."""
import json
import math
import os
import pathlib
import shutil
import signal
import subprocess
import time

import psycopg2
import pytest
import requests

from daemon import new_project, new_token

PATIENCE = 300  # seconds until a wait is given up; nothing is judged by how long it took
ENDED = ("done", "failed", "cancelled")


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    pytest.fail(f"waited in vain for {what}")


@pytest.fixture(scope="module")
def checkpoint(program, tmp_path_factory):
    """A model from nothing, its tokenizer, and a template: trained for a moment."""
    folder = tmp_path_factory.mktemp("train")
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"count to {n}", "response": "one " * n}) + "\n" for n in range(1, 9)) * 20)
    subprocess.run([program, "train", "sft", "--data", data, "--out", folder / "out", "--new", "3x96", "--vocabulary", "300",
                    "--context", "160", "--batch-tokens", "256", "--steps", "2", "--threads", "1"],
                   check=True, capture_output=True, timeout=300)
    return folder / "out"


class Place:
    """A running service with one worker, a project, and folders to register from."""

    def __init__(self, daemon, url):
        self.daemon, self.url = daemon, url
        self.models = daemon.folder / "data" / "models"
        self.models.mkdir(parents=True, exist_ok=True)
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer " + new_token(url)
        new_project(url, "p")

    def call(self, method, path, body=None):
        reply = self.session.request(method, self.daemon.url + path, json=body, timeout=60)
        return reply.status_code, reply.json() if reply.content else None

    def sql(self, statement, *values):
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def job(self, job, *states):
        """The job, once it is in one of the states."""
        def there():
            found = self.call("GET", f"/v1/projects/p/jobs/{job}")[1]
            return found if found["state"] in (states or ENDED) else None
        return until(there, f"job {job} to be {states or ENDED}")

    def folder(self, name, checkpoint):
        return shutil.copytree(checkpoint, self.models / name, ignore=shutil.ignore_patterns("checkpoint-*", "data.*"))

    def register(self, name, folder):
        """(policy, its ended job)"""
        status, policy = self.call("POST", "/v1/projects/p/policies", {"name": name, "folder": str(folder)})
        assert status == 202, policy
        job = self.job(policy["job"])
        return self.call("GET", f"/v1/projects/p/policies/{name}")[1], job

    def complete(self, name, **options):
        status, job = self.call("POST", f"/v1/projects/p/policies/{name}/completions", options)
        assert status == 202, job
        return job["id"]

    def responses(self, item):
        return self.call("GET", f"/v1/projects/p/items/{item}")[1]["responses"]

    def items(self):
        found, cursor = [], ""
        while cursor is not None:
            page = self.call("GET", f"/v1/projects/p/items?limit=1000{cursor}")[1]
            found += page["items"]
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
        return found

    def children(self, pid):
        return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def run_job(self):
        """Process of the job that runs."""
        for worker in self.children(self.daemon.process.pid):
            for child in self.children(worker):
                if b"run-job" in pathlib.Path(f"/proc/{child}/cmdline").read_bytes():
                    return child
        return None


@pytest.fixture(scope="module")
def place(start_daemon, cluster, migrated_template):
    url = cluster.create(migrated_template)
    daemon = start_daemon(url, "--schedule-poll-seconds", "1", workers=1).ready()
    yield Place(daemon, url)
    assert daemon.stop() == 0


@pytest.fixture(scope="module")
def tiny(place, checkpoint):
    """A ready policy."""
    policy, job = place.register("tiny", place.folder("tiny", checkpoint))
    assert job["state"] == "done", job
    return policy


def test_a_directory_becomes_a_policy(place, tiny, checkpoint, program):
    facts = json.loads(subprocess.run([program, "info", checkpoint, "--json"], check=True, capture_output=True).stdout)
    assert (tiny["state"], tiny["family"], tiny["parameters"]) == ("ready", facts["family"], facts["parameters"])
    assert len(tiny["digest"]) == 64 and tiny["bytes"] > 4 * tiny["parameters"]
    other, _ = place.register("copy", place.folder("copy", checkpoint))
    assert other["digest"] == tiny["digest"]
    folder = place.folder("changed", checkpoint)
    (folder / "egalign.json").write_text('{"prompt_template": "Q: {prompt} A:"}')
    changed, _ = place.register("changed", folder)
    assert changed["state"] == "ready" and changed["digest"] != tiny["digest"]


def truncate(folder):
    os.truncate(folder / "model.safetensors", 1000)


def claim_more(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_layer": 2 ** 30, "num_hidden_layers": 2 ** 30}))


def no_tokenizer(folder):
    for name in ("tokenizer.json", "vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)


def bad_tokenizer(folder):
    (folder / "tokenizer.json").write_text('{"model": {"type": "WordPiece"}}')


def not_json(folder):
    (folder / "config.json").write_text("[" * 100000)


def bad_template(folder):
    (folder / "egalign.json").write_text('{"prompt_template": "no place for it"}')


def link_out(folder):
    """After it was asked for: only the job can see it."""
    (folder / "merges.txt").unlink(missing_ok=True)
    (folder / "merges.txt").symlink_to("/etc/hostname")


@pytest.mark.parametrize("damage", [truncate, claim_more, no_tokenizer, bad_tokenizer, not_json, bad_template])
def test_directories_that_are_broken(place, checkpoint, damage):
    name = damage.__name__.replace("_", "-")
    folder = place.folder(name, checkpoint)
    damage(folder)
    policy, job = place.register(name, folder)
    assert job["state"] == "failed" and policy["state"] == "failed" and policy["digest"] is None
    assert job["error"]["code"] in ("bad_file", "invalid_value") and job["error"]["message"]
    assert len(job["attempts"]) == 1
    assert place.call("DELETE", f"/v1/projects/p/policies/{name}")[0] == 204
    assert folder.is_dir()


def test_a_link_made_later_is_refused_by_the_job(place, checkpoint):
    folder = place.folder("later", checkpoint)
    truncate(folder)
    policy, job = place.register("later", folder)
    link_out(folder)
    assert place.call("POST", f"/v1/projects/p/jobs/{job['id']}/retry")[0] == 202
    job = place.job(policy["job"])
    assert job["state"] == "failed" and "leads out" in job["error"]["message"]


def test_responses_appear_and_can_be_compared(place, tiny):
    messages = place.call("POST", "/v1/projects/p/items", {"prompt": [{"role": "user", "content": "count to 3"}]})[1]
    talk = place.call("POST", "/v1/projects/p/items", {"prompt": [{"role": "user", "content": "Hello"},
                                                                  {"role": "assistant", "content": "Yes?"},
                                                                  {"role": "user", "content": "count"}]})[1]
    job = place.job(place.complete("tiny", prompts=["count to 3", {"item": messages["id"]}, {"item": talk["id"]}],
                                   samples=4, max_tokens=12, seed=5))
    assert job["state"] == "done", job
    assert job["metrics"]["completions"] == 12 and job["metrics"]["tokens_per_second"] > 0
    plain = [i for i in place.items() if i["prompt"] == "count to 3"]
    assert len(plain) == 1
    texts = {r["text"] for r in plain[0]["responses"]}
    assert len(texts) == len(plain[0]["responses"]) >= 2
    assert {r["policy"] for r in plain[0]["responses"]} == {"tiny"}
    # a single message is taken as its content, so the same seed gives the same texts
    assert {r["text"] for r in place.responses(messages["id"])} == texts
    samples = place.call("GET", f"/v1/projects/p/jobs/{job['id']}/samples")[1]["items"]
    assert [(s["step"], s["line"]) for s in samples] == [(step, line) for step in range(3) for line in range(4)]
    assert samples[8]["prompt"] == "User: Hello\n\nAssistant: Yes?\n\nUser: count"
    assert {s["figures"]["seed"] for s in samples} == {5}
    by_id = {r["id"]: r["text"] for r in plain[0]["responses"]}
    assert all(by_id[s["figures"]["response"]] == s["response"] for s in samples[:4])
    ids = sorted(by_id)
    status, recorded = place.call("POST", "/v1/projects/p/comparisons",
                                  {"annotator": "ann", "item": plain[0]["id"], "a": ids[0], "b": ids[1], "outcome": "a"})
    assert status == 201, recorded


def test_a_sample_depends_on_seed_prompt_and_number_only(place, tiny):
    def texts(prompts, samples, seed):
        job = place.job(place.complete("tiny", prompts=prompts, samples=samples, max_tokens=8, seed=seed))
        rows = place.call("GET", f"/v1/projects/p/jobs/{job['id']}/samples?limit=1000")[1]["items"]
        return {(prompts[row["step"]], row["line"]): row["response"] for row in rows}
    alone = texts(["count to 7"], 2, 11)
    among = texts([f"count to {n}" for n in range(40)], 3, 11)
    assert len(among) == 120 and all(among[key] == text for key, text in alone.items())
    assert texts(["count to 7"], 2, 12) != alone


def test_a_prompt_that_does_not_fit_fails_the_job(place, tiny):
    job = place.job(place.complete("tiny", prompts=["short", "count " * 200]))
    assert job["state"] == "failed" and "prompt 1 has" in job["error"]["message"]


def deep_model(folder, layers):
    """A small LLaMA of zeros whose keys and values of many long sequences are large: 268 MB a layer here."""
    width, inner, vocabulary = 256, 32, json.loads((folder / "config.json").read_text())["vocab_size"]
    matrices = {"self_attn.q_proj": (width, width), "self_attn.k_proj": (width, width), "self_attn.v_proj": (width, width),
                "self_attn.o_proj": (width, width), "mlp.gate_proj": (inner, width), "mlp.up_proj": (inner, width),
                "mlp.down_proj": (width, inner), "input_layernorm": (width,), "post_attention_layernorm": (width,)}
    shapes = {f"model.layers.{n}.{name}.weight": shape for n in range(layers) for name, shape in matrices.items()}
    shapes |= {"model.embed_tokens.weight": (vocabulary, width), "model.norm.weight": (width,)}
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(at))
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "vocab_size": vocabulary, "max_position_embeddings": 8192, "hidden_size": width,
        "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 4,
        "hidden_act": "silu", "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": True,
        "bos_token_id": 0, "eos_token_id": 0}))


def test_what_does_not_fit_is_refused_before_it_is_sampled(place, checkpoint):
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    layers = memory // (64 * 4096 * 256 * 2 * 4) + 1
    if layers > 1000:
        pytest.skip("no model of at most 1024 layers needs more memory than this machine has")
    folder = place.folder("deep", checkpoint)
    deep_model(folder, layers)
    policy, job = place.register("deep", folder)
    assert policy["state"] == "ready", job
    large = {"prompts": ["a", "b", "c", "d"], "samples": 16}
    job = place.job(place.complete("deep", max_tokens=4096, **large))
    assert (job["state"], job["error"]["code"]) == ("failed", "out_of_memory"), job
    assert "sampling 64 responses of up to 4096 tokens at once" in job["error"]["message"]
    assert "GB of memory, and the machine has" in job["error"]["message"] and job["stage"] == "loading"
    job = place.job(place.complete("deep", max_tokens=1, **large))
    assert job["state"] == "done", job


def test_a_changed_checkpoint_is_not_sampled(place, checkpoint):
    folder = place.folder("moving", checkpoint)
    place.register("moving", folder)
    (folder / "egalign.json").write_text('{"prompt_template": "{prompt}"}')
    job = place.job(place.complete("moving", prompts=["x"]))
    assert job["state"] == "failed" and job["error"]["code"] == "bad_file" and "changed" in job["error"]["message"]


def test_kill_9_leaves_no_response_twice(place, tiny, checkpoint):
    prompts = [f"list {n} things" for n in range(64)]
    options = {"prompts": prompts, "samples": 4, "max_tokens": 60, "seed": 3}
    whole = place.job(place.complete("tiny", **options))
    assert whole["state"] == "done"
    place.register("twin", place.folder("twin", checkpoint))
    job = place.complete("twin", **options)
    stored = lambda: place.sql("SELECT count(*) FROM job_sample WHERE job_id = %s", job)[0][0]
    for attempt in range(2):
        before = stored()
        until(lambda: stored() > before, "some samples to be stored")
        victim = place.run_job()
        assert victim and stored() < 256
        os.kill(victim, signal.SIGKILL)
        until(lambda: place.sql("SELECT attempts FROM job WHERE id = %s", job)[0][0] > attempt + 1, "another attempt")
    ended = place.job(job)
    assert ended["state"] == "done" and [a["attempt"] for a in ended["attempts"]] == [1, 2, 3]
    assert stored() == 256
    def tagged(policy):
        return place.sql("SELECT i.prompt, r.text FROM response r JOIN item i ON i.id = r.item_id "
                         "WHERE r.policy = %s AND i.prompt LIKE 'list %%' ORDER BY 1, 2", policy)
    assert tagged("twin") == tagged("tiny")
    assert len(set(tagged("twin"))) == len(tagged("twin"))


def test_files_of_a_deleted_policy(place, tiny, checkpoint):
    """Only those that a job of the service made."""
    given, _ = place.register("given", place.folder("given", checkpoint))
    made, _ = place.register("made", place.folder("made", checkpoint))
    own = place.models / "policies" / made["id"]
    own.parent.mkdir(exist_ok=True)
    os.rename(made["folder"], own)
    place.sql("UPDATE policy SET folder = %s WHERE id = %s", str(own), made["id"])
    place.sql("UPDATE job SET kind = 'sft' WHERE id = %s", made["job"])  # as if training had made it
    for policy in (given, made):
        assert place.call("DELETE", f"/v1/projects/p/policies/{policy['name']}")[0] == 204
    until(lambda: place.call("GET", "/v1/projects/p/policies/made")[1]["folder"] is None, "the files to be removed")
    assert not own.exists() and pathlib.Path(given["folder"]).is_dir()
    assert place.call("GET", "/v1/projects/p/policies/given")[1]["folder"] == given["folder"]
