"""`egalign token`: made in the database, shown once."""
import hashlib
import json
import re
import subprocess

import psycopg2
import pytest


@pytest.fixture
def run(program, database):
    def run(*arguments, status=0):
        done = subprocess.run([program, "token", *arguments, "--database-url", database], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == status, done.stderr
        return done
    return run


@pytest.fixture
def sql(database):
    connection = psycopg2.connect(database)
    connection.autocommit = True

    def sql(statement):
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else None
    yield sql
    connection.close()


def test_create_prints_the_token_and_nothing_else(run, sql):
    done = run("create", "--role", "operator", "--name", "ops at night")
    assert re.fullmatch(r"eg_[0-9A-Za-z]{42}\n", done.stdout)
    assert done.stderr == ""
    token = done.stdout.strip()
    [(role, name, stored, project, expires)] = sql("SELECT role::text, name, hash, project_id, expires_at FROM token")
    assert (role, name, project, expires) == ("operator", "ops at night", None, None)
    assert bytes(stored) == hashlib.sha256(token.encode()).digest()
    assert token not in str(sql("SELECT t::text FROM token t"))


def test_project_and_expiry(run, sql):
    sql("INSERT INTO project (id, name) VALUES (gen_random_uuid(), 'mine')")
    run("create", "--role=viewer", "--project=mine", "--expires=7")
    assert sql("SELECT p.name, expires_at BETWEEN now() + interval '167 h' AND now() + interval '169 h' "
               "FROM token t JOIN project p ON p.id = t.project_id") == [("mine", True)]
    run("create", "--role", "viewer", "--project", "other", status=1)


def test_list_and_revoke(run, sql):
    run("create", "--role", "admin")
    run("create", "--role", "viewer")
    listed = [json.loads(line) for line in run("list").stdout.splitlines()]
    assert [t["role"] for t in listed] == ["admin", "viewer"]
    run("revoke", listed[0]["id"])
    run("revoke", listed[0]["id"])  # again is fine
    assert sql("SELECT role::text, revoked_at IS NOT NULL FROM token ORDER BY id") == [("admin", True), ("viewer", False)]
    run("revoke", "00000000-0000-4000-8000-000000000000", status=1)


@pytest.mark.parametrize("arguments", [
    [], ["make"], ["create"], ["create", "--role", "king"], ["create", "--role", "admin", "--expires", "soon"],
    ["create", "--role", "admin", "--expires", "0"], ["revoke"], ["revoke", "no-uuid"], ["create", "--role", "admin", "a", "b"]])
def test_an_unusable_command_line_is_status_2(run, sql, arguments):
    assert run(*arguments, status=2).stderr
    assert sql("SELECT count(*) FROM token") == [(0,)]
