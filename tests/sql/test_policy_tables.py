"""What the schema itself keeps of policies and of the jobs that run at once."""
import json
import uuid

import psycopg2
import pytest

PROJECT = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"


@pytest.fixture
def cursor(database):
    connection = psycopg2.connect(database)
    connection.autocommit = True
    with connection.cursor() as made:
        made.execute("INSERT INTO project (id, name) VALUES (%s, 'one'), (%s, 'two')", (PROJECT, OTHER))
        yield made
    connection.close()


def job(cursor, kind="register", state="queued", project=PROJECT):
    identity = str(uuid.uuid4())
    cursor.execute("INSERT INTO job (id, project_id, kind, state) VALUES (%s, %s, %s, %s)",
                   (identity, project, kind, state))
    return identity


def policy(cursor, name, project=PROJECT, parent=None, **columns):
    identity = str(uuid.uuid4())
    columns = {"id": identity, "project_id": project, "name": name, "parent_id": parent,
               "job_id": job(cursor, project=project), **columns}
    cursor.execute(f"INSERT INTO policy ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
                   list(columns.values()))
    return identity


def claim(cursor):
    """Kinds of the job that the next claim gives."""
    text = open("src/store/sql/job_claim.sql", encoding="utf-8").read()
    cursor.execute(f"PREPARE claim (text, integer) AS {text}")
    cursor.execute("EXECUTE claim ('test:1', 60)")
    rows = cursor.fetchall()
    cursor.execute("DEALLOCATE claim")
    if not rows:
        return None
    cursor.execute("SELECT kind FROM job WHERE id = %s", (rows[0][0],))
    return cursor.fetchone()[0]


@pytest.mark.parametrize("lane", [("fit",), ("sft", "ppo", "rebase", "reward")])
def test_one_job_of_a_lane_runs_at_a_time(cursor, lane):
    job(cursor, lane[0], "running")
    for kind in lane:
        with pytest.raises(psycopg2.errors.UniqueViolation):
            job(cursor, kind, "running")
        job(cursor, kind, "running", OTHER)
        cursor.execute("DELETE FROM job WHERE project_id = %s", (OTHER,))


@pytest.mark.parametrize("kind", ["register", "complete", "evaluate"])
def test_other_jobs_exclude_none(cursor, kind):
    job(cursor, kind, "running")
    job(cursor, kind, "running")


def test_a_claim_leaves_out_lanes_that_are_taken(cursor):
    for kind in ("sft", "ppo", "fit", "complete", "complete", "rebase"):
        job(cursor, kind)
    assert [claim(cursor) for _ in range(5)] == ["sft", "fit", "complete", "complete", None]
    cursor.execute("UPDATE job SET state = 'done' WHERE kind = 'sft'")
    assert [claim(cursor) for _ in range(2)] == ["ppo", None]


@pytest.mark.parametrize("name", ["", "a b", "-a", ".hidden", "a/b", "x" * 64, "é",
                                  "0198c0de-0000-7000-8000-00000000000A"])
def test_names_that_are_refused(cursor, name):
    with pytest.raises(psycopg2.errors.CheckViolation):
        policy(cursor, name)


def test_a_name_is_given_once_in_a_project(cursor):
    policy(cursor, "gpt2-sft_v1.0")
    policy(cursor, "gpt2-sft_v1.0", OTHER)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        policy(cursor, "gpt2-sft_v1.0")


def test_a_parent_is_of_the_same_project(cursor):
    first = policy(cursor, "first")
    policy(cursor, "second", parent=first)
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        policy(cursor, "third", OTHER, parent=first)


def test_a_policy_is_ready_as_a_whole(cursor):
    identity = policy(cursor, "p")
    with pytest.raises(psycopg2.errors.CheckViolation):
        cursor.execute("UPDATE policy SET ready_at = now() WHERE id = %s", (identity,))
    with pytest.raises(psycopg2.errors.CheckViolation):  # what was never ready is removed, not marked
        cursor.execute("UPDATE policy SET deleted_at = now() WHERE id = %s", (identity,))
    cursor.execute("UPDATE policy SET ready_at = now(), digest = sha256('x'), family = 'gpt2', parameters = 5, bytes = 9, "
                   "folder = '/models/p' WHERE id = %s", (identity,))
    cursor.execute("SELECT body->>'state', body->>'digest' FROM policy_document WHERE id = %s", (identity,))
    state, digest = cursor.fetchone()
    assert state == "ready" and len(digest) == 64
    with pytest.raises(psycopg2.errors.CheckViolation):
        cursor.execute("UPDATE policy SET folder = NULL WHERE id = %s", (identity,))
    cursor.execute("UPDATE policy SET folder = NULL, deleted_at = now() WHERE id = %s", (identity,))


def test_a_role_is_one_of_two(cursor):
    made = {policy(cursor, "writer"): "policy", policy(cursor, "rewards", role="reward"): "reward"}
    cursor.execute("SELECT id::text, role, body->>'role' FROM policy_document")
    assert {identity: role for identity, role, told in cursor.fetchall() if role == told} == made
    for role in ("judge", None):
        with pytest.raises((psycopg2.errors.CheckViolation, psycopg2.errors.NotNullViolation)):
            policy(cursor, "other", role=role)


def test_a_job_shows_what_it_makes(cursor):
    identity = policy(cursor, "p")
    cursor.execute("SELECT d.body->>'policy', d.body->>'evaluation' FROM job_document d "
                   "JOIN policy p ON p.job_id = d.id WHERE p.id = %s", (identity,))
    assert cursor.fetchone() == (identity, None)
    evaluated, work = str(uuid.uuid4()), job(cursor, "evaluate")
    cursor.execute("INSERT INTO evaluation (id, project_id, job_id, policy_id) VALUES (%s, %s, %s, %s)",
                   (evaluated, PROJECT, work, identity))
    cursor.execute("SELECT body->>'evaluation' FROM job_document WHERE id = %s", (work,))
    assert cursor.fetchone() == (evaluated,)


@pytest.mark.parametrize("turns, text", [
    ([("user", "Why?")], "Why?"),
    ([("system", "Be brief."), ("user", "Why?"), ("assistant", "Because.\nSo."), ("tool", "42")],
     "System: Be brief.\n\nUser: Why?\n\nAssistant: Because.\nSo.\n\nTool: 42"),
])
def test_messages_become_a_prompt_of_one_text(cursor, turns, text):
    """As transcript_prompt does in C."""
    messages = json.dumps([{"role": role, "content": content} for role, content in turns])
    cursor.execute("SELECT prompt_text(%s, true), prompt_text(%s, false)", (messages, messages))
    assert cursor.fetchone() == (text, messages)
