"""The answers that every operation can give: those that need a state of the daemon are fetched here, and at the end it is
held that each declared answer of each operation was seen at least once."""
import uuid

import pytest

import service as client
from daemon import new_token
from service import Service, problem
from test_authorisation import attempt, secured

NEEDED = {"test_authorisation.py", "test_bad_input.py", "test_contract.py", "test_pages.py", "test_policies.py",
          "test_project_events.py", "test_published.py", "test_series.py", "test_stream.py"}


def test_every_operation_refuses_what_it_does_not_know(shared, project):
    """An unknown member of the query."""
    for method, path, operation in shared.operations():
        names = {p["name"]: {"project": project, "file": "page.js"}.get(p["name"], str(uuid.uuid4()))
                 for p in operation["parameters"] if p["in"] == "path"}
        body = {} if "requestBody" in operation else None
        problem(shared.call(method, path, body, query={"no_such_member": "1"}, **names), 400, "invalid_request")


def test_every_operation_without_a_database(start_daemon, cluster, database):
    daemon = start_daemon(cluster.url("there_is_none"))
    service = Service(daemon, new_token(database))
    for method, path, operation in secured(service):
        reply = attempt(service, method, path, operation)
        problem(reply, 503, "database_unavailable")
        assert reply.headers["Retry-After"]
    problem(service.get("/readyz"), 503, "database_unavailable")
    assert daemon.stop() == 0


def test_every_operation_beyond_the_rate(start_daemon, database):
    token = new_token(database)
    daemon = start_daemon(database, "--rate-limit-per-minute", "1").ready()
    service = Service(daemon, token)
    for method, path, operation in secured(service):
        replies = [attempt(service, method, path, operation) for _ in range(3)]  # a minute may begin in between
        assert 429 in [reply.status_code for reply in replies]
    assert daemon.stop() == 0


def test_every_declared_answer_was_seen(shared, request):
    ran = {item.path.name for item in request.session.items}
    if not NEEDED <= ran:
        pytest.skip("only some of the API tests ran")
    missing = [(operation["operationId"], status) for _, _, operation in shared.operations()
               for status in operation["responses"] if status != "default"
               and (operation["operationId"], int(status)) not in client.SEEN]
    assert missing == []
