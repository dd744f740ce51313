"""A database that stops answering, for a while or for good: what memory can answer goes on, the rest is told to come back."""
import os
import signal
import subprocess
import time
import uuid

import pytest
import requests

from daemon import new_token
from service import Service, problem
from test_contract import COMPARISON, COMPARISONS, PROJECT, judgement

LIMIT = 5.5  # seconds; the contract says 5


@pytest.fixture
def own(start_daemon, program):
    """A service with a private cluster, which may be frozen and killed."""
    daemon = start_daemon(None)
    daemon.ready()
    file = daemon.folder / "data" / "conninfo"
    daemon.wait(file.exists, "its database's address")  # which is told a moment after readiness
    conninfo = file.read_text().strip()
    service = Service(daemon, new_token(conninfo))
    daemon.wait(lambda: service.session.get(daemon.url + "/v1/projects", headers={"Authorization": f"Bearer {service.token}"},
                                            timeout=30).status_code == 200, "the token")
    service.post("/v1/projects", {"name": "p"})
    yield service
    assert daemon.stop() == 0


def server_processes(service):
    """The postmaster and all its children."""
    postmaster = int((service.daemon.folder / "data" / "pg" / "postmaster.pid").read_text().split()[0])
    children = open(f"/proc/{postmaster}/task/{postmaster}/children").read().split()
    return [postmaster, *map(int, children)]


def signal_all(pids, what):
    for pid in pids:
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            pass


def timed(call):
    start = time.monotonic()
    reply = call()
    return reply, time.monotonic() - start


def test_a_frozen_database(own):
    key = str(uuid.uuid4())
    assert own.put(COMPARISON, judgement(), project="p", comparison=str(uuid.uuid4())).status_code == 201
    etag = own.get(PROJECT + "/win-rates", project="p").headers["ETag"]
    pids = server_processes(own)
    signal_all(pids, signal.SIGSTOP)
    try:
        for _ in range(20):
            reply = own.get(PROJECT + "/win-rates", project="p", headers={"If-None-Match": etag})
            assert reply.status_code == 304
        assert own.get("/healthz").status_code == 200
        reply, took = timed(lambda: own.put(COMPARISON, judgement(), project="p", comparison=key))
        problem(reply, 503, "database_unavailable")
        assert reply.headers["Retry-After"] and took < LIMIT
        reply, took = timed(lambda: own.get(COMPARISONS, project="p"))
        problem(reply, 503, "database_unavailable")
        assert took < LIMIT
        reply, took = timed(lambda: own.post(COMPARISONS, data=b'{"a":1}\n', media="application/x-ndjson", project="p"))
        assert reply.status_code in (422, 503) and took < LIMIT
        assert own.get(PROJECT + "/win-rates", project="p", headers={"If-None-Match": etag}).status_code == 304
        assert own.get("/readyz").status_code == 503
    finally:
        signal_all(pids, signal.SIGCONT)
    own.daemon.wait(lambda: own.put(COMPARISON, judgement(), project="p", comparison=key).status_code in (200, 201), "recovery")
    assert own.put(COMPARISON, judgement(), project="p", comparison=key).json()["replayed"] is True
    own.daemon.wait(lambda: own.get(COMPARISONS, project="p").status_code == 200, "the pool's recovery")
    assert len(own.get(COMPARISONS, project="p").json()["items"]) == 2
    own.daemon.wait(lambda: own.get("/readyz").status_code == 200, "readiness")


def test_a_killed_database_comes_back(own):
    for i in range(3):
        assert own.put(COMPARISON, judgement(), project="p", comparison=str(uuid.UUID(int=i + 1))).status_code == 201
    signal_all(server_processes(own), signal.SIGKILL)
    own.daemon.wait(lambda: own.get(COMPARISONS, project="p").status_code == 200, "the database")
    assert len(own.get(COMPARISONS, project="p").json()["items"]) == 3
    own.daemon.wait(lambda: own.get("/readyz").status_code == 200, "readiness")


def test_it_starts_before_its_database(start_daemon, cluster):
    name = f"later_{uuid.uuid4().hex[:8]}"
    daemon = start_daemon(cluster.url(name))
    assert requests.get(daemon.url + "/healthz", timeout=30).status_code == 200
    reply = requests.get(daemon.url + "/readyz", timeout=30)
    problem(reply, 503, "database_unavailable")
    reply = requests.get(daemon.url + "/v1/projects", headers={"Authorization": "Bearer " + new_text()}, timeout=30)
    problem(reply, 503, "database_unavailable")
    cluster.sql(f"CREATE DATABASE {name}")
    daemon.ready()
    assert daemon.stop() == 0


def new_text():
    """A well-formed token that nobody made."""
    import hashlib
    from daemon import SYMBOLS
    text = "eg_" + "a" * 36
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    for _ in range(6):
        text += SYMBOLS[number % 62]
        number //= 62
    return text


def test_a_changed_schema_is_refused(program, tmp_path, cluster, migrated_template):
    url = cluster.create(migrated_template)
    cluster.sql("UPDATE schema_migration SET checksum = decode(repeat('00', 32), 'hex')", url.rsplit("dbname=", 1)[1])
    done = subprocess.run([program, "serve", "--port", "0", "--workers", "0", "--data-dir", tmp_path, "--database-url", url],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "schema" in done.stderr


def test_memory_is_read_again_after_the_listener_was_lost(shared, cluster, project):
    """Tokens and documents that changed while nobody listened are known after the reconnection."""
    name = shared.daemon.database.rsplit("dbname=", 1)[1]
    made = shared.post("/v1/tokens", {"role": "viewer", "name": "x"}).json()
    viewer = shared.with_token(made["token"])
    assert viewer.get(PROJECT, project=project).status_code == 200
    cluster.sql(f"UPDATE token SET revoked_at = now() WHERE id = '{made['id']}'", name)  # without NOTIFY
    assert viewer.get(PROJECT, project=project).status_code == 200  # memory cannot know
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'egalign listener' "
                f"AND datname = '{name}'")
    shared.daemon.wait(lambda: viewer.get(PROJECT, project=project).status_code == 401, "the tokens to be read again")
