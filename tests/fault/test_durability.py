"""An acknowledged comparison is there exactly once, whatever is killed, frozen or filled up while it comes in.

Everything here is the real thing: `egalign serve` with its private cluster, real signals, a real small file system."""
import contextlib
import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid

import psycopg2
import pytest
import requests

from daemon import Daemon

CLIENTS = 8


def children(pid):
    """All descendants of a process."""
    found = []
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in map(int, path.read_text().split()):
                found += [child, *children(child)]
    return found


def is_postgres(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    return False


def signal_all(pids, how):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


def comparison(number):
    return {"annotator": f"w{number % 7}", "prompt": f"question {number % 50}", "a": {"text": f"yes {number % 3}"},
            "b": {"text": f"no {number % 5}"}, "outcome": "ab"[number % 2], "meta": {"n": number}}


class Site:
    """A daemon with its private cluster in a folder of its own, a token and a project."""

    def __init__(self, program, folder, *options):
        self.program, self.folder, self.options = program, folder, options
        self.start()
        self.token = self.run("token", "create", "--role", "admin").strip()
        self.daemon.wait(lambda: self.request("GET", "/v1/projects").status_code == 200, "news of the token")
        done = self.request("POST", "/v1/projects", json={"name": "p"})
        assert done.status_code == 201, done.text

    def start(self):
        for name in ("url",):
            with contextlib.suppress(FileNotFoundError):
                (pathlib.Path(self.folder) / "data" / name).unlink()
        self.daemon = Daemon(self.program, None, self.folder, *self.options).ready()

    def run(self, *arguments):
        command = [str(self.program), *arguments, "--data-dir", str(pathlib.Path(self.folder) / "data")]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def request(self, method, path, timeout=30, **more):
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return requests.request(method, self.daemon.url + path, headers=headers, timeout=timeout, **more)

    def put(self, key, number, timeout=30):
        return self.request("PUT", f"/v1/projects/p/comparisons/{key}", timeout, json=comparison(number))

    def postgres(self):
        return [pid for pid in children(self.daemon.process.pid) if is_postgres(pid)]

    def stored(self):
        """Each stored comparison's id, as often as it is stored."""
        file = pathlib.Path(self.folder) / "data" / "conninfo"
        self.daemon.wait(file.exists, "its database's address")  # which is told a moment after readiness
        conninfo = file.read_text().strip()
        connection = psycopg2.connect(conninfo)
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute("SELECT id::text FROM comparison")
            return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def site(program):
    made = []

    def start(*options, folder=None):
        folder = folder or tempfile.mkdtemp(prefix="egalign-fault-", dir="/tmp")
        os.chmod(folder, 0o755)
        made.append((Site(program, folder, *options), folder))
        return made[-1][0]

    yield start
    for one, folder in made:
        one.daemon.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Load:
    """Clients that put comparisons one after the other, each with an id of its own; what was sent and acknowledged is kept."""

    def __init__(self, site):
        self.site, self.sent, self.acknowledged = site, {}, set()
        self.numbers, self.ending, self.lock = itertools.count(), threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.client) for _ in range(CLIENTS)]

    def client(self):
        while not self.ending.is_set():
            key, number = str(uuid.uuid4()), next(self.numbers)
            with self.lock:
                self.sent[key] = number
            try:
                done = self.site.put(key, number)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            if done.status_code == 201:
                with self.lock:
                    self.acknowledged.add(key)
            else:
                assert done.status_code == 503 and done.headers["Retry-After"], done.text
                time.sleep(0.05)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *what):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def check(self):
        """Nothing acknowledged is lost, nothing is there twice or from nowhere; sending all of it again changes nothing more."""
        stored = self.site.stored()
        assert len(stored) == len(set(stored))
        assert not self.acknowledged - set(stored)
        assert not set(stored) - set(self.sent)
        for key in list(set(self.sent) - self.acknowledged) + random.sample(sorted(self.acknowledged), 20):
            done = self.site.put(key, self.sent[key])
            assert done.status_code == (200 if key in stored else 201), done.text
        assert sorted(self.site.stored()) == sorted(self.sent)


def test_postgres_is_killed_under_load(site):
    here = site()
    with Load(here) as load:
        for _ in range(4):
            time.sleep(random.uniform(0.5, 1.5))
            before = len(load.acknowledged)
            signal_all(here.postgres(), signal.SIGKILL)
            here.daemon.wait(lambda: len(load.acknowledged) > before + 50, "acknowledgements after a kill")
    load.check()


def test_the_daemon_is_killed_under_load(site):
    here = site()
    with Load(here) as load:
        for _ in range(3):
            time.sleep(random.uniform(0.5, 1.5))
            before = len(load.acknowledged)
            here.daemon.process.kill()
            here.daemon.process.wait()
            here.start()
            here.daemon.wait(lambda: len(load.acknowledged) > before + 50, "acknowledgements after a restart")
    load.check()


def test_the_daemon_drains_under_load(site):
    here = site()
    with Load(here) as load:
        here.daemon.wait(lambda: len(load.acknowledged) > 100, "acknowledgements")
        assert here.daemon.stop(signal.SIGTERM) == 0
        load.ending.set()
    here.start()
    load.check()


def test_a_frozen_database_is_answered_in_time(site):
    here = site()
    key = str(uuid.uuid4())
    assert here.put(str(uuid.uuid4()), 1).status_code == 201
    etag = here.request("GET", "/v1/projects/p/win-rates").headers["ETag"]
    frozen = here.postgres()
    signal_all(frozen, signal.SIGSTOP)
    try:
        start = time.monotonic()
        done = here.put(key, 2, timeout=20)
        took = time.monotonic() - start
        assert done.status_code == 503 and int(done.headers["Retry-After"]) > 0
        assert done.json()["code"] == "database_unavailable"
        assert took < 10  # the promise is 5 s; the machine of a test may be busy
        assert here.request("GET", "/healthz").status_code == 200
        assert here.request("GET", "/readyz").status_code in (200, 503)
        polled = here.request("GET", "/v1/projects/p/win-rates", headers={"If-None-Match": etag})
        assert polled.status_code == 304
    finally:
        signal_all(frozen, signal.SIGCONT)
    here.daemon.wait(lambda: here.put(key, 2).status_code in (200, 201), "the database")
    assert here.stored().count(key) == 1
    assert here.put(key, 2).status_code == 200
    assert here.put(key, 3).status_code == 409


def batch_lines(count):
    keys = [str(uuid.uuid4()) for _ in range(count)]
    return keys, ("\n".join(requests.compat.json.dumps({"id": k, **comparison(i)}) for i, k in enumerate(keys)) + "\n").encode()


def test_a_batch_is_stored_whole_or_not_at_all(site):
    here = site()
    keys, body = batch_lines(30000)
    for delay in (0.1, 0.4, 0.8):
        killer = threading.Timer(delay, lambda: signal_all(here.postgres(), signal.SIGKILL))
        killer.start()
        try:
            status = here.request("POST", "/v1/projects/p/comparisons", timeout=120, data=body,
                                  headers={"Content-Type": "application/x-ndjson"}).status_code
        except requests.RequestException:
            status = 0
        killer.join()
        here.daemon.wait(lambda: here.request("GET", "/readyz").status_code == 200, "the database")
        stored = len(here.stored())
        assert stored in (0, len(keys))
        assert stored == len(keys) or status not in (200, 201)
    done = here.request("POST", "/v1/projects/p/comparisons", timeout=120, data=body,
                        headers={"Content-Type": "application/x-ndjson"})
    assert done.status_code in (200, 201), done.text
    assert sorted(here.stored()) == sorted(keys)


@pytest.fixture
def small_disk():
    """A file system of 150 MB; needs root and the right to mount."""
    folder = tempfile.mkdtemp(prefix="egalign-small-", dir="/tmp")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m,mode=0755", "none", folder], capture_output=True)
    if made.returncode != 0:
        os.rmdir(folder)
        pytest.skip("cannot mount a small file system here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    os.rmdir(folder)


def test_a_full_disk_refuses_and_recovers(program, small_disk):
    here = Site(program, small_disk, "--allow-unsafe-storage")
    try:
        acknowledged = set()
        for number in range(20):
            key = str(uuid.uuid4())
            assert here.put(key, number).status_code == 201
            acknowledged.add(key)
        ballast = pathlib.Path(small_disk) / "ballast"
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65536)
        refused = False
        for number in range(20, 20000):
            key = str(uuid.uuid4())
            done = here.request("PUT", f"/v1/projects/p/comparisons/{key}",
                                json={**comparison(number), "prompt": os.urandom(16000).hex()})
            if done.status_code != 201:
                assert done.status_code in (503, 507) and done.headers["Retry-After"], done.text
                refused = True
                break
            acknowledged.add(key)
        assert refused
        assert here.request("GET", "/healthz").status_code == 200
        ballast.unlink()
        key = str(uuid.uuid4())
        here.daemon.wait(lambda: here.put(key, 1).status_code in (200, 201), "room to be used again", 90)
        assert acknowledged | {key} <= set(here.stored())
    finally:
        here.daemon.stop()
