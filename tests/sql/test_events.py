"""Events of a project: what makes one, and that their numbers become visible in their order, whoever commits when."""
import pathlib
import threading
import uuid

import psycopg2

from test_policy_tables import OTHER, PROJECT, cursor, job, policy  # noqa: F401 (cursor is a fixture)

SQL = pathlib.Path(__file__).resolve().parents[2] / "src/store/sql"


def events(cursor, project=PROJECT):  # noqa: F811
    cursor.execute("SELECT number, kind, data FROM event WHERE project_id = %s ORDER BY number", (project,))
    return cursor.fetchall()


def test_a_job_tells_when_it_is_asked_for_and_changes(cursor):  # noqa: F811
    one = job(cursor)
    cursor.execute("UPDATE job SET state = 'running', lease_token = gen_random_uuid(), attempts = 1 WHERE id = %s", (one,))
    cursor.execute("UPDATE job SET progress = 0.5, stage = 'x', lease_until = now(), state = 'running' WHERE id = %s", (one,))
    cursor.execute("UPDATE job SET cancel_requested = true WHERE id = %s", (one,))
    cursor.execute("UPDATE job SET cancel_requested = true WHERE id = %s", (one,))
    cursor.execute("UPDATE job SET state = 'failed', error = '{\"code\": \"x\"}', cancel_requested = false WHERE id = %s", (one,))
    job(cursor, project=OTHER)
    found = events(cursor)
    assert [number for number, _, _ in found] == [1, 2, 3, 4]
    assert [(data["state"], data["cancel_requested"]) for _, _, data in found] == [
        ("queued", False), ("running", False), ("running", True), ("failed", False)]
    assert found[3][2]["error"] == {"code": "x"} and all(data["job"] == one for _, _, data in found)
    assert [number for number, _, _ in events(cursor, OTHER)] == [1]


def test_the_policy_of_a_job_is_told_with_it(cursor):  # noqa: F811
    """It is stored after its job, in the same transaction."""
    one, made = str(uuid.uuid4()), str(uuid.uuid4())
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO job (id, project_id, kind) VALUES (%s, %s, 'sft')", (one, PROJECT))
    cursor.execute("INSERT INTO policy (id, project_id, name, job_id) VALUES (%s, %s, 'p', %s)", (made, PROJECT, one))
    cursor.execute("COMMIT")
    assert [data["policy"] for _, _, data in events(cursor)] == [made]


def test_fits_groups_and_evaluations(cursor):  # noqa: F811
    fits = [str(uuid.uuid4()) for _ in range(2)]
    for fit in fits:
        cursor.execute("INSERT INTO fit (id, project_id, job_id, options, input_digest) VALUES (%s, %s, %s, '{}', '')",
                       (fit, PROJECT, job(cursor, "fit", "done")))
    split = str(uuid.uuid4())
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO lineage_event (fit_id, line, kind, before, after, share) "
                   "VALUES (%s, 0, 'split', ARRAY[%s]::uuid[], ARRAY[%s]::uuid[], 0.5)", (fits[0], split, split))
    cursor.execute("UPDATE project SET published_fit = %s WHERE id = %s", (fits[0], PROJECT))
    cursor.execute("COMMIT")
    cursor.execute("UPDATE project SET published_fit = %s WHERE id = %s", (fits[0], PROJECT))
    cursor.execute("UPDATE project SET title = 'x', last_job_at = now() WHERE id = %s", (PROJECT,))
    cursor.execute("UPDATE project SET published_fit = %s WHERE id = %s", (fits[1], PROJECT))
    judged, evaluation = policy(cursor, "judged"), str(uuid.uuid4())
    cursor.execute("INSERT INTO evaluation (id, project_id, job_id, policy_id) VALUES (%s, %s, %s, %s)",
                   (evaluation, PROJECT, job(cursor, "evaluate"), judged))
    cursor.execute("UPDATE evaluation SET document = '{}', published_at = now() WHERE id = %s", (evaluation,))
    found = [(kind, data) for _, kind, data in events(cursor) if kind != "job"]
    assert [kind for kind, _ in found] == ["group", "fit", "fit", "evaluation"]
    assert found[0][1] == {"fit": fits[0], "change": "split", "before": [split], "after": [split], "share": 0.5}
    assert [data["fit"] for _, data in found[1:3]] == fits
    assert found[3][1]["evaluation"] == evaluation and found[3][1]["policy"] == judged


def test_numbers_are_in_the_order_of_commits(database, cursor):  # noqa: F811
    """The first to write is the last to commit. A sequence would give it the lower number, and who had read on from the
    higher one would never see it: `drawn` is that control."""
    cursor.execute("CREATE TABLE drawn (number bigint GENERATED ALWAYS AS IDENTITY, who text)")
    slow, undone = psycopg2.connect(database), psycopg2.connect(database)
    for connection, who in ((slow, "slow"), (undone, "undone")):
        job(connection.cursor())
        connection.cursor().execute("INSERT INTO drawn (who) VALUES (%s)", (who,))
    quick = job(cursor)
    cursor.execute("INSERT INTO drawn (who) VALUES ('quick')")
    seen = events(cursor)
    cursor.execute("SELECT max(number) FROM drawn")
    [(drawn,)] = cursor.fetchall()
    assert [(number, data["job"]) for number, _, data in seen] == [(1, quick)]
    undone.rollback()
    slow.commit()
    later = [number for number, _, _ in events(cursor) if number > seen[-1][0]]
    assert later == [2]
    cursor.execute("SELECT who FROM drawn WHERE number > %s", (drawn,))
    assert cursor.fetchall() == []  # the control misses it
    for connection in (slow, undone):
        connection.close()


def test_many_at_once_leave_no_gap_and_no_deadlock(database, cursor):  # noqa: F811
    """Claims hold the project's row and publications the job's; each ends with an event of the same project."""
    claim = (SQL / "job_claim.sql").read_text()
    done, stop, faults = [], threading.Event(), []

    def work(number):
        connection = psycopg2.connect(database)
        connection.autocommit = True
        mine = connection.cursor()
        mine.execute("PREPARE claim (text, integer) AS " + claim)
        try:
            for turn in range(25):
                one = job(mine, "complete", project=(PROJECT, OTHER)[turn % 2])
                mine.execute("EXECUTE claim (%s, 60)", (f"w:{number}",))
                for row in mine.fetchall():
                    mine.execute("BEGIN")
                    mine.execute("SELECT FROM job WHERE id = %s FOR NO KEY UPDATE", (row[0],))
                    mine.execute("UPDATE project SET title = %s WHERE id = %s", (one, row[1]))
                    mine.execute("UPDATE job SET state = 'done' WHERE id = %s", (row[0],))
                    mine.execute("COMMIT")
                    done.append(row[0])
        except psycopg2.Error as fault:
            faults.append(fault)
        connection.close()

    def read(seen):
        connection = psycopg2.connect(database)
        connection.autocommit = True
        mine = connection.cursor()
        while True:
            last = stop.is_set()
            mine.execute("SELECT number FROM event WHERE project_id = %s AND number > %s ORDER BY number LIMIT 7",
                         (PROJECT, seen[-1] if seen else 0))
            rows = mine.fetchall()
            seen.extend(number for number, in rows)
            if last and not rows:
                return connection.close()

    seen = []
    reader = threading.Thread(target=read, args=(seen,))
    writers = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in [reader, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert faults == [] and len(done) > 10
    assert seen == list(range(1, len(seen) + 1)) and len(seen) == len(events(cursor))
