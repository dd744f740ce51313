"""Policies from outside: which folders may be registered, what may be deleted, what completions ask for. Jobs do not run
here; where a policy must be ready, the test writes what its job would have written."""
import json
import os
import pathlib
import uuid

import psycopg2
import pytest

from service import problem

PROJECT = "/v1/projects/{project}"
POLICIES = PROJECT + "/policies"
POLICY = POLICIES + "/{policy}"
COMPLETIONS = POLICY + "/completions"
JOB = PROJECT + "/jobs/{job}"


def sql(service, statement, *values):
    connection = psycopg2.connect(service.daemon.database)
    with connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall() if cursor.description else None
    connection.close()
    return rows


@pytest.fixture(scope="module")
def models(shared):
    folder = shared.daemon.folder / "data" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def checkpoint(parent, name):
    """A folder that looks like a model's."""
    folder = parent / name
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return str(folder)


def register(shared, project, models, name, **more):
    folder = checkpoint(models, f"{project}-{name}")
    reply = shared.post(POLICIES, {"name": name, "folder": folder, **more}, project=project)
    assert reply.status_code == 202, reply.text
    return reply.json()


def end_job(shared, job, state="done"):
    sql(shared, "UPDATE job SET state = %s, lease_token = NULL WHERE id = %s", state, job)


def make_ready(shared, policy):
    sql(shared, "UPDATE policy SET ready_at = now(), digest = sha256('x'), family = 'gpt2', parameters = 7, bytes = 9 "
                "WHERE id = %s", policy["id"])
    end_job(shared, policy["job"])


def ready(shared, project, models, name, **more):
    policy = register(shared, project, models, name, **more)
    make_ready(shared, policy)
    return policy


def test_register_get_and_list(shared, project, models):
    first = register(shared, project, models, "base", recipe={"made_by": "hand"})
    assert (first["state"], first["recipe"], first["parent"], first["digest"]) == ("making", {"made_by": "hand"}, None, None)
    second = register(shared, project, models, "tuned.v2", parent="base")
    assert second["parent"] == first["id"]
    for name in ("base", first["id"], first["id"].upper()):
        assert shared.get(POLICY, project=project, policy=name).json() == first
    problem(shared.get(POLICY, project=project, policy="none"), 404, "not_found")
    page = shared.get(POLICIES, project=project, query={"limit": 1}).json()
    assert page["items"] == [second] and page["next_cursor"] == second["id"]
    rest = shared.get(POLICIES, project=project, query={"cursor": page["next_cursor"]}).json()
    assert rest == {"items": [first], "next_cursor": None}
    job = shared.get(JOB, project=project, job=second["job"]).json()
    assert (job["kind"], job["policy"], job["options"]["parent"]) == ("register", second["id"], "base")
    make_ready(shared, first)
    shown = shared.get(POLICY, project=project, policy="base").json()
    assert shown["state"] == "ready" and len(shown["digest"]) == 64 and shown["parameters"] == 7
    end_job(shared, second["job"], "failed")
    assert shared.get(POLICY, project=project, policy="tuned.v2").json()["state"] == "failed"


def test_asking_again_is_the_same_and_another_is_a_conflict(shared, project, models):
    first = register(shared, project, models, "one")
    body = {"name": "one", "folder": first["folder"]}
    again = shared.post(POLICIES, body, project=project)
    assert again.status_code == 200 and again.json() == first
    problem(shared.post(POLICIES, dict(body, recipe={"a": 1}), project=project), 409, "conflict")
    problem(shared.post(POLICIES, dict(body, folder=checkpoint(models, f"{project}-other")), project=project), 409,
            "conflict")


def test_through_the_door_of_all_jobs(shared, project, models):
    options = {"name": "by-job", "folder": checkpoint(models, f"{project}-by-job")}
    made = shared.post(PROJECT + "/jobs", {"kind": "register", "options": options}, project=project)
    assert made.status_code == 202 and made.json()["policy"]
    operator = shared.post("/v1/tokens", {"role": "operator", "name": "o"}).json()["token"]
    reply = shared.with_token(operator).post(PROJECT + "/jobs", {"kind": "register", "options": options}, project=project)
    problem(reply, 403, "forbidden")
    problem(shared.post(PROJECT + "/jobs", {"kind": "register", "options": {"name": "x", "folder": "/"}}, project=project),
            422, "invalid_value", "/options/folder")
    problem(shared.post(PROJECT + "/jobs", {"kind": "complete", "options": {"policy": "none", "prompts": ["x"]}},
                        project=project), 422, "unknown_reference", "/options/policy")


@pytest.mark.parametrize("name", ["-x", "a b", "a/b", "..", "0198c0de-0000-7000-8000-00000000000a", "ä"])
def test_names_that_are_refused(shared, project, models, name):
    reply = shared.post(POLICIES, {"name": name, "folder": str(models)}, project=project)
    problem(reply, 422, "invalid_value", "/name")


def test_folders_that_are_refused(shared, project, models, tmp_path):
    outside = checkpoint(tmp_path, "outside")
    inside = models / f"{project}-links"
    inside.mkdir()
    os.symlink(outside, inside / "whole")
    leaky = models / f"{project}-leaky"
    checkpoint(models, leaky.name)
    os.symlink("/etc/hostname", leaky / "model.safetensors")
    dangling = models / f"{project}-dangling"
    checkpoint(models, dangling.name)
    os.symlink("nowhere", dangling / "vocab.json")
    own = models / "policies" / project
    own.mkdir(parents=True)
    (own / "config.json").write_text("{}")
    empty = models / f"{project}-empty"
    empty.mkdir()
    (models / f"{project}-file").write_text("x")
    for folder, words in {"models/x": "absolute", str(models / "none"): "No such file", outside: "policy_folders",
                          str(inside / "whole"): "policy_folders", str(models) + "/../../..": "policy_folders",
                          "/": "policy_folders", str(leaky): "leads out", str(dangling): "leads nowhere",
                          str(own): "policies and jobs of its own", str(empty): "config.json",
                          str(models / f"{project}-file"): "folder"}.items():
        reply = shared.post(POLICIES, {"name": "x", "folder": folder}, project=project)
        assert words in problem(reply, 422, "invalid_value", "/folder")["detail"], folder


def leads_out(models, folder, outside):
    (folder / "a" / "b").mkdir(parents=True)
    os.symlink("/etc/hostname", folder / "a" / "b" / "model.safetensors")


def leads_out_by_folders(models, folder, outside):
    """A link to an allowed folder, in which a link leads on to one that is not."""
    aside = models / f"{folder.name}-aside"
    aside.mkdir()
    os.symlink(outside, aside / "on")
    (folder / "a").mkdir()
    os.symlink(aside, folder / "a" / "aside")


def leads_into_the_services_own(models, folder, outside):
    made = models / "jobs" / folder.name
    made.mkdir(parents=True)
    (made / "x").write_text("x")
    (folder / "a").mkdir()
    os.symlink(made / "x", folder / "a" / "x")


def goes_round(models, folder, outside):
    (folder / "a" / "b").mkdir(parents=True)
    os.symlink(folder / "a", folder / "a" / "b" / "up")


def goes_round_by_itself(models, folder, outside):
    os.symlink("loop", folder / "loop")


def is_deep(models, folder, outside):
    (folder / "/".join("123456789")).mkdir(parents=True)


def branches(models, folder, outside):
    """Eight folders, of which each has six links to the next: no circle, and 6^7 ways through."""
    stages = [models / f"{folder.name}-{n}" for n in range(7)]
    for n, stage in enumerate(stages):
        stage.mkdir()
        if n:
            for k in range(6):
                os.symlink(stage, stages[n - 1] / str(k))
    os.symlink(stages[0], folder / "first")


def has_a_pipe(models, folder, outside):
    (folder / "a").mkdir()
    os.mkfifo(folder / "a" / "model.safetensors")


@pytest.mark.parametrize("tree, words", [
    (leads_out, "leads out"), (leads_out_by_folders, "leads out"), (leads_into_the_services_own, "leads out"),
    (goes_round, "leads to a folder that it lies in"), (goes_round_by_itself, "leads nowhere"),
    (is_deep, "nested deeper"), (branches, "more files"), (has_a_pipe, "neither a file nor a folder"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_hostile_trees_are_refused(shared, project, models, tmp_path, tree, words):
    folder = pathlib.Path(checkpoint(models, f"{project}-tree"))
    tree(models, folder, checkpoint(tmp_path, "outside"))
    reply = shared.post(POLICIES, {"name": "x", "folder": str(folder)}, project=project)
    assert words in problem(reply, 422, "invalid_value", "/folder")["detail"]


def test_folders_in_folders_are_no_offence(shared, project, models):
    folder, aside = (pathlib.Path(checkpoint(models, f"{project}-{name}")) for name in ("nested", "aside"))
    (folder / "/".join("12345678")).mkdir(parents=True)
    os.symlink(aside, folder / "1" / "aside")
    os.symlink(aside, folder / "again")
    reply = shared.post(POLICIES, {"name": "x", "folder": str(folder)}, project=project)
    assert reply.status_code == 202, reply.text


def test_links_within_the_roots_are_followed(start_daemon, cluster, migrated_template, tmp_path):
    import service as client
    from tokens import token_of
    blobs, other = tmp_path / "blobs", tmp_path / "other"
    blobs.mkdir()
    other.mkdir()
    (blobs / "abc").write_text("{}")
    snapshot = other / "snapshot"
    snapshot.mkdir()
    os.symlink(blobs / "abc", snapshot / "config.json")
    os.symlink(snapshot, tmp_path / "latest")
    daemon = start_daemon(cluster.create(migrated_template), "--policy-folders", f"{other}:{blobs}:{tmp_path}/none").ready()
    service = client.Service(daemon, token_of(daemon))
    service.post("/v1/projects", {"name": "p"})
    made = service.post(POLICIES, {"name": "x", "folder": str(tmp_path / "latest")}, project="p").json()
    assert made["folder"] == os.path.realpath(snapshot)
    assert daemon.stop() == 0


def test_a_parent_must_be_there(shared, project, models):
    folder = checkpoint(models, f"{project}-child")
    reply = shared.post(POLICIES, {"name": "x", "folder": folder, "parent": "none"}, project=project)
    problem(reply, 422, "unknown_reference", "/parent")


def test_delete(shared, project, models):
    policy = register(shared, project, models, "doomed")
    assert "that makes it" in problem(shared.delete(POLICY, project=project, policy="doomed"), 409, "conflict")["detail"]
    make_ready(shared, policy)
    job = shared.post(COMPLETIONS, {"prompts": ["x"]}, project=project, policy="doomed").json()
    assert job["id"] in problem(shared.delete(POLICY, project=project, policy="doomed"), 409, "conflict")["detail"]
    end_job(shared, job["id"], "cancelled")
    assert shared.delete(POLICY, project=project, policy="doomed").status_code == 204
    assert shared.delete(POLICY, project=project, policy=policy["id"]).status_code == 204
    shown = shared.get(POLICY, project=project, policy="doomed").json()
    assert shown["state"] == "deleted" and shown["folder"] == policy["folder"]
    problem(shared.post(COMPLETIONS, {"prompts": ["x"]}, project=project, policy="doomed"), 409, "not_ready")
    problem(shared.post(POLICIES, {"name": "doomed", "folder": policy["folder"]}, project=project), 409, "conflict")


def test_what_was_never_ready_is_gone_when_deleted(shared, project, models):
    policy = register(shared, project, models, "typo")
    child = register(shared, project, models, "child", parent="typo")
    end_job(shared, policy["job"], "failed")
    assert "child" in problem(shared.delete(POLICY, project=project, policy="typo"), 409, "conflict")["detail"]
    end_job(shared, child["job"], "failed")
    assert shared.delete(POLICY, project=project, policy="child").status_code == 204
    assert shared.delete(POLICY, project=project, policy="typo").status_code == 204
    problem(shared.get(POLICY, project=project, policy="typo"), 404, "not_found")
    again = shared.post(POLICIES, {"name": "typo", "folder": policy["folder"]}, project=project)
    assert again.status_code == 202


def test_the_published_fit_keeps_its_policy(shared, project, models):
    policy = ready(shared, project, models, "encoder")
    fit = shared.post(PROJECT + "/fits", {}, project=project).json()
    sql(shared, "INSERT INTO job_policy (job_id, policy_id) VALUES (%s, %s)", fit["job"], policy["id"])
    end_job(shared, fit["job"])
    sql(shared, "UPDATE project SET published_fit = %s WHERE name = %s", fit["id"], project)
    assert fit["id"] in problem(shared.delete(POLICY, project=project, policy="encoder"), 409, "conflict")["detail"]
    sql(shared, "UPDATE project SET published_fit = NULL WHERE name = %s", project)
    assert shared.delete(POLICY, project=project, policy="encoder").status_code == 204


def test_nothing_is_asked_for_twice_in_one_job(shared, project):
    items = [shared.post(PROJECT + "/items", {"prompt": text}, project=project).json()["id"] for text in "ab"]
    unknown = str(uuid.uuid4())

    def ask(kind, **options):
        return shared.post(PROJECT + "/jobs", {"kind": kind, "options": {"policy": "none", **options}}, project=project)

    problem(ask("ppo", name="n", items=[*items, items[0].upper()]), 422, "invalid_value", "/options/items/2")
    for kind in ("complete", "evaluate"):
        problem(ask(kind, prompts=["x", "y", "x"]), 422, "invalid_value", "/options/prompts/2")
        prompts = [{"item": item} for item in [*items, items[1]]]
        problem(ask(kind, prompts=prompts), 422, "invalid_value", "/options/prompts/2")
    problem(ask("evaluate", prompts=["x", {"item": unknown}]), 422, "unknown_reference", "/options/prompts/1/item")


def test_completions_are_a_job(shared, project, models):
    policy = ready(shared, project, models, "sampler")
    item = shared.post(PROJECT + "/items", {"prompt": [{"role": "user", "content": "Why?"}]}, project=project).json()
    prompts = ["Why is the sky blue?", {"item": item["id"]}]
    reply = shared.post(COMPLETIONS, {"prompts": prompts, "samples": 3, "temperature": 0.5, "seed": 7}, project=project,
                        policy="sampler")
    assert reply.status_code == 202
    job = reply.json()
    assert reply.headers["Location"] == f"/v1/projects/{project}/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["policy"]) == ("complete", "queued", None)
    assert job["options"] == {"prompts": prompts, "samples": 3, "max_tokens": 256, "temperature": 0.5, "top_k": 0,
                              "top_p": 1, "seed": 7, "policy": "sampler"}
    reads = sql(shared, "SELECT policy_id::text FROM job_policy WHERE job_id = %s", job["id"])
    assert reads == [(policy["id"],)]
    seeds = {shared.post(COMPLETIONS, {"prompts": ["x"]}, project=project, policy=policy["id"]).json()["options"]["seed"]
             for _ in range(3)}
    assert len(seeds) == 3 and max(seeds) < 2 ** 48


@pytest.mark.parametrize("change, code, pointer", [
    ({"prompts": []}, "invalid_value", "/prompts"),
    ({"prompts": [""]}, "invalid_value", "/prompts/0"),
    ({"prompts": [3]}, "invalid_value", "/prompts/0"),
    ({"prompts": [{"item": "x"}]}, "invalid_value", "/prompts/0/item"),
    ({"prompts": ["x", {"item": str(uuid.uuid4())}]}, "unknown_reference", "/prompts/1/item"),
    ({"prompts": ["x", "y", "x"]}, "invalid_value", "/prompts/2"),
    ({"samples": 17}, "invalid_value", "/samples"),
    ({"max_tokens": 0}, "invalid_value", "/max_tokens"),
    ({"temperature": -1}, "invalid_value", "/temperature"),
    ({"top_p": 0}, "invalid_value", "/top_p"),
    ({"policy": "other"}, "unknown_member", "/policy"),
])
def test_completions_that_are_refused(shared, project, models, change, code, pointer):
    ready(shared, project, models, "sampler")
    reply = shared.post(COMPLETIONS, {"prompts": ["x"], **change}, project=project, policy="sampler")
    problem(reply, 422, code, pointer)


def test_completions_of_what_is_not_ready(shared, project, models):
    register(shared, project, models, "young")
    problem(shared.post(COMPLETIONS, {"prompts": ["x"]}, project=project, policy="young"), 409, "not_ready")
    problem(shared.post(COMPLETIONS, {"prompts": ["x"]}, project=project, policy="none"), 404, "not_found")


def test_many_prompts_fit_into_one_body(shared, project, models):
    ready(shared, project, models, "sampler")
    body = {"prompts": [f"Question {i}?" for i in range(256)], "samples": 16}
    job = shared.post(COMPLETIONS, body, project=project, policy="sampler").json()
    assert job["options"]["prompts"] == body["prompts"]
    body["prompts"].append("one more")
    problem(shared.post(COMPLETIONS, body, project=project, policy="sampler"), 422, "invalid_value", "/prompts")
    assert len(json.dumps(body)) < 262144


def make_rewards(shared, project, models, name, fit):
    """A ready policy that is a set of reward models for the groups of a fit, as far as the database tells."""
    policy = ready(shared, project, models, name)
    sql(shared, "UPDATE policy SET role = 'reward', recipe = jsonb_build_object('fit', %s) WHERE id = %s", fit, policy["id"])
    return policy


def test_reward_models_are_no_policy(shared, project, models):
    def ask(kind, **options):
        return shared.post(PROJECT + "/jobs", {"kind": kind, "options": options}, project=project)

    writer = ready(shared, project, models, "writer")
    rewards = make_rewards(shared, project, models, "rm", str(uuid.uuid4()))
    assert (writer["role"], shared.get(POLICY, project=project, policy="rm").json()["role"]) == ("policy", "reward")
    for role, wanted in (("policy", [writer["id"]]), ("reward", [rewards["id"]])):
        page = shared.get(POLICIES, project=project, query={"role": role}).json()
        assert [p["id"] for p in page["items"]] == wanted and page["next_cursor"] is None
    problem(shared.get(POLICIES, project=project, query={"role": "judge"}), 400, "invalid_request")
    for name in ("rm", rewards["id"]):
        for kind, member, options in (
                ("sft", "policy", {"name": "x", "policy": name, "data": "preferred"}),
                ("rebase", "policy", {"name": "x", "policy": name}),
                ("ppo", "policy", {"name": "x", "policy": name}),
                ("evaluate", "policy", {"policy": name, "against": "writer"}),
                ("evaluate", "against", {"policy": "writer", "against": name}),
                ("complete", "policy", {"policy": name, "prompts": ["x"]}),
                ("fit", "policy", {"encoder": "lm", "policy": name}),
                ("register", "parent", {"name": "x", "folder": checkpoint(models, f"{project}-{uuid.uuid4()}"), "parent": name})):
            problem(ask(kind, **options), 422, "invalid_value", f"/options/{member}")
        problem(shared.post(PROJECT + "/fits", {"encoder": "lm", "policy": name}, project=project), 422, "invalid_value",
                "/policy")
        problem(shared.post(COMPLETIONS, {"prompts": ["x"]}, project=project, policy=name), 409, "conflict")
    assert shared.delete(POLICY, project=project, policy="rm").status_code == 204


def test_a_rebase_and_an_lm_fit_name_what_is_there(shared, project, models):
    def ask(kind, **options):
        return shared.post(PROJECT + "/jobs", {"kind": kind, "options": options}, project=project)

    problem(ask("rebase", name="shaped", policy="nowhere"), 422, "unknown_reference", "/options/policy")
    ready(shared, project, models, "base")
    problem(ask("rebase", name="shaped", policy="base"), 409, "not_ready")  # nothing is published
    problem(ask("rebase", name="shaped", policy="base", fit=str(uuid.uuid4())), 422, "unknown_reference", "/options/fit")
    for kind in ("rebase", "reward"):
        problem(ask(kind, name="-", policy="base"), 422, "invalid_value", "/options/name")
    problem(ask("reward", name="shaped", policy="nowhere"), 422, "unknown_reference", "/options/policy")
    problem(ask("reward", name="shaped", policy="base"), 409, "not_ready")
    problem(ask("reward", name="shaped", policy="base", fit=str(uuid.uuid4())), 422, "unknown_reference", "/options/fit")
    problem(ask("fit", encoder="lm"), 422, "invalid_value", "/options/policy")
    problem(ask("fit", encoder="lm", policy="nowhere"), 409, "not_ready")
    problem(shared.post(PROJECT + "/fits", {"encoder": "lm", "policy": "nowhere"}, project=project), 409, "not_ready")
    reply = ask("fit", encoder="lm", policy="base")
    assert reply.status_code == 202 and reply.json()["options"] == {"encoder": "lm", "policy": "base"}
    fit = reply.json()["fit"]
    reply = ask("rebase", name="shaped", policy="base", fit=fit, epochs=2)
    assert reply.status_code == 202 and reply.json()["options"]["fit"] == fit and reply.json()["policy"]
    reply = ask("reward", name="rm", policy="base", fit=fit, iterations=2, start="round_robin")
    assert reply.status_code == 202 and reply.json()["kind"] == "reward"
    made = shared.get(POLICY, project=project, policy="rm").json()
    assert (made["id"], made["role"], made["state"]) == (reply.json()["policy"], "reward", "making")
    assert made["recipe"] == {"name": "rm", "policy": "base", "fit": fit, "iterations": 2, "start": "round_robin"}
    again = ask("reward", name="rm", policy="base", fit=fit, iterations=2, start="round_robin")
    assert again.status_code == 200 and again.json()["id"] == reply.json()["id"]
    problem(ask("rebase", name="rm", policy="base", fit=fit), 409, "conflict")
