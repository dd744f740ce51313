"""Each resource from outside: what it takes, what it gives, and what stands in the document."""
import json
import subprocess
import urllib.parse
import uuid

import jsonschema
import pytest
import requests

from daemon import new_token
from service import Service, problem

PROJECT = "/v1/projects/{project}"
ITEMS = PROJECT + "/items"
COMPARISONS = PROJECT + "/comparisons"
COMPARISON = COMPARISONS + "/{comparison}"
FITS = PROJECT + "/fits"
JOBS = PROJECT + "/jobs"


def judgement(annotator="ann-1", outcome="a", **more):
    return {"annotator": annotator, "prompt": "Why is the sky blue?", "a": {"text": "Scattering.", "policy": "one"},
            "b": {"text": "It reflects the sea.", "policy": "two"}, "outcome": outcome, **more}


def test_public_operations(shared):
    anonymous = shared.with_token(None)
    assert anonymous.get("/healthz").json() == {"status": "alive"}
    assert anonymous.get("/readyz").json() == {"status": "ready"}
    assert set(anonymous.get("/version").json()) == {"version", "revision"}
    metrics = anonymous.get("/metrics")
    assert "egalign_http_requests_total " in metrics.text and metrics.headers["Content-Type"].startswith("text/plain")
    document = anonymous.get("/openapi.json")
    assert document.json()["openapi"] == "3.1.0"
    again = anonymous.get("/openapi.json", headers={"If-None-Match": document.headers["ETag"]})
    assert again.status_code == 304 and again.content == b""


def test_the_command_prints_the_same_document(shared, program):
    printed = subprocess.run([program, "openapi"], check=True, capture_output=True, text=True, timeout=30).stdout
    assert json.loads(printed) == shared.document


def test_the_document_is_complete(shared):
    seen = set()
    for method, path, operation in shared.operations():
        assert operation["operationId"] not in seen and operation["summary"].endswith(".")
        seen.add(operation["operationId"])
        body = operation.get("requestBody")
        if body:
            content = body["content"]["application/json"]
            jsonschema.Draft202012Validator.check_schema(content["schema"])
            jsonschema.Draft202012Validator(content["schema"]).validate(content["example"])
        for parameter in operation["parameters"]:
            assert parameter["in"] != "path" or "{%s}" % parameter["name"] in path
    for name, schema in shared.document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert len(seen) >= 38


def test_projects(shared):
    made = shared.post("/v1/projects", {"name": "pilot", "title": "Pilot", "fit_options": {"k_max": 3}})
    assert made.status_code == 201 and made.headers["Location"] == "/v1/projects/pilot"
    assert made.json()["fit_options"] == {"k_max": 3} and made.json()["published_fit"] is None
    same = shared.post("/v1/projects", {"name": "pilot", "title": "Pilot", "fit_options": {"k_max": 3}})
    assert same.status_code == 200 and same.json() == made.json()
    problem(shared.post("/v1/projects", {"name": "pilot", "title": "Another"}), 409, "conflict")
    changed = shared.patch(PROJECT, {"title": "Second", "refit_after_comparisons": 50}, project="pilot").json()
    assert (changed["title"], changed["refit_after_comparisons"], changed["fit_options"]) == ("Second", 50, {"k_max": 3})
    assert shared.get(PROJECT, project="pilot").json() == changed
    problem(shared.get(PROJECT, project="no-such"), 404, "not_found")
    problem(shared.get(PROJECT, project="No Such\u00e9"), 404, "not_found")


def test_pages_follow_their_links(service):
    names = [f"page-{i:02}" for i in range(7)]
    for name in reversed(names):
        service.post("/v1/projects", {"name": name})
    found = []
    reply = service.get("/v1/projects", query={"limit": 3})
    while True:
        found += [p["name"] for p in reply.json()["items"]]
        link = reply.links.get("next")
        assert bool(link) == (reply.json()["next_cursor"] is not None)
        if not link:
            break
        target = urllib.parse.urlsplit(link["url"])
        reply = service.get(target.path, query=dict(urllib.parse.parse_qsl(target.query)))
        assert len(reply.json()["items"]) <= 3
    assert found == names


def test_items(shared, project):
    body = {"prompt": "Say hello.", "responses": [{"text": "Hello.", "policy": "one"}, {"text": "Hi!"}]}
    made = shared.post(ITEMS, body, project=project)
    assert made.status_code == 201 and len(made.json()["responses"]) == 2
    more = shared.post(ITEMS, {"prompt": "Say hello.", "responses": [{"text": "Hey."}, {"text": "Hi!"}]}, project=project)
    assert more.status_code == 200 and more.json()["id"] == made.json()["id"] and len(more.json()["responses"]) == 3
    assert shared.get(ITEMS + "/{item}", project=project, item=made.json()["id"]).json() == more.json()
    chat = [{"role": "user", "content": "Hello?"}]
    talk = shared.post(ITEMS, {"prompt": chat, "responses": []}, project=project)
    assert talk.status_code == 201 and talk.json()["prompt"] == chat
    assert len(shared.get(ITEMS, project=project).json()["items"]) == 2
    problem(shared.get(ITEMS + "/{item}", project=project, item=uuid.uuid4()), 404, "not_found")
    problem(shared.get(ITEMS + "/{item}", project=project, item="not-an-id"), 404, "not_found")


def test_put_is_new_then_replayed_then_a_conflict(shared, project):
    key = str(uuid.uuid4())
    first = shared.put(COMPARISON, judgement(), project=project, comparison=key)
    assert first.status_code == 201 and first.json()["id"] == key and first.json()["replayed"] is False
    again = shared.put(COMPARISON, judgement(), project=project, comparison=key)
    assert again.status_code == 200 and again.json() == {**first.json(), "replayed": True}
    problem(shared.put(COMPARISON, judgement(outcome="b"), project=project, comparison=key), 409, "conflict")
    stored = shared.get(COMPARISON, project=project, comparison=key)
    assert stored.json()["outcome"] == "a"
    problem(shared.put(COMPARISON, judgement(), project=project, comparison="seven"), 400, "invalid_request")
    problem(shared.put(COMPARISON, judgement(id=str(uuid.uuid4())), project=project, comparison=key), 422, "invalid_value", "/id")


def test_post_with_a_key_is_stored_once(shared, project):
    headers = {"Idempotency-Key": "form 7, ann-1"}
    first = shared.post(COMPARISONS, judgement(), project=project, headers=headers)
    assert first.status_code == 201 and first.headers["Location"].endswith(first.json()["id"])
    again = shared.post(COMPARISONS, judgement(), project=project, headers=headers)
    assert again.status_code == 200 and again.json()["id"] == first.json()["id"]
    problem(shared.post(COMPARISONS, judgement(outcome="tie"), project=project, headers=headers), 409, "conflict")
    without = shared.post(COMPARISONS, judgement(), project=project)
    assert without.status_code == 201 and without.json()["id"] != first.json()["id"]
    problem(shared.post(COMPARISONS, judgement(), project=project, headers={"Idempotency-Key": "k" * 256}), 400, "invalid_request")


FULL = {"strength": 3, "reasons": ["clearer", 'quotes " and \\ and {commas, }'], "shown_first": "b", "duration_ms": 8400,
        "created_at": "2026-03-01T09:30:00.250000Z", "meta": {"batch": "pilot", "n": [1, 2.5, None]}}


@pytest.mark.parametrize("more", [
    {"outcome": "a", **FULL}, {"outcome": "b", "strength": 1}, {"outcome": "tie", "reasons": []}, {"outcome": "both_bad"},
    {"outcome": "skip", "skip_reason": "I do not know the subject \u2014 at all \U0001f937"},
])
def test_everything_that_was_said_comes_back(shared, project, more):
    body = judgement(annotator="Zo\u00eb", **more)
    made = shared.post(COMPARISONS, body, project=project).json()
    stored = shared.get(COMPARISON, project=project, comparison=made["id"], query={"inline": "true"}).json()
    for name in ("annotator", "prompt", "outcome"):
        assert stored[name] == body[name]
    for name in FULL:
        assert stored[name] == body.get(name) or (name == "reasons" and not body.get(name) and not stored[name])
    assert stored["skip_reason"] == body.get("skip_reason")
    assert {k: stored["a"][k] for k in ("text", "policy")} == body["a"] and stored["a"]["id"] == made["a"]
    brief = shared.get(COMPARISON, project=project, comparison=made["id"]).json()
    assert (brief["a"], brief["b"], brief["item"]) == (made["a"], made["b"], made["item"])


def test_a_comparison_may_name_an_item(shared, project):
    item = shared.post(ITEMS, {"prompt": "p", "responses": [{"text": "x"}, {"text": "y"}]}, project=project).json()
    a, b = (r["id"] for r in item["responses"])
    body = {"annotator": "n", "item": item["id"], "a": a, "b": b, "outcome": "b"}
    assert shared.post(COMPARISONS, body, project=project).status_code == 201
    problem(shared.post(COMPARISONS, {**body, "item": str(uuid.uuid4())}, project=project), 422, "unknown_reference")
    problem(shared.post(COMPARISONS, {**body, "b": str(uuid.uuid4())}, project=project), 422, "unknown_reference")
    problem(shared.post(COMPARISONS, {**body, "b": a}, project=project), 422, "invalid_value", "/b")


def test_undo_supersedes_and_removes_nothing(shared, project):
    made = shared.post(COMPARISONS, judgement(), project=project).json()
    undone = shared.post(COMPARISON + "/undo", project=project, comparison=made["id"])
    assert undone.status_code == 200 and undone.json()["retracted_at"]
    again = shared.post(COMPARISON + "/undo", project=project, comparison=made["id"])
    assert again.json() == undone.json()
    problem(shared.post(COMPARISON + "/undo", project=project, comparison=uuid.uuid4()), 404, "not_found")
    assert len(shared.get(COMPARISONS, project=project).json()["items"]) == 1


def test_annotators_with_their_counts(shared, project):
    for outcome in ("a", "a", "tie"):
        shared.post(COMPARISONS, judgement("counted", outcome), project=project)
    page = shared.get(PROJECT + "/annotators", project=project).json()["items"]
    assert [n["name"] for n in page] == ["counted"] and page[0]["comparisons"] == 3
    one = shared.get(PROJECT + "/annotators/{annotator}", project=project, annotator=page[0]["id"]).json()
    assert one == page[0] and one["by_outcome"] == {"a": 2, "b": 0, "tie": 1, "both_bad": 0, "skip": 0}
    problem(shared.get(PROJECT + "/annotators/{annotator}", project=project, annotator=uuid.uuid4()), 404, "not_found")


def test_comparisons_are_listed_in_order_of_arrival(shared, project):
    made = [shared.post(COMPARISONS, judgement(f"ann-{i}"), project=project).json()["id"] for i in range(5)]
    first = shared.get(COMPARISONS, project=project, query={"limit": 2, "inline": "true"}).json()
    assert [c["id"] for c in first["items"]] == made[:2] and first["items"][0]["prompt"]
    rest = shared.get(COMPARISONS, project=project, query={"limit": 10, "cursor": first["next_cursor"]}).json()
    assert [c["id"] for c in rest["items"]] == made[2:] and rest["next_cursor"] is None


def test_fits_and_jobs(shared, project):
    shared.post(COMPARISONS, judgement(), project=project)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    made = shared.post(FITS, {"k_max": 2, "seed": 3}, project=project, headers={"traceparent": trace})
    assert made.status_code == 202 and made.json()["state"] == "queued"
    assert shared.get(made.headers["Location"].replace(project, "{project}").replace(made.json()["id"], "{fit}"),
                      project=project, fit=made.json()["id"]).json() == made.json()
    same = shared.post(FITS, {"seed": 3, "k_max": 2}, project=project)
    assert same.status_code == 200 and same.json()["id"] == made.json()["id"]
    assert [f["id"] for f in shared.get(FITS, project=project).json()["items"]] == [made.json()["id"]]
    job = made.json()["job"]
    assert shared.get(JOBS + "/{job}", project=project, job=job).json()["options"] == {"seed": 3, "k_max": 2}
    problem(shared.post(FITS + "/{fit}/publish", project=project, fit=made.json()["id"]), 409, "not_ready")
    problem(shared.post(JOBS + "/{job}/retry", project=project, job=job), 409, "conflict")
    cancelled = shared.post(JOBS + "/{job}/cancel", project=project, job=job)
    assert cancelled.status_code == 200 and cancelled.json()["state"] == "cancelled"
    problem(shared.post(JOBS + "/{job}/cancel", project=project, job=job), 409, "conflict")
    assert shared.get(JOBS, project=project, query={"state": "cancelled"}).json()["items"][0]["id"] == job
    retried = shared.post(JOBS + "/{job}/retry", project=project, job=job)
    assert retried.status_code == 202 and retried.json()["state"] == "queued"
    with_job = shared.post(JOBS, {"kind": "fit", "options": {"seed": 3, "k_max": 2}}, project=project)
    assert with_job.status_code == 200 and with_job.json()["id"] == job
    other = shared.post(JOBS, {"kind": "fit", "options": {"seed": 4}}, project=project)
    assert other.status_code == 202
    problem(shared.post(JOBS, {"kind": "train"}, project=project), 422, "invalid_value", "/kind")
    problem(shared.post(FITS, {"k": 4, "k_max": 2}, project=project), 422, "invalid_value")
    shared.post(JOBS + "/{job}/cancel", project=project, job=job)
    shared.post(JOBS + "/{job}/cancel", project=project, job=other.json()["id"])


def test_a_fit_may_be_asked_for_without_a_body(shared, project):
    made = shared.post(FITS, project=project)
    assert made.status_code == 202 and made.json()["options"] == {}
    shared.post(JOBS + "/{job}/cancel", project=project, job=made.json()["job"])


def test_the_log_of_a_job(shared, project):
    job = shared.post(FITS, project=project).json()["job"]
    log = JOBS + "/{job}/log"
    assert isinstance(shared.get(log, project=project, job=job).json()["items"], list)
    shared.post(JOBS + "/{job}/cancel", project=project, job=job)
    stream = shared.get(log, project=project, job=job, query={"follow": "true"})
    assert stream.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in stream.text.splitlines() if line]
    assert lines == shared.get(log, project=project, job=job).json()["items"]
    problem(shared.get(log, project=project, job=job, query={"cursor": "x"}), 400, "invalid_request")
    problem(shared.get(log, project=project, job=uuid.uuid4()), 404, "not_found")


def test_before_the_first_fit_dashboards_get_a_state(shared, project):
    assert shared.get(PROJECT + "/groups", project=project).json()["items"] == []
    assert shared.get(PROJECT + "/memberships", project=project).json()["items"] == []
    reply = shared.get(PROJECT + "/win-rates", project=project)
    assert reply.json()["status"] == "insufficient_data" and reply.headers["ETag"].startswith('"')
    again = shared.get(PROJECT + "/win-rates", project=project, headers={"If-None-Match": reply.headers["ETag"]})
    assert again.status_code == 304 and again.headers["ETag"] == reply.headers["ETag"]
    assert shared.get(PROJECT + "/win-rates", project=project, headers={"If-None-Match": '"else", W/"other"'}).status_code == 200
    problem(shared.get(PROJECT + "/groups/{group}", project=project, group=uuid.uuid4()), 404, "not_found")
    problem(shared.patch(PROJECT + "/groups/{group}", {"name": "x"}, project=project, group=uuid.uuid4()), 404, "not_found")


def test_tokens(shared, project):
    made = shared.post("/v1/tokens", {"role": "viewer", "name": "dashboard", "project": project})
    assert made.status_code == 201
    token = made.json()["token"]
    assert token.startswith(made.json()["prefix"]) and made.json()["project"] == project
    viewer = shared.with_token(token)
    assert viewer.get(PROJECT, project=project).status_code == 200  # it works at once
    listed = shared.get("/v1/tokens", query={"limit": 1000}).json()["items"]
    mine = [t for t in listed if t["id"] == made.json()["id"]]
    assert len(mine) == 1 and "token" not in mine[0]
    assert shared.delete("/v1/tokens/{token}", token=made.json()["id"]).status_code == 204
    problem(viewer.get(PROJECT, project=project), 401, "unauthenticated")
    assert shared.delete("/v1/tokens/{token}", token=made.json()["id"]).status_code == 204
    problem(shared.delete("/v1/tokens/{token}", token=uuid.uuid4()), 404, "not_found")
    problem(shared.post("/v1/tokens", {"role": "viewer", "name": "x", "project": "no-such"}), 422, "unknown_reference", "/project")
    assert shared.post("/v1/tokens", {"role": "viewer", "name": "x", "project": None, "expires_at": None}).status_code == 201


def test_head_is_get_without_a_body(shared, project):
    for path in ("/healthz", "/openapi.json", f"/v1/projects/{project}"):
        headers = {"Authorization": f"Bearer {shared.token}"}
        get = requests.get(shared.url + path, headers=headers, timeout=30)
        head = requests.head(shared.url + path, headers=headers, timeout=30)
        assert (head.status_code, head.content) == (200, b"") and head.headers["Content-Length"] == get.headers["Content-Length"]


def test_methods_that_a_path_lacks(shared, project):
    headers = {"Authorization": f"Bearer {shared.token}"}
    reply = requests.delete(f"{shared.url}/v1/projects/{project}", headers=headers, timeout=30)
    problem(reply, 405, "method_not_allowed")
    assert set(reply.headers["Allow"].split(", ")) == {"GET", "HEAD", "PATCH"}
    options = requests.options(f"{shared.url}/v1/projects/{project}", timeout=30)
    assert options.status_code == 204 and options.headers["Allow"] == reply.headers["Allow"]
    problem(requests.get(shared.url + "/v1/nothing", timeout=30), 404, "not_found")


def test_request_ids(shared):
    given = requests.get(shared.url + "/healthz", headers={"X-Request-Id": "front-7.abc_1"}, timeout=30)
    assert given.headers["X-Request-Id"] == "front-7.abc_1"
    for bad in ("has space", "x" * 65, "semi;colon"):
        made = requests.get(shared.url + "/healthz", headers={"X-Request-Id": bad}, timeout=30).headers["X-Request-Id"]
        assert made != bad and uuid.UUID(made)


def test_cross_origin_calls_by_exact_origin(start_daemon, database):
    daemon = start_daemon(database, "--cors-origins", "https://front.example, https://other.example:8443").ready()
    url = daemon.url + "/v1/projects"
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for origin, allowed in (("https://front.example", True), ("https://other.example:8443", True),
                            ("https://other.example", False), ("https://front.example.evil", False), ("null", False)):
        reply = requests.options(url, headers={"Origin": origin, **preflight}, timeout=30)
        assert reply.status_code == 204 and reply.headers["Vary"] == "Origin"
        assert (reply.headers.get("Access-Control-Allow-Origin") == origin) == allowed
        get = requests.get(daemon.url + "/healthz", headers={"Origin": origin}, timeout=30)
        assert ("Access-Control-Allow-Origin" in get.headers) == allowed
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert daemon.stop() == 0


def test_a_token_has_its_requests_a_minute(start_daemon, database):
    token = new_token(database)
    daemon = start_daemon(database, "--rate-limit-per-minute", "5").ready()
    service = Service(daemon, token)
    replies = [service.get("/v1/projects") for _ in range(11)]  # a new minute may begin once in between
    limited = [r for r in replies if r.status_code == 429]
    assert limited and replies[0].status_code == 200
    problem(limited[0], 429, "rate_limited")
    assert limited[0].headers["Retry-After"] and ";r=0;" in limited[0].headers["RateLimit"]
    assert limited[0].headers["RateLimit-Policy"] == '"token";q=5;w=60'
    assert daemon.stop() == 0
