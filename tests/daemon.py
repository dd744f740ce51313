"""A running `egalign serve` for the tests, and tokens and projects that are put into its database by hand."""
import hashlib
import pathlib
import secrets
import signal
import subprocess
import time
import uuid

import psycopg2
import pytest
import requests

SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_token(database, role="admin", project=None, expires="infinity"):
    """A token of the form that the service checks, put into the database by hand; its text."""
    text = "eg_" + "".join(secrets.choice(SYMBOLS) for _ in range(36))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    for _ in range(6):
        text += SYMBOLS[number % 62]
        number //= 62
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO token (id, project_id, role, name, prefix, hash, expires_at) "
            "VALUES (gen_random_uuid(), %s, %s, 'made by a test', %s, %s, nullif(%s::timestamptz, 'infinity'))",
            (project, role, text[:10], hashlib.sha256(text.encode()).digest(), expires))
        cursor.execute("NOTIFY egalign_token")
    connection.close()
    return text


def new_project(database, name):
    """A project whose id follows from its name, unless there is one of that name. The ids of annotators and items are
    derived from the project's, and lots are drawn from those: who and what is held out is the same in every run."""
    connection = psycopg2.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO project (id, name) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING",
                       (str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), name))
    connection.close()


class Daemon:
    """A running `egalign serve` on a port of its own; `stop` ends it and gives its exit status."""

    def __init__(self, program, database, folder, *options, workers=0):
        self.database, self.folder = database, pathlib.Path(folder)
        self.log = self.folder / "serve.log"
        command = [str(program), "serve", "--port", "0", "--workers", str(workers), "--data-dir", str(self.folder / "data")]
        command += ["--database-url", database] if database else []
        self.process = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(self.log, "ab"))
        file = self.folder / "data" / "url"
        self.wait(lambda: file.exists(), "its URL")
        self.url = file.read_text().strip().rstrip("/")
        self.port = int(self.url.rsplit(":", 1)[1])

    def wait(self, condition, what, seconds=60):
        """Until condition() is true; fails with the log when the daemon ends or time runs out."""
        until = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"waited for {what}; the daemon said: {self.log.read_text()[-3000:]}")
            time.sleep(0.02)

    def ready(self):
        self.wait(lambda: requests.get(self.url + "/readyz", timeout=10).status_code == 200, "readiness")
        return self

    def stop(self, how=signal.SIGTERM, seconds=30):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
