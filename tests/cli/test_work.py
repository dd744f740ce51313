"""`egalign work` and `egalign run-job`: real fits through the database, and what happens when processes die."""
import contextlib
import hashlib
import json
import math
import os
import pathlib
import signal
import subprocess
import time
import uuid

import psycopg2
import pytest

from daemon import new_project

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PATIENCE = 300  # seconds until a wait is given up; nothing is judged by how long it took
QUICK = {"k_max": 2, "restarts": 2, "permutations": 20}
SLOW = {"k_max": 4, "restarts": 20, "permutations": 5000, "iterations": 1000}  # is not over before it is killed


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    pytest.fail(f"waited in vain for {what}")


def alive(pid):
    """Running, and not only unburied."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


class World:
    """A database with projects, and the workers on it."""

    def __init__(self, program, url, demo):
        self.program, self.url, self.demo, self.workers = program, url, demo, []

    def sql(self, statement, *values):
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def query(self, name, *values):
        """One of the program's own queries, with values as SQL literals."""
        text = (ROOT / "src/store/sql" / f"{name}.sql").read_text()
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("PREPARE q AS " + text)
                marks = ", ".join(["%s"] * len(values))
                cursor.execute(f"EXECUTE q({marks})" if values else "EXECUTE q", values)
                return cursor.fetchall()
        finally:
            connection.close()

    def add(self, project, lines=None):
        text = self.demo if lines is None else b"".join(self.demo.splitlines(keepends=True)[slice(*lines)])
        new_project(self.url, project)
        subprocess.run([self.program, "import", "--project", project, "--database-url", self.url, "-"],
                       input=text, check=True, capture_output=True, timeout=120)
        [(found,)] = self.sql("SELECT id::text FROM project WHERE name = %s", project)
        return found

    def ask(self, project, options):
        """(fit, job) of a new fit."""
        [(fit, job, created, _)] = self.query("fit_ask", project, str(uuid.uuid4()), str(uuid.uuid4()), json.dumps(options),
                                              "0", None, None, None)
        assert created
        return fit, job

    def start(self, *options):
        process = subprocess.Popen([self.program, "work", "--database-url", self.url, "--job-lease-seconds", "3",
                                    "--schedule-poll-seconds", "1", *options], stderr=subprocess.PIPE, text=True)
        self.workers.append(process)
        return process

    def job(self, job):
        names = "state::text, stage, progress, error, attempts, failures"
        [row] = self.sql(f"SELECT {names} FROM job WHERE id = %s", job)
        return dict(zip(["state", "stage", "progress", "error", "attempts", "failures"], row))

    def until_state(self, job, *states):
        return until(lambda: (found := self.job(job)) and found["state"] in states and found, f"{states}")

    def until_busy(self, job, stages=("ridge", "groups", "permutation", "mixture")):
        until(lambda: self.job(job)["stage"] in stages, "the fit to be under way")

    def child(self, worker):
        children = pathlib.Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
        assert len(children) == 1
        return int(children[0])

    def reasons(self, job):
        return [r for (r,) in self.sql("SELECT reason FROM job_attempt WHERE job_id = %s ORDER BY attempt", job)]

    def document(self, fit):
        [(body, etag)] = self.sql("SELECT body, etag FROM win_rates WHERE fit_id = %s", fit)
        assert etag == '"' + hashlib.sha256(body.encode()).hexdigest() + '"'
        return json.loads(body)

    def groups(self, fit):
        """{lineage: set of annotator names}"""
        rows = self.sql("SELECT g.lineage_id::text, a.name FROM membership m JOIN fit_group g USING (fit_id, ordinal) "
                        "JOIN annotator a ON a.id = m.annotator_id WHERE m.fit_id = %s", fit)
        found = {}
        for lineage, name in rows:
            found.setdefault(lineage, set()).add(name)
        return found

    def published_once(self, job, fit):
        assert self.sql("SELECT count(*) FROM fit WHERE published_at IS NOT NULL") == [(1,)]
        assert self.sql("SELECT count(*) FROM win_rates") == [(1,)]
        assert self.sql("SELECT published_fit FROM project p JOIN job j ON j.project_id = p.id WHERE j.id = %s", job) == [(fit,)]
        assert self.reasons(job)[-1].startswith("done: ")

    def end(self):
        for process in self.workers:
            if process.poll() is None:
                process.terminate()
        for process in self.workers:
            process.communicate(timeout=60)


@pytest.fixture(scope="session")
def population(program, tmp_path_factory):
    """The demo population, and who likes what in it."""
    key = tmp_path_factory.mktemp("demo") / "key.jsonl"
    lines = subprocess.run([program, "demo", "--key", key], capture_output=True, check=True, timeout=60).stdout
    tastes = {}
    for line in key.read_text().splitlines():
        entry = json.loads(line)
        tastes.setdefault(entry["group"], set()).add(entry["annotator"])
    return lines, tastes


@pytest.fixture
def world(program, database, population):
    made = World(program, database, population[0])
    yield made
    made.end()


def test_a_fit_is_published_whole(world, population):
    project = world.add("demo")
    fit, job = world.ask(project, dict(QUICK, seed=5))
    worker = world.start()
    world.until_state(job, "done")
    world.published_once(job, fit)
    assert world.job(job)["progress"] == 1
    groups = world.groups(fit)
    tastes = population[1]
    assert len(groups) == 2
    for members in groups.values():
        assert any(len(members & likes) >= 0.9 * len(members) for likes in tastes.values())
    [(k, verdict, seed, n, annotators, model)] = world.sql(
        "SELECT k, verdict, seed, comparisons, annotators, length(model) FROM fit WHERE id = %s", fit)
    assert (k, verdict, seed) == (2, "groups_found", 5)
    assert n == world.sql("SELECT count(*) FROM comparison WHERE outcome <> 'skip'")[0][0]
    assert annotators == world.sql("SELECT count(*) FROM membership")[0][0]
    assert model > 1000
    assert worker.poll() is None


def wilson(rate, n):
    z = 1.959963984540054
    middle, half = rate + z * z / (2 * n), z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def worth(people):
    """How many independent outcomes those of people, [[outcome]], are worth: by the analysis of variance."""
    n, k = sum(map(len, people)), len(people)
    if k < 2 or n == k:
        return k
    mean = sum(map(sum, people)) / n
    between = sum(len(p) * (sum(p) / len(p) - mean) ** 2 for p in people) / (k - 1)
    within = sum((x - sum(p) / len(p)) ** 2 for p in people for x in p) / (n - k)
    squares = sum(len(p) ** 2 for p in people) / n
    size = (n - squares) / (k - 1)
    alike = (between - within) / (between + (size - 1) * within) if within > 1e-12 else 1
    return n / (1 + (squares - 1) * min(1, max(0, alike)))


def check_interval(shown, people):
    assert shown["n"] == sum(map(len, people)) and shown["effective_n"] == pytest.approx(worth(people))
    low, high = wilson(shown["rate"], shown["effective_n"])
    assert (shown["low"], shown["high"]) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_the_win_rates_are_those_of_the_rows(world):
    project = world.add("demo")
    fit, job = world.ask(project, QUICK)
    world.start()
    world.until_state(job, "done")
    document = world.document(fit)
    assert document["status"] == "ok" and document["k"] == 2 and document["fit_id"] == fit
    assert document["policies"] == ["brief-1", "plain-1", "thorough-1"]
    small = min(document["groups"], key=lambda g: g["size"])
    assert [g["id"] for g in document["groups"] if g["worst_off"]] == [small["id"]]
    assert small["accuracy"]["group"]["rate"] > 0.7 > 0.5 > small["accuracy"]["single"]["rate"]
    rows = world.sql("""
        SELECT g.lineage_id::text, a.policy, b.policy, c.annotator_id::text,
               CASE c.outcome WHEN 'a' THEN 1.0 WHEN 'b' THEN 0.0 ELSE 0.5 END::double precision
        FROM (SELECT annotator_id, response_a, response_b, outcome::text FROM comparison UNION ALL
              SELECT annotator_id, response_b, response_a, translate(outcome::text, 'ab', 'ba') FROM comparison
              WHERE outcome IN ('a', 'b') UNION ALL
              SELECT annotator_id, response_b, response_a, outcome::text FROM comparison WHERE outcome IN ('tie', 'both_bad')
             ) c
        JOIN response a ON a.id = c.response_a JOIN response b ON b.id = c.response_b
        JOIN membership m ON m.annotator_id = c.annotator_id JOIN fit_group g USING (fit_id, ordinal)
        WHERE c.outcome <> 'skip' AND a.policy <> b.policy""")
    said = {}  # {(group, policy, opponent, or "" for all): {annotator: [outcome]}}
    for group, policy, opponent, annotator, outcome in rows:
        for against in (opponent, ""):
            said.setdefault((group, policy, against), {}).setdefault(annotator, []).append(outcome)
    assert {(w["group"], w["policy"], w["opponent"]) for w in document["win_rates"]} == {key for key in said if key[2]}
    assert any(w["effective_n"] < w["n"] for w in document["win_rates"])
    for w in document["win_rates"]:
        people = list(said[w["group"], w["policy"], w["opponent"]].values())
        assert (w["wins"], w["ties"]) == tuple(sum(p.count(x) for p in people) for x in (1, 0.5))
        assert w["rate"] == pytest.approx((w["wins"] + w["ties"] / 2) / w["n"])
        check_interval(w, people)
        assert 0 <= w["low"] < w["rate"] < w["high"] <= 1
    for worst in document["worst_off"]:
        rates = {}
        for w in document["win_rates"]:
            if w["policy"] == worst["policy"]:
                won, n = rates.get(w["group"], (0, 0))
                rates[w["group"]] = (won + w["wins"] + w["ties"] / 2, n + w["n"])
        least = min(rates, key=lambda g: rates[g][0] / rates[g][1])
        assert (worst["group"], worst["rate"]) == (least, pytest.approx(rates[least][0] / rates[least][1]))
        check_interval(worst, list(said[least, worst["policy"], ""].values()))


def test_too_little_data_is_an_answer(world):
    project = world.add("small", (0, 4))
    fit, job = world.ask(project, {})
    world.start()
    world.until_state(job, "done")
    document = world.document(fit)
    n = world.sql("SELECT count(*) FROM comparison WHERE outcome <> 'skip'")[0][0]
    assert document["status"] == "insufficient_data" and document["k"] == 0 and document["groups"] == []
    assert document["missing"]["comparisons"] == 10 - n
    assert world.sql("SELECT verdict, k FROM fit") == [("insufficient_data", 0)]


def judged(annotator, n, outcome="a", prompt="Which one?", a="yes", b="no"):
    """A line for egalign import: policy x's text against policy y's."""
    return {"annotator": annotator, "prompt": f"{prompt} {n}", "a": {"text": a, "policy": "x"},
            "b": {"text": b, "policy": "y"}, "outcome": outcome}


def lines_of(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_one_group_is_an_answer_and_keeps_its_identity(world):
    """Of everybody, also of those who have too few comparisons to be assigned; what is undone does not count."""
    people = [judged(f"p{h}", n, "b" if (h + n) % 3 == 0 else "a") for h in range(20) for n in range(4)]
    world.demo = lines_of(people[:60])
    project = world.add("short")
    world.start()
    first, job = world.ask(project, QUICK)
    world.until_state(job, "done")
    world.demo = lines_of(people)
    world.add("short")
    world.sql("INSERT INTO retraction (project_id, comparison_id) SELECT c.project_id, c.id FROM comparison c "
              "JOIN item i ON i.id = c.item_id WHERE i.prompt = 'Which one? 3'")
    second, job = world.ask(project, QUICK)
    world.until_state(job, "done")
    before, after = world.document(first), world.document(second)
    for document in before, after:
        assert document["status"] == "one_group_suffices" and document["k"] == 1
        assert document["unassigned"] == document["annotators"]
        assert not document["groups"][0]["worst_off"]
        assert {w["n"] for w in document["win_rates"]} == {document["comparisons"]}
    assert after["comparisons"] == world.sql("SELECT count(*) FROM comparison")[0][0] - 35
    assert world.sql("SELECT summary -> 'items', summary -> 'responses' FROM fit WHERE id = %s", second) == [(3, 6)]
    assert before["groups"][0]["id"] == after["groups"][0]["id"]
    assert world.sql("SELECT count(*) FROM lineage") == [(1,)]
    assert world.sql("SELECT stability FROM fit_group WHERE fit_id = %s", second) == [(1,)]


@pytest.mark.parametrize("outcome, texts, options", [
    ("tie", ("yes", "no"), {}),
    ("both_bad", ("yes", "no"), {"ties": "half"}),
    ("a", ("same", "same"), {}),
    ("a", ("", "..."), {}),
    ("a", ("yes", "no"), {}),
    ("a", ("yes", "no"), {"k": 12, "assignment": "hard"}),
    ("b", ("yes", "no"), {"k": 12, "min_group_size": 1, "iterations": 4}),
])
def test_degenerate_data_give_figures_that_are_numbers(world, outcome, texts, options):
    world.demo = lines_of(judged(f"p{h}", n % 2, outcome, a=texts[0], b=texts[1]) for h in range(3) for n in range(12))
    fit, job = world.ask(world.add("flat"), {"permutations": 0, **options})
    world.start()
    world.until_state(job, "done", "failed")
    document = world.document(fit)
    assert sum(g["weight"] for g in document["groups"]) == pytest.approx(1)
    assert 1 <= document["k"] == len(document["groups"]) <= 12
    [(stated,)] = world.sql("SELECT concat(evidence, summary, (SELECT json_agg(g.summary) FROM fit_group g)) FROM fit")
    assert "NaN" not in stated and "Infinity" not in stated
    members = world.sql("SELECT posterior FROM membership")
    assert len(members) == 3 and all(sum(p) == pytest.approx(1) for (p,) in members)
    for w in document["win_rates"]:
        expected = 0.5 if outcome in ("tie", "both_bad") else float((w["policy"] == "x") == (outcome == "a"))
        assert w["rate"] == expected and w["low"] <= expected <= w["high"]
    single = document["accuracy"]["single"]
    if outcome in ("tie", "both_bad"):
        assert single == {"n": 0, "effective_n": 0, "rate": None, "low": 0, "high": 1}
    elif texts[0] == texts[1]:
        assert single["rate"] == 0.5


@pytest.mark.parametrize("rows, missing", [
    ([judged("p", n) for n in range(12)], {"annotators": 1}),
    ([judged(f"p{n}", n, "skip") for n in range(12)], {"comparisons": 10, "annotators": 2}),
])
def test_one_annotator_and_nothing_but_skips_are_too_little(world, rows, missing):
    world.demo = lines_of(rows)
    fit, job = world.ask(world.add("less"), {})
    world.start()
    world.until_state(job, "done")
    document = world.document(fit)
    assert document["status"] == "insufficient_data" and document["missing"] == missing


def test_groups_keep_their_identity_when_data_come(world):
    project = world.add("demo", (0, 3000))
    first, job = world.ask(project, QUICK)
    world.start()
    world.until_state(job, "done")
    before = world.groups(first)
    colours = dict(world.sql("SELECT id::text, colour FROM lineage"))
    world.sql("UPDATE lineage SET name = 'the ' || colour")
    world.add("demo")
    second, job = world.ask(project, QUICK)
    world.until_state(job, "done")
    after = world.groups(second)
    assert before.keys() == after.keys()
    for lineage in before:
        assert len(before[lineage] & after[lineage]) > 0.8 * len(before[lineage])
    assert dict(world.sql("SELECT id::text, colour FROM lineage")) == colours
    assert all(s > 0.8 for (s,) in world.sql("SELECT stability FROM fit_group WHERE fit_id = %s", second))
    assert {g["name"] for g in world.document(second)["groups"]} == {"the 0", "the 1"}
    kinds = world.sql("SELECT kind, count(*) FROM lineage_event WHERE fit_id = %s GROUP BY 1", first)
    assert kinds == [("appeared", 2)]


def test_the_same_data_give_the_same_fit_whatever_the_threads(world):
    project = world.add("demo")
    world.sql("UPDATE project SET refit_after_comparisons = 0")
    figures = []
    for threads in ("1", "2"):
        fit, job = world.ask(project, QUICK)
        worker = world.start("--job-threads", threads)
        world.until_state(job, "done")
        worker.terminate()
        assert worker.wait(60) == 0
        figures += world.sql("SELECT evidence::text, summary::text, model, data_digest FROM fit WHERE id = %s", fit)
        figures[-1] = tuple(bytes(v) if isinstance(v, memoryview) else v for v in figures[-1])
        world.sql("UPDATE fit SET input_digest = 'asked before'")
    assert figures[0] == figures[1]


def test_options_that_are_not_acceptable_fail_the_job_with_a_pointer(world):
    project = world.add("demo", (0, 100))
    _, job = world.ask(project, {"k": 99})
    world.start()
    failed = world.until_state(job, "failed")
    assert failed["error"]["code"] == "invalid_value" and "/k" in failed["error"]["message"]
    assert failed["attempts"] == 1


def test_a_killed_job_is_done_again(world):
    fit, job = world.ask(world.add("demo"), QUICK)
    worker = world.start()
    world.until_busy(job)
    os.kill(world.child(worker), signal.SIGKILL)
    done = world.until_state(job, "done", "failed")
    assert (done["state"], done["attempts"], done["failures"]) == ("done", 2, 1)
    assert "killed by signal 9" in world.reasons(job)[0]
    world.published_once(job, fit)


def test_a_job_that_dies_again_and_again_fails(world):
    _, job = world.ask(world.add("demo"), SLOW)
    worker = world.start("--job-attempts", "2")
    for attempt in (1, 2):
        until(lambda: world.job(job)["attempts"] == attempt and world.job(job)["state"] == "running", "an attempt")
        world.until_busy(job)
        os.kill(world.child(worker), signal.SIGKILL)
    failed = world.until_state(job, "failed")
    assert failed["error"]["code"] == "lease_lost" and "killed by signal 9" in failed["error"]["message"]
    assert len(world.reasons(job)) == 2


def test_a_killed_worker_takes_its_child_along_and_another_does_the_job(world):
    fit, job = world.ask(world.add("demo"), QUICK)
    worker = world.start()
    world.until_busy(job)
    child = world.child(worker)
    worker.kill()
    worker.wait(60)
    until(lambda: not alive(child), "the child to die with its worker")
    assert world.job(job)["state"] == "running"
    world.start()
    done = world.until_state(job, "done", "failed")
    assert (done["state"], done["attempts"], done["failures"]) == ("done", 2, 1)
    assert "fell silent" in world.reasons(job)[0]
    world.published_once(job, fit)


def test_a_frozen_worker_loses_its_job_and_can_write_nothing(world):
    fit, job = world.ask(world.add("demo"), QUICK)
    frozen = world.start()
    world.until_busy(job)
    child = world.child(frozen)
    os.kill(child, signal.SIGSTOP)
    os.kill(frozen.pid, signal.SIGSTOP)
    world.start()
    done = world.until_state(job, "done", "failed")
    assert (done["state"], done["attempts"]) == ("done", 2)
    before = world.sql("SELECT f::text FROM fit f UNION ALL SELECT j::text FROM job j UNION ALL SELECT w::text FROM win_rates w")
    os.kill(frozen.pid, signal.SIGCONT)
    os.kill(child, signal.SIGCONT)
    until(lambda: not alive(child), "the child that lost its lease to end")
    assert frozen.poll() is None
    after = world.sql("SELECT f::text FROM fit f UNION ALL SELECT j::text FROM job j UNION ALL SELECT w::text FROM win_rates w")
    assert sorted(before) == sorted(after)
    world.published_once(job, fit)


def test_a_worker_that_is_told_to_stop_gives_its_job_back(world):
    _, job = world.ask(world.add("demo"), SLOW)
    worker = world.start()
    world.until_busy(job)
    child = world.child(worker)
    worker.terminate()
    assert worker.wait(60) == 0
    assert not alive(child)
    found = world.job(job)
    assert (found["state"], found["attempts"], found["failures"]) == ("queued", 1, 0)
    assert world.reasons(job) == ["the worker was told to stop"]


def test_cancel_ends_a_running_job_and_retry_starts_it_again(world):
    project = world.add("demo")
    _, job = world.ask(project, SLOW)
    worker = world.start()
    world.until_busy(job)
    child = world.child(worker)
    world.query("job_cancel", project, job)
    world.until_state(job, "cancelled")
    assert not alive(child) and worker.poll() is None
    assert world.sql("SELECT published_fit FROM project") == [(None,)]
    world.sql("UPDATE fit SET options = %s", json.dumps(QUICK))
    world.query("job_retry", project, job)
    done = world.until_state(job, "done")
    assert (done["attempts"], done["failures"]) == (2, 0)


def test_the_scheduler_asks_once_however_many_workers_there_are(world):
    project = world.add("demo", (0, 1000))
    world.sql("UPDATE project SET refit_after_comparisons = 1000, fit_options = %s", json.dumps(QUICK))
    for _ in range(3):
        world.start()
    until(lambda: world.sql("SELECT published_fit FROM project")[0][0], "the first fit")
    assert world.sql("SELECT count(*) FROM fit") == [(1,)]
    world.add("demo", (1000, 2200))
    until(lambda: world.sql("SELECT count(*) FROM fit WHERE published_at IS NOT NULL") == [(2,)], "the second fit")
    time.sleep(2.5)  # a few more turns of three schedulers
    assert world.sql("SELECT count(*) FROM fit") == [(2,)]
    assert world.sql("SELECT max(attempts) FROM job") == [(1,)]
    assert project


def test_a_fit_outlasts_a_restart_of_the_database(world, cluster):
    fit, job = world.ask(world.add("demo"), QUICK)
    worker = world.start("--job-lease-seconds", "60")
    world.until_busy(job)
    cluster.stop("immediate")
    time.sleep(1)
    cluster.start()
    world.until_state(job, "done")
    assert world.job(job)["attempts"] == 1, world.reasons(job)
    world.published_once(job, fit)
    assert worker.poll() is None


def test_a_worker_waits_for_a_database_that_is_not_there_yet(world, cluster):
    fit, job = world.ask(world.add("demo", (0, 200)), QUICK)
    cluster.stop()
    worker = world.start()
    time.sleep(1.5)
    assert worker.poll() is None
    cluster.start()
    world.until_state(job, "done")
    world.published_once(job, fit)
