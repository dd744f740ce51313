"""What a running job tells as it goes: figures, samples, time left, and all of it as server-sent events. The test is the
worker: it claims the job and writes by the program's own queries."""
import datetime
import json
import pathlib
import threading

import psycopg2
import pytest

import sse
from service import problem
from test_contract import FITS, JOBS

SQL = pathlib.Path(__file__).resolve().parent.parent.parent / "src/store/sql"
JOB = JOBS + "/{job}"
DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


class Worker:
    """Holds the one job of a project."""

    def __init__(self, service, project):
        self.service, self.project = service, project
        self.job = service.post(FITS, project=project).json()["job"]
        self.connection = psycopg2.connect(service.daemon.database)
        self.connection.autocommit = True
        self.token = None

    def query(self, name, *values):
        with self.connection.cursor() as cursor:
            cursor.execute("PREPARE q AS " + (SQL / f"{name}.sql").read_text())
            try:
                cursor.execute("EXECUTE q(" + ", ".join(["%s"] * len(values)) + ")", values)
                return cursor.fetchall()
            finally:
                cursor.execute("DEALLOCATE q")

    def claim(self):
        """Whatever the queue gives, until it is ours: other tests leave jobs behind."""
        while self.token is None:
            [row] = self.query("job_claim", "tests:1", 60)
            if row[0] == self.job:
                self.token = row[3]
            else:
                self.query("job_end", row[0], row[3], "cancelled", None, "cancelled")
        return self

    def write(self, name, *values):
        return self.query(name, self.job, self.token, *values)

    def metrics(self, *steps):
        figures = [json.dumps({"loss": 1 / step}) for step in steps]
        return self.write("job_metrics_store", list(steps), [DAY] * len(steps), figures)

    def get(self, part="", **query):
        return self.service.get(JOB + part, project=self.project, job=self.job, query=query)

    def events(self, last=None, until=lambda events: False):
        """The events of one stream; ends with the stream, or as soon as `until` says so."""
        path = f"/v1/projects/{self.project}/jobs/{self.job}/events"
        return sse.events(self.service.url + path, self.service.token, last, until)

    def close(self):
        self.connection.close()


@pytest.fixture
def worker(shared, project):
    made = Worker(shared, project).claim()
    yield made
    made.close()


def test_figures_are_pages(worker):
    assert worker.get("/metrics").json() == {"items": [], "next_cursor": None}
    assert worker.metrics(1, 2, 3)
    worker.metrics(3, 4, 5)
    first = worker.get("/metrics", limit=2)
    assert [i["step"] for i in first.json()["items"]] == [1, 2] and first.json()["items"][1]["figures"] == {"loss": 0.5}
    rest = worker.get("/metrics", limit=3, cursor=first.json()["next_cursor"]).json()
    assert [i["step"] for i in rest["items"]] == [3, 4, 5] and rest["next_cursor"] is None
    assert [i["step"] for i in worker.get("/metrics", after=4).json()["items"]] == [5]
    assert 'rel="next"' in first.headers["Link"]
    problem(worker.get("/metrics", cursor="x"), 400, "invalid_request")


def test_samples_are_pages(worker):
    for step in (10, 20):
        worker.write("job_samples_store", step, [0, 1, 2], ["p"] * 3, [f"r{step}", "", "é"], ["{}", "{}", '{"kl": 1}'])
    found, cursor = [], {}
    while True:
        page = worker.get("/samples", limit=2, **cursor).json()
        found += [(i["step"], i["line"], i["response"]) for i in page["items"]]
        if not page["next_cursor"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == [(s, n, t) for s in (10, 20) for n, t in enumerate([f"r{s}", "", "é"])]
    assert [i["step"] for i in worker.get("/samples", after=10).json()["items"]] == [20] * 3
    problem(worker.get("/samples", cursor="-5"), 400, "invalid_request")


def test_nothing_is_written_without_the_lease(worker):
    worker.token = "00000000-0000-4000-8000-000000000000"
    assert worker.metrics(1) == []
    assert worker.write("job_samples_store", 1, [0], ["p"], ["r"], ["{}"]) == []
    assert worker.get("/metrics").json()["items"] == [] and worker.get("/samples").json()["items"] == []


def test_the_time_left_is_that_of_the_present_stage(worker):
    left = lambda: worker.get().json()["seconds_left"]

    def backdate(seconds):
        with worker.connection.cursor() as cursor:
            cursor.execute("UPDATE job SET stage_at = progress_at - make_interval(secs => %s) WHERE id = %s", (seconds, worker.job))

    assert left() is None
    worker.write("job_progress", "reading", 0.0, "{}")
    assert left() is None
    worker.write("job_progress", "training", 0.5, "{}")  # it goes on from a checkpoint
    assert left() is None
    worker.write("job_progress", "training", 0.6, "{}")
    backdate(100)
    assert 300 <= left() <= 400
    worker.write("job_end", "done", None, "done")
    assert left() is None


def test_events_are_everything_in_order_and_go_on_where_they_were_left(worker):
    worker.metrics(1, 2)
    worker.write("job_say", "info", "two\nlines")
    first = worker.events(until=lambda events: events and events[-1][0] == "state")
    kinds = [kind for kind, _, _ in first]
    assert kinds == ["metrics", "metrics", "log", "state"]
    assert [d["step"] for k, _, d in first if k == "metrics"] == [1, 2]
    assert first[2][2]["message"] == "two\nlines" and first[3][2]["state"] == "running"
    last = first[1][1]

    collected = []
    follower = threading.Thread(target=lambda: collected.extend(worker.events(last)))
    follower.start()
    worker.metrics(3)
    worker.write("job_progress", "training", 0.25, "{}")
    worker.write("job_end", "done", None, "all is well")
    follower.join(60)
    assert not follower.is_alive()
    kinds = [kind for kind, _, _ in collected]
    assert [d["step"] for k, _, d in collected if k == "metrics"] == [3]
    assert [d["message"] for k, _, d in collected if k == "log"] == ["two\nlines", "all is well"]
    assert kinds[-1] == "state" and collected[-1][2]["state"] == "done"
    headers = {"Last-Event-ID": collected[-1][1]}
    events = JOB + "/events"
    names = {"project": worker.project, "job": worker.job}
    assert worker.service.get(events, headers=headers, **names).status_code == 204
    assert [k for k, _, _ in worker.events()].count("metrics") == 3  # without it: all from the start
    reply = worker.service.get(events, **names)
    assert reply.headers["X-Accel-Buffering"] == "no"
    problem(worker.service.get(events, headers={"Last-Event-ID": "7"}, **names), 400, "invalid_request")
