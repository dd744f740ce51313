"""What the pytest files share. `cluster`: one private PostgreSQL per test run, reached by a unix socket;
`empty_database`: a new empty database in it; `database`: a new database with the schema of the program (both as
libpq strings); `daemon`: a running `egalign serve`; `start_daemon` starts others."""
import itertools
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import psycopg2
import pytest

from daemon import Daemon

ROOT = pathlib.Path(__file__).resolve().parent.parent
FLAVOUR = os.environ.get("FLAVOUR", "release")
PROGRAM = ROOT / "build" / FLAVOUR / "egalign"


def postgres_programs():
    """The folder of initdb: the newest in Debian's layout, else that on PATH."""
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    if versions:
        return versions[-1]
    found = shutil.which("initdb")
    if not found:
        pytest.fail("no PostgreSQL server is installed")
    return pathlib.Path(found).parent


class Cluster:
    """A PostgreSQL server for tests: durable settings, so that what is tested is what runs; trust on its own socket."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="egalign-pytest-", dir="/tmp"))
        self.data = self.folder / "data"
        self.programs = postgres_programs()
        self.identity = {}
        self.numbers = itertools.count(1)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self.identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        os.chmod(self.folder, 0o711)
        self.run("initdb", "-D", self.data, "-U", "egalign", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
                 "--no-sync")
        self.start()

    def run(self, name, *arguments):
        command = [str(self.programs / name), *map(str, arguments)]
        with open(self.folder / "run.log", "a+") as log:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", timeout=120,
                                  **self.identity)
            if done.returncode != 0:
                log.seek(0)
                raise RuntimeError(f"{name} failed: {log.read()[-2000:]}")

    def start(self):
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c max_connections=100 -c jit=off"
        self.run("pg_ctl", "-D", self.data, "-l", self.folder / "server.log", "-o", options, "-w", "start")

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def postmaster(self):
        """Process id of the server, for tests that kill or freeze it."""
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def url(self, name):
        return f"host={self.folder} user=egalign dbname={name}"

    def sql(self, statement, name="postgres"):
        """Runs one statement in autocommit; its rows when it has any."""
        connection = psycopg2.connect(self.url(name))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()

    def create(self, template="template1"):
        """A new database; its libpq string."""
        name = f"test_{next(self.numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)


@pytest.fixture(scope="session")
def program():
    """The program under test, of the build that FLAVOUR names."""
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is not built")
    return PROGRAM


@pytest.fixture(scope="session")
def cluster():
    made = Cluster()
    yield made
    made.stop("immediate")
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture
def empty_database(cluster):
    return cluster.create()


@pytest.fixture(scope="session")
def migrated_template(cluster, program):
    """Name of a database that was migrated and is only copied."""
    cluster.sql("CREATE DATABASE migrated")
    subprocess.run([program, "migrate", "--database-url", cluster.url("migrated")], check=True, timeout=60)
    return "migrated"


@pytest.fixture
def database(cluster, migrated_template):
    return cluster.create(migrated_template)


@pytest.fixture(scope="session")
def start_daemon(program):
    """start_daemon(database, *options, workers=0): a Daemon that is ended with the session, if the test has not."""
    started = []

    def start(database, *options, workers=0):
        folder = tempfile.mkdtemp(prefix="egalign-serve-", dir="/tmp")
        os.chmod(folder, 0o711)  # a private cluster runs as another user
        started.append((None, folder))
        daemon = Daemon(program, database, folder, *options, workers=workers)
        started[-1] = (daemon, folder)
        return daemon

    yield start
    for daemon, folder in started:
        if daemon:
            daemon.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def daemon(start_daemon, database):
    """A daemon on a fresh database, ready, without workers."""
    made = start_daemon(database).ready()
    yield made
    made.stop()
