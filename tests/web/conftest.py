"""A daemon with a database of its own, the demo population in it, and a browser."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pytest

import browser as browsers

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EGALIGN = ROOT / "build" / os.environ.get("FLAVOUR", "release") / "egalign"
PATIENCE = 300  # seconds until a wait is given up; a sanitised fit takes its time


class Service:
    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.data = folder / "data"
        self.log = open(folder / "log", "w+")
        self.process = subprocess.Popen([EGALIGN, "serve", "--data-dir", self.data, "--port", str(self.port)],
                                        stdout=self.log, stderr=subprocess.STDOUT, cwd=ROOT)
        self.token = None
        self.wait(self.is_ready, "the service to be ready")
        self.token = subprocess.run([EGALIGN, "token", "create", "--data-dir", self.data, "--role", "admin", "--name", "t"],
                                    check=True, capture_output=True, text=True).stdout.strip()
        self.wait(self.knows_token, "news of the token")

    def wait(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.log.seek(0)
                pytest.fail(f"waited in vain for {what}; the service said:\n{self.log.read()[-4000:]}")
            time.sleep(0.05)

    def is_ready(self):
        try:
            return urllib.request.urlopen(self.url + "/readyz", timeout=5).status == 200
        except OSError:
            return False

    def knows_token(self):
        try:
            return bool(self.call("GET", "/v1/projects"))
        except urllib.error.HTTPError:
            return False

    def call(self, method, path, body=None, kind="application/json"):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": kind}, method=method)
        request.add_header("authorization", f"Bearer {self.token}")
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def project(self, name):
        self.call("POST", "/v1/projects", {"name": name})
        return self.call("POST", "/v1/tokens", {"role": "viewer", "project": name, "name": "page"})["token"]

    def fit(self, project, options):
        job = self.call("POST", f"/v1/projects/{project}/fits", options)["job"]
        path = f"/v1/projects/{project}/jobs/{job}"
        self.wait(lambda: self.call("GET", path)["state"] not in ("queued", "running"), "the fit")
        assert self.call("GET", path)["state"] == "done", self.call("GET", path)

    def counter(self, name):
        text = urllib.request.urlopen(self.url + "/metrics", timeout=30).read().decode()
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


@pytest.fixture(scope="session")
def service():
    # Not pytest's own folder: where tests run as root the cluster's user must pass through, and pytest closes it again.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="egalign-web-"))
    folder.chmod(0o755)
    running = Service(folder)
    yield running
    running.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def browser():
    if not browsers.PROGRAM:
        pytest.skip("chromium is not installed")
    running = browsers.Browser()
    yield running
    running.close()


@pytest.fixture(scope="session")
def demo(service):
    """The demo project with one published fit; its viewer's token."""
    token = service.project("demo")
    rows = subprocess.run([EGALIGN, "demo"], check=True, capture_output=True).stdout
    told = service.call("POST", "/v1/projects/demo/comparisons", rows, "application/x-ndjson")
    assert told["accepted"] == rows.count(b"\n")
    service.fit("demo", {"permutations": 0, "k": 2})
    return token
