"""Every operation of the document with every kind of token: 401, 403 and 404 where they belong, and nowhere else."""
import json
import subprocess
import uuid

import pytest
import requests

from service import problem
from tokens import token_of

RANK = {"annotator": 0, "viewer": 1, "operator": 2, "admin": 3}


@pytest.fixture(scope="module")
def world(shared):
    """Two projects, and tokens of every kind; names by what they are."""
    for name in ("mine", "theirs"):
        shared.post("/v1/projects", {"name": name})
    ids = {p["name"]: p["id"] for p in shared.get("/v1/projects", query={"limit": 1000}).json()["items"]}
    tokens = {role: shared.post("/v1/tokens", {"role": role, "name": role, "project": "mine"}).json()["token"] for role in RANK}
    tokens["other project"] = shared.post("/v1/tokens", {"role": "admin", "name": "x", "project": "theirs"}).json()["token"]
    revoked = shared.post("/v1/tokens", {"role": "admin", "name": "x"}).json()
    shared.delete("/v1/tokens/{token}", token=revoked["id"])
    tokens["revoked"] = revoked["token"]
    tokens["expired"] = token_of(shared.daemon, project=ids["mine"], expires="2020-01-01T00:00:00Z")
    tokens["mistyped"] = tokens["admin"][:-1] + ("A" if tokens["admin"][-1] != "A" else "B")
    tokens["foreign"] = "Basic dXNlcjpwYXNz"
    tokens["none"] = None
    return tokens


def secured(service):
    return [(m, p, o) for m, p, o in service.operations() if o["security"]]


def attempt(service, method, path, operation):
    """The operation on things that are not there, in project `mine`, with its example as body."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
    names = {p["name"]: "mine" if p["name"] == "project" else str(uuid.uuid4()) for p in operation["parameters"]
             if p["in"] == "path"}
    if path == "/v1/projects" and body:
        body = {"name": f"made-{uuid.uuid4().hex[:12]}"}
    return service.call(method, path, body, **names)


@pytest.mark.parametrize("kind", ["none", "revoked", "expired", "mistyped"])
def test_whoever_has_no_token(shared, world, kind):
    for method, path, operation in secured(shared):
        reply = attempt(shared.with_token(world[kind]), method, path, operation)
        problem(reply, 401, "unauthenticated")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_another_scheme(shared, world):
    reply = shared.with_token(None).get("/v1/projects", headers={"Authorization": world["foreign"]})
    problem(reply, 401, "unauthenticated")


def test_a_token_of_another_project_sees_nothing(shared, world):
    tried = 0
    for method, path, operation in secured(shared):
        if "{project}" in path:
            problem(attempt(shared.with_token(world["other project"]), method, path, operation), 404, "not_found")
            tried += 1
    assert tried > 25
    listed = shared.with_token(world["other project"]).get("/v1/projects").json()["items"]
    assert [p["name"] for p in listed] == ["theirs"]


@pytest.mark.parametrize("role", RANK)
def test_roles(shared, world, role):
    refused = 0
    for method, path, operation in secured(shared):
        reply = attempt(shared.with_token(world[role]), method, path, operation)
        if RANK[role] < RANK[operation["x-least-role"]]:
            problem(reply, 403, "forbidden")
            refused += 1
        elif "{project}" in path:
            assert reply.status_code not in (401, 403), (path, reply.text)
    assert refused > 0 or role == "admin"


def test_an_admin_of_one_project_does_not_rule_the_others(shared, world):
    scoped = shared.with_token(world["admin"])
    problem(scoped.post("/v1/projects", {"name": "a-third"}), 403, "forbidden")
    problem(scoped.post("/v1/tokens", {"role": "admin", "name": "x"}), 403, "forbidden")
    problem(scoped.post("/v1/tokens", {"role": "viewer", "name": "x", "project": "theirs"}), 422, "unknown_reference", "/project")
    problem(scoped.get("/v1/tokens"), 403, "forbidden")
    problem(scoped.delete("/v1/tokens/{token}", token=uuid.uuid4()), 403, "forbidden")
    assert scoped.post("/v1/tokens", {"role": "viewer", "name": "x", "project": "mine"}).status_code == 201


def test_an_operator_makes_no_tokens(shared, world):
    problem(shared.with_token(world["operator"]).post("/v1/tokens", {"role": "admin", "name": "x"}), 403, "forbidden")


def test_tokens_are_not_in_the_log_nor_in_the_database(shared, world, cluster):
    shared.get("/v1/projects", query={"cursor": world["admin"][:40]})
    log = shared.daemon.log.read_text()
    secret = world["admin"][13:]
    assert "GET /v1/projects" in log and secret not in log and "cursor=" not in log
    rows = json.dumps(cluster.sql("SELECT t::text FROM token t", shared.daemon.database.rsplit("dbname=", 1)[1]))
    assert world["admin"][:6] in rows and secret not in rows


def test_a_token_works_the_moment_it_is_made(start_daemon, cluster, migrated_template, program):
    """The command line makes it behind the daemon's back; who has it may be faster than the news of it."""
    daemon = start_daemon(cluster.create(migrated_template)).ready()
    for _ in range(5):
        made = subprocess.run([program, "token", "create", "--role", "viewer", "--database-url", daemon.database],
                              check=True, capture_output=True, text=True, timeout=60).stdout.strip()
        reply = requests.get(daemon.url + "/v1/projects", headers={"Authorization": f"Bearer {made}"}, timeout=30)
        assert reply.status_code == 200, reply.text
    assert daemon.stop() == 0
