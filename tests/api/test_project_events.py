"""The events of a project as server-sent events: from now on, or from a number on, for whoever may read the project."""
import threading
import time

import pytest

import sse
from service import problem
from test_contract import FITS, JOBS, PROJECT

EVENTS = PROJECT + "/events"


class Stream(threading.Thread):
    """Reads the stream of a project until there are `count` events beside the beginning."""

    def __init__(self, service, project, count, query="", last=None):
        super().__init__(daemon=True)
        self.begun, self.found, self.last, self.count = threading.Event(), [], last, count
        self.url, self.token = service.url + EVENTS.format(project=project) + query, service.token
        self.start()

    def run(self):
        sse.events(self.url, self.token, self.last, self.until)

    def until(self, found):
        self.found = found
        if found:
            self.begun.set()
        return len(found) > self.count

    def events(self):
        self.join(60)
        assert not self.is_alive(), self.found
        return self.found


def fit(shared, project, **options):
    return shared.post(FITS, options, project=project).json()["job"]


def cancel(shared, project, job):
    assert shared.post(JOBS + "/{job}/cancel", project=project, job=job).status_code == 200


def test_from_now_on_and_on_from_where_it_was_cut(shared, project):
    first = fit(shared, project, seed=1)
    stream = Stream(shared, project, 2)
    assert stream.begun.wait(60)
    assert stream.found == [(None, "1", None)]  # what was before is known to be over
    second = fit(shared, project, seed=2)
    cancel(shared, project, first)
    _, asked, cancelled = stream.events()
    assert asked[:2] == ("job", "2") and cancelled[:2] == ("job", "3")
    assert (asked[2]["number"], asked[2]["job"], asked[2]["state"], asked[2]["kind"]) == (2, second, "queued", "fit")
    shown = shared.get(JOBS + "/{job}", project=project, job=second).json()
    assert asked[2]["fit"] == shown["fit"] and asked[2]["error"] is None and asked[2]["at"].endswith("Z")
    assert (cancelled[2]["job"], cancelled[2]["state"]) == (first, "cancelled")
    again = Stream(shared, project, 2, last="1").events()
    assert again[1:] == [asked, cancelled] and again[0] == (None, "1", None)
    assert [e[1] for e in Stream(shared, project, 3, "?after=0").events()] == ["0", "1", "2", "3"]
    assert [e[1] for e in Stream(shared, project, 1, "?after=0", last="2").events()] == ["2", "3"]


def test_other_projects_are_not_heard(shared, project):
    shared.post("/v1/projects", {"name": f"{project}-other"})
    stream = Stream(shared, project, 1)
    assert stream.begun.wait(60)
    fit(shared, f"{project}-other")
    mine = fit(shared, project)
    assert [(e[1], e[2] and e[2]["job"]) for e in stream.events()] == [("0", None), ("1", mine)]


def test_silence_is_broken_by_comments(shared, project):
    url = shared.url + EVENTS.format(project=project)
    found = sse.events(url, shared.token, until=lambda found: len(found) > 1, comments=True)
    assert found == [(None, "0", None), (None, None, ":")]


@pytest.mark.parametrize("last", ["x", "-1", "1", "99999999999999999999", "1-1"])
def test_a_number_that_was_never_given_out(shared, project, last):
    problem(shared.get(EVENTS, project=project, headers={"Last-Event-ID": last}), 400, "invalid_request")
    problem(shared.get(EVENTS, project=project, query={"after": last}), 400, "invalid_request")


def test_it_ends_with_the_daemon(start_daemon, cluster, migrated_template):
    import service as client
    from tokens import token_of
    daemon = start_daemon(cluster.create(migrated_template)).ready()
    service = client.Service(daemon, token_of(daemon))
    service.post("/v1/projects", {"name": "p"})
    stream = Stream(service, "p", 100)
    assert stream.begun.wait(60)
    begun = time.monotonic()
    assert daemon.stop() == 0
    stream.join(60)
    assert not stream.is_alive() and time.monotonic() - begun < 60
