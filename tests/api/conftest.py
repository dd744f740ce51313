"""What the API tests share: `service`, a client of a daemon on a fresh database, as admin; `shared`, the same for the whole
session, for tests that leave other people's projects alone; `project`, the name of a new project in it."""
import itertools

import pytest
import requests

import service as client
from daemon import new_token

numbers = itertools.count(1)


@pytest.fixture
def service(daemon):
    return client.Service(daemon, new_token_heard(daemon))


def new_token_heard(daemon, **options):
    """A token that was put into the database by hand, once the daemon has heard of it."""
    token = new_token(daemon.database, **options)
    if options.get("expires", "infinity") == "infinity":
        headers = {"Authorization": f"Bearer {token}"}
        daemon.wait(lambda: requests.get(daemon.url + "/v1/projects/nobody", headers=headers, timeout=30).status_code != 401,
                    "a token that was made by hand")
    return token


@pytest.fixture(scope="session")
def shared(start_daemon, cluster, migrated_template):
    daemon = start_daemon(cluster.create(migrated_template)).ready()
    yield client.Service(daemon, new_token_heard(daemon))
    assert daemon.stop() == 0


@pytest.fixture
def project(shared):
    name = f"project-{next(numbers)}"
    assert shared.post("/v1/projects", {"name": name}).status_code == 201
    return name
