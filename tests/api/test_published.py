"""From comparisons to groups: a real worker, and everything that a published fit shows."""
import json
import subprocess

import psycopg2
import pytest

import sse
from daemon import new_project
from service import Service, problem
from test_contract import COMPARISONS, FITS, JOBS, PROJECT
from tokens import token_of

GROUPS = PROJECT + "/groups"
PATIENCE = 600  # seconds; a sanitised fit takes its time


@pytest.fixture(scope="module")
def fitted(start_daemon, cluster, migrated_template, program):
    """A project of the demo population with a fit, and how to make another."""
    daemon = start_daemon(cluster.create(migrated_template), workers=1).ready()
    service = Service(daemon, token_of(daemon))
    new_project(daemon.database, "demo")
    population = subprocess.run([program, "demo"], check=True, capture_output=True, timeout=120).stdout
    sent = service.post(COMPARISONS, data=population, media="application/x-ndjson", project="demo")
    assert sent.status_code == 201
    before = service.get(PROJECT + "/win-rates", project="demo")
    assert before.json()["status"] == "insufficient_data"

    def fit(**options):
        made = service.post(FITS, {"k_max": 3, "permutations": 0, "restarts": 2, **options}, project="demo").json()
        state = lambda: service.get(JOBS + "/{job}", project="demo", job=made["job"]).json()["state"]
        daemon.wait(lambda: state() not in ("queued", "running"), "the fit", PATIENCE)
        assert state() == "done", service.get(JOBS + "/{job}/log", project="demo", job=made["job"]).text
        return made["id"]

    service.fit = fit
    service.first = fit()
    service.before = before
    yield service
    assert daemon.stop() == 0


def win_rates_change(service, etag):
    """The document once it is another than that of `etag`; the daemon hears of it by a notification."""
    found = []

    def is_new():
        found[:] = [service.get(PROJECT + "/win-rates", project="demo", headers={"If-None-Match": etag})]
        return found[0].status_code == 200

    service.daemon.wait(is_new, "new win rates")
    return found[0]


def members(value, at=""):
    """Paths of all members, elements of lists as one, with the JSON types of their values."""
    if isinstance(value, dict):
        return {(at, "object")}.union(*(members(v, f"{at}/{k}") for k, v in value.items()))
    if isinstance(value, list):
        return {(at, "list")}.union(*(members(v, at + "[]") for v in value))
    return {(at, "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__)}


def test_the_command_line_tells_of_a_fit_by_the_same_names(fitted, program, tmp_path):
    population = subprocess.run([program, "demo"], check=True, capture_output=True, timeout=120).stdout
    done = subprocess.run([program, "fit", "--json", "--k-max", "3", "--permutations", "0", "--restarts", "2", "-"],
                          input=population, check=True, capture_output=True, timeout=PATIENCE)
    printed = json.loads(done.stdout)
    only_there = {name: printed.pop(name) for name in ("memberships", "tied", "trace")}
    shown = fitted.get(FITS + "/{fit}", project="demo", fit=fitted.first).json()
    assert members(printed) <= members(shown)
    of_the_service = {"id", "job", "state", "created_at", "published_at", "is_published", "options", "watermark",
                      "data_digest", "lineage_events", "groups"}
    assert shown.keys() - printed.keys() == of_the_service - {"groups"}
    assert shown["groups"][0].keys() - printed["groups"][0].keys() == {"id", "name", "colour", "fit", "stability",
                                                                        "first_seen_at"}
    assert (printed["k"], printed["verdict"]) == (shown["k"], shown["verdict"])
    membership = fitted.get(PROJECT + "/memberships", project="demo").json()["items"][0]
    assert only_there["memberships"][0].keys() - membership.keys() == {"ordinal"}


def test_what_happened_is_told_in_order(fitted):
    url = fitted.url + PROJECT.format(project="demo") + "/events?after=0"
    found = sse.events(url, fitted.token, until=lambda found: any(
        kind == "job" and data["fit"] == fitted.first and data["state"] == "done" for kind, _, data in found))
    states = [data["state"] for kind, _, data in found if kind == "job" and data["fit"] == fitted.first]
    assert states == ["queued", "running", "done"]
    told, = [data for kind, _, data in found if kind == "fit"]
    shown = fitted.get(FITS + "/{fit}", project="demo", fit=fitted.first).json()
    assert (told["fit"], told["k"], told["verdict"]) == (shown["id"], shown["k"], shown["verdict"])
    groups = [data for kind, _, data in found if kind == "group"]
    assert [{name: g[name] for name in ("before", "after", "share")} | {"kind": g["change"]} for g in groups] == [
        {name: e[name] for name in ("before", "after", "share", "kind")} for e in shown["lineage_events"]]
    assert {g["fit"] for g in groups} <= {fitted.first}


def test_groups_are_shown_and_named(fitted):
    groups = fitted.get(GROUPS, project="demo").json()
    assert groups["fit"] == fitted.first and len(groups["items"]) >= 1
    first = groups["items"][0]
    assert fitted.get(GROUPS + "/{group}", project="demo", group=first["id"]).json() == first
    named = fitted.patch(GROUPS + "/{group}", {"name": "Short and plain"}, project="demo", group=first["id"])
    assert named.status_code == 200 and named.json()["name"] == "Short and plain"
    assert fitted.get(GROUPS, project="demo").json()["items"][0]["name"] == "Short and plain"


def test_memberships_are_shown(fitted):
    page = fitted.get(PROJECT + "/memberships", project="demo", query={"limit": 2}).json()
    assert len(page["items"]) == 2 and page["next_cursor"]
    assert abs(sum(page["items"][0]["posterior"]) - 1) < 1e-3


def test_the_fit_tells_its_evidence(fitted):
    fit = fitted.get(FITS + "/{fit}", project="demo", fit=fitted.first).json()
    assert fit["state"] == "done" and fit["is_published"] and fit["k"] == len(fit["groups"]) and fit["evidence"]
    assert all(group["summary"]["calibration"]["group"]["nll"] > 0 for group in fit["groups"])


def test_win_rates_come_from_memory_and_change_with_the_fit(fitted):
    reply = win_rates_change(fitted, fitted.before.headers["ETag"])
    assert reply.json()["fit_id"] == fitted.first and reply.json()["win_rates"]
    etag = reply.headers["ETag"]
    assert fitted.get(PROJECT + "/win-rates", project="demo", headers={"If-None-Match": etag}).status_code == 304
    second = fitted.fit(seed=5)
    changed = win_rates_change(fitted, etag)
    assert changed.json()["fit_id"] == second
    back = fitted.post(FITS + "/{fit}/publish", project="demo", fit=fitted.first)
    assert back.status_code == 200 and back.json()["is_published"]
    again = fitted.get(PROJECT + "/win-rates", project="demo", headers={"If-None-Match": changed.headers["ETag"]})
    assert again.status_code == 200 and again.json()["fit_id"] == fitted.first


def test_a_response_is_selected(fitted):
    """Scores anchored among the candidates, every objective, the same choice for the same request."""
    select = PROJECT + "/select"
    ask = {"prompt": "Why is the sky blue?", "responses": ["Scattering.", "Because short waves of light are scattered more "
           "than long ones by the molecules of the air, in every direction.", "It reflects the sea, which is blue."]}
    groups = fitted.get(GROUPS, project="demo").json()
    chosen = fitted.post(select, ask, project="demo").json()
    assert chosen["objective"] == "maxmin" and chosen["fit"] == groups["fit"]
    assert [g["id"] for g in chosen["groups"]] == [g["id"] for g in groups["items"]]
    rows = [c["scores"] for c in chosen["candidates"]]
    assert len(rows) == 3 and all(abs(sum(column)) < 1e-9 for column in zip(*rows))  # centred
    assert min(rows[chosen["choice"]]) == max(map(min, rows))
    assert [g["score"] for g in chosen["groups"]] == rows[chosen["choice"]]
    for objective in ("single", "average", "nash", "alpha", "maxmin_argmin", "min_per_sample", "regret", "maxmin"):
        drawn = fitted.post(select, {**ask, "objective": objective, "anchor": "win", "beta": 0.1, "seed": 4}, project="demo")
        assert abs(sum(c["probability"] for c in drawn.json()["candidates"]) - 1) < 1e-9 and drawn.json()["gap"] < 1e-6
        again = fitted.post(select, {**ask, "objective": objective, "anchor": "win", "beta": 0.1, "seed": 4}, project="demo")
        assert again.json() == drawn.json()
    chat = {**ask, "prompt": [{"role": "user", "content": ask["prompt"]}]}
    assert fitted.post(select, chat, project="demo").json() == chosen


def test_a_selection_is_refused_with_its_reason(fitted):
    select = PROJECT + "/select"
    ask = {"prompt": "Why?", "responses": ["So.", "Thus."]}
    problem(fitted.post(select, {**ask, "responses": ["So."]}, project="demo"), 422, "invalid_value", "/responses")
    problem(fitted.post(select, {**ask, "objective": "most"}, project="demo"), 422, "invalid_value", "/objective")
    problem(fitted.post(select, {**ask, "beta": 0.0001}, project="demo"), 422, "invalid_value", "/beta")
    problem(fitted.post(select, {**ask, "min_group_size": 100000}, project="demo"), 409, "insufficient_data")
    fitted.post("/v1/projects", {"name": "unfitted"})
    problem(fitted.post(select, ask, project="unfitted"), 409, "not_ready")


def test_a_selection_follows_the_published_fit(fitted):
    select = PROJECT + "/select"
    ask = {"prompt": "Why?", "responses": ["So.", "Thus."]}
    before = fitted.post(select, ask, project="demo").json()["fit"]
    third = fitted.fit(seed=6)
    assert third != before
    fitted.daemon.wait(lambda: fitted.post(select, ask, project="demo").json()["fit"] == third, "the new fit")


def of_another_encoder(model):
    """The bytes of a fit's model, saying that it scores the states of a language model."""
    changed, total = model[:12] + bytes([1]) + model[13:-8], 0xcbf29ce484222325
    for byte in changed:
        total = (total ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return changed + total.to_bytes(8, "little")


def test_a_selection_needs_no_language_model(fitted):
    ask = {"prompt": "Why?", "responses": ["So.", "Thus."]}
    publish = lambda: fitted.post(FITS + "/{fit}/publish", project="demo", fit=fitted.first)
    connection = psycopg2.connect(fitted.daemon.database)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT model FROM fit WHERE id = %s", (fitted.first,))
        model = bytes(cursor.fetchone()[0])
        store = lambda bytes: cursor.execute("UPDATE fit SET model = %s WHERE id = %s", (bytes, fitted.first))
        store(of_another_encoder(model))
        assert publish().status_code == 200
        problem(fitted.post(PROJECT + "/select", ask, project="demo"), 409, "not_ready")
        store(model)
    connection.close()
    assert publish().status_code == 200
    assert fitted.post(PROJECT + "/select", ask, project="demo").status_code == 200


def test_a_fit_leaves_judges_out(fitted):
    show = lambda fit: fitted.get(FITS + "/{fit}", project="demo", fit=fit).json()
    everybody, part = show(fitted.first), show(fitted.fit(k=2, held_out_annotators=0.3))
    assert 0 < part["annotators"] < everybody["annotators"] and part["comparisons"] < everybody["comparisons"]
    assert part["options"]["held_out_annotators"] == 0.3
