"""What the API tests share: `service`, a client of a daemon on a fresh database, as admin; `shared`, the same for the whole
session, for tests that leave other people's projects alone; `project`, the name of a new project in it."""
import itertools

import pytest

import service as client
from tokens import token_of

numbers = itertools.count(1)


@pytest.fixture
def service(daemon):
    return client.Service(daemon, token_of(daemon))


@pytest.fixture(scope="session")
def shared(start_daemon, cluster, migrated_template):
    daemon = start_daemon(cluster.create(migrated_template)).ready()
    yield client.Service(daemon, token_of(daemon))
    assert daemon.stop() == 0


@pytest.fixture
def project(shared):
    name = f"project-{next(numbers)}"
    assert shared.post("/v1/projects", {"name": name}).status_code == 201
    return name
