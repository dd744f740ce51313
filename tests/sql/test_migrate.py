"""egalign migrate: once, whoever comes, and never onto a schema that it does not know."""
import hashlib
import pathlib
import subprocess

import psycopg2


def migrate(program, url):
    return subprocess.run([program, "migrate", "--database-url", url], capture_output=True, text=True, timeout=60)


def query(url, statement):
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def test_twice_is_once(program, empty_database):
    first = migrate(program, empty_database)
    assert first.returncode == 0 and "Applied" in first.stdout, first.stderr
    rows = query(empty_database, "SELECT * FROM schema_migration ORDER BY version")
    second = migrate(program, empty_database)
    assert second.returncode == 0 and "up to date" in second.stdout, second.stderr
    assert query(empty_database, "SELECT * FROM schema_migration ORDER BY version") == rows


def test_checksums_are_those_of_the_files(database):
    files = sorted((pathlib.Path(__file__).resolve().parents[2] / "migrations").glob("*.sql"))
    assert query(database, "SELECT encode(checksum, 'hex') FROM schema_migration ORDER BY version") == \
        [(hashlib.sha256(file.read_bytes()).hexdigest(),) for file in files]


def test_ten_at_once(program, empty_database):
    command = [program, "migrate", "--database-url", empty_database]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(10)]
    answers = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 10, answers
    applied = sum(int(out.split()[1]) for out, _ in answers if out.startswith("Applied"))
    assert applied == query(empty_database, "SELECT count(*) FROM schema_migration")[0][0]


def test_a_changed_migration_is_refused(program, database):
    query(database, "UPDATE schema_migration SET checksum = sha256('other') WHERE version = 1")
    answer = migrate(program, database)
    assert answer.returncode == 1
    assert "migration 1" in answer.stderr and "changed" in answer.stderr


def test_a_newer_schema_is_refused(program, database):
    query(database, "INSERT INTO schema_migration (version, name, checksum) "
                    "VALUES (9999, 'from_the_future', sha256('x'))")
    answer = migrate(program, database)
    assert answer.returncode == 1
    assert "9999" in answer.stderr and "from_the_future" in answer.stderr


def test_a_gap_is_refused(program, database):
    query(database, "UPDATE schema_migration SET version = 1000 WHERE version = 1")
    assert migrate(program, database).returncode == 1


def test_no_server_is_an_error_that_says_so(program, tmp_path):
    answer = migrate(program, f"host={tmp_path} dbname=none")
    assert answer.returncode == 1 and str(tmp_path) in answer.stderr


def test_without_a_running_cluster_it_says_what_to_do(program, tmp_path):
    answer = subprocess.run([program, "migrate", "--data-dir", tmp_path], capture_output=True, text=True, timeout=60,
                            env={"PATH": "/usr/bin:/bin"})
    assert answer.returncode == 1 and "egalign serve" in answer.stderr
