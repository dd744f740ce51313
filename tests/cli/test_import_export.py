"""`egalign import` and `egalign export`: files in, the same files out."""
import gzip
import json
import subprocess

import psycopg2
import pytest


class Command:
    """Runs the program on one database."""

    def __init__(self, program, url):
        self.program, self.url = program, url

    def __call__(self, *arguments, status=0, feed=None):
        done = subprocess.run([self.program, *map(str, arguments), "--database-url", self.url], input=feed,
                              capture_output=True, timeout=120)
        assert done.returncode == status, done.stderr.decode()
        return done

    def sql(self, statement):
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else None
        finally:
            connection.close()


@pytest.fixture
def run(program, database):
    return Command(program, database)


@pytest.fixture(scope="session")
def demo(program, tmp_path_factory):
    """The demo population as a file."""
    path = tmp_path_factory.mktemp("demo") / "demo.jsonl"
    path.write_bytes(subprocess.run([program, "demo"], capture_output=True, check=True, timeout=60).stdout)
    return path


def line(**members):
    record = {"annotator": "ann", "prompt": "Why?", "a": {"text": "Because."}, "b": {"text": "Why not?"}, "outcome": "a"}
    record.update(members)
    return json.dumps({k: v for k, v in record.items() if v is not None}) + "\n"


EVERYTHING = "".join([
    line(id="0198f3c2-0000-7000-8000-000000000001", outcome="a", strength=3, reasons=["clear", "trop « long »"],
         shown_first="b", duration_ms=0, created_at="2026-02-03T04:05:06.000007Z", meta={"deep": [1, {"x": "é\U0001f600"}]},
         a={"text": "one\nline \"quoted\" \\ \t end", "policy": "p/1"}, b={"text": "", "policy": "p 2"}),
    line(id="0198f3c2-0000-7000-8000-000000000002", outcome="tie", prompt=[
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Why?"}]),
    line(id="0198f3c2-0000-7000-8000-000000000003", outcome="both_bad", annotator="ann\u0000".rstrip("\u0000")),
    line(id="0198f3c2-0000-7000-8000-000000000004", outcome="skip", skip_reason="I do not know \u2028 this"),
    line(id="0198f3c2-0000-7000-8000-000000000005", outcome="b", strength=1, annotator="κάποιος"),
])


def test_own_lines_survive_the_round_trip_byte_for_byte(run, tmp_path):
    first = tmp_path / "first.jsonl"
    run("import", "--project", "one", "--create", "-", feed=EVERYTHING.encode())
    run("export", "--project", "one", "--out", first)
    assert [json.loads(l) for l in first.read_bytes().splitlines()] == [
        json.loads(l) for l in EVERYTHING.encode().splitlines()]
    run("import", "--project", "two", "--create", first)
    assert run("export", "--project", "two").stdout == first.read_bytes()


def test_a_large_file_survives_it_too(run, demo):
    run("import", "--project", "one", "--create", demo)
    first = run("export", "--project", "one").stdout
    assert sorted(first.splitlines()) == sorted(demo.read_bytes().splitlines())
    run("import", "--project", "two", "--create", "-", feed=first)
    assert run("export", "--project", "two").stdout == first
    assert run.sql("SELECT count(*), count(DISTINCT item_id) > 10 FROM comparison")[0] == (2 * 3624, True)


def test_importing_again_stores_nothing_twice(run, demo):
    run("import", "--project", "one", "--create", demo)
    done = json.loads(run("import", "--project", "one", "--json", demo).stdout)
    assert done == {"accepted": 0, "duplicate": 3624, "rejected": 0, "errors": []}
    assert run.sql("SELECT count(*) FROM comparison") == [(3624,)]


def test_gzip_is_read_by_itself(run, demo, tmp_path):
    packed = tmp_path / "demo.jsonl.gz"
    packed.write_bytes(gzip.compress(demo.read_bytes()))
    done = json.loads(run("import", "--project", "one", "--create", "--json", packed).stdout)
    assert done["accepted"] == 3624
    broken = tmp_path / "broken.gz"
    broken.write_bytes(packed.read_bytes()[:5000])
    run("import", "--project", "two", "--create", broken, status=1)
    assert run.sql("SELECT count(*) FROM comparison c JOIN project p ON p.id = c.project_id WHERE p.name = 'two'") == [(0,)]


BAD = line() + line(outcome="c") + '{"annotator": "x"\n' + line(strenght=2) + line()


def test_one_bad_line_and_nothing_is_stored(run):
    done = run("import", "--project", "one", "--create", "-", feed=BAD.encode(), status=1)
    told = done.stderr.decode()
    assert "-:2: /outcome" in told and "-:3: " in told and "-:4: /strenght" in told
    assert "Nothing stored" in done.stdout.decode()
    assert run.sql("SELECT count(*) FROM comparison") == [(0,)]


def test_good_lines_are_stored_when_bad_ones_may_be_skipped(run):
    done = run("import", "--project", "one", "--create", "--on-error", "skip", "--json", "-", feed=BAD.encode())
    report = json.loads(done.stdout)
    assert (report["accepted"], report["rejected"]) == (2, 3)
    assert [(e["line"], e["code"]) for e in report["errors"]] == [
        (2, "invalid_value"), (3, "invalid_json"), (4, "unknown_member")]
    assert run.sql("SELECT count(*) FROM comparison") == [(2,)]


def test_a_conflicting_id_is_refused(run):
    one = line(id="0198f3c2-0000-7000-8000-000000000001")
    run("import", "--project", "one", "--create", "-", feed=one.encode())
    other = line(id="0198f3c2-0000-7000-8000-000000000001", outcome="b")
    done = run("import", "--project", "one", "--json", "-", feed=other.encode(), status=1)
    assert json.loads(done.stdout)["errors"][0]["code"] == "conflict"


def test_a_project_must_be_there_or_be_asked_for(run):
    done = run("import", "--project", "none", "-", feed=b"", status=1)
    assert "--create" in done.stderr.decode()
    run("export", "--project", "none", status=1)


@pytest.mark.parametrize("arguments", [
    [], ["--project", "p"], ["x"], ["--project", "p", "--format", "xml", "x"], ["--project", "p", "--on-error", "stop", "x"],
    ["--project", "p", "x", "y"], ["--project", "p", "--anonymous", "--annotator-field", "z", "x"],
    ["--project", "p", "--create=yes", "x"], ["--project", "p", "--no-such", "x"]])
def test_an_unusable_command_line_is_status_2(run, arguments):
    subprocess_status = run("import", *arguments, status=2)
    assert subprocess_status.stderr


@pytest.mark.parametrize("form", ["trl", "trl-implicit", "hh-rlhf", "arena"])
def test_other_formats_say_what_they_cannot_express(run, demo, form, tmp_path):
    run("import", "--project", "one", "--create", demo)
    out = tmp_path / "out.jsonl"
    told = run("export", "--project", "one", "--format", form, "--out", out).stderr.decode()
    written = out.read_text().splitlines()
    outcomes = dict(run.sql("SELECT outcome::text, count(*) FROM comparison GROUP BY 1"))
    carried = {"a", "b"} | ({"tie", "both_bad"} if form == "arena" else set())
    # Where policies are not written, two policies that answered alike are one response, which cannot be compared with itself.
    lines = [json.loads(line) for line in demo.read_text().splitlines()]
    alike = 0 if form == "arena" else sum(r["a"]["text"] == r["b"]["text"] for r in lines if r["outcome"] in carried)
    assert form == "arena" or alike > 0
    assert len(written) == sum(n for o, n in outcomes.items() if o in carried) - alike
    for outcome in outcomes.keys() - carried:
        assert f"{outcome} {outcomes[outcome]}" in told
    done = json.loads(run("import", "--project", "two", "--create", "--format", form, "--json", out).stdout)
    assert done == {"accepted": len(written), "duplicate": 0, "rejected": 0, "errors": []}


def test_a_format_without_annotators_asks_for_their_field(run):
    trl = json.dumps({"prompt": "Why?", "chosen": "Because.", "rejected": "No.", "who": {"id": "w7"}}) + "\n"
    done = run("import", "--project", "one", "--create", "--format", "trl", "-", feed=trl.encode(), status=1)
    assert "/annotator" in done.stderr.decode()
    run("import", "--project", "one", "--format", "trl", "--annotator-field", "who.id", "-", feed=trl.encode())
    assert run.sql("SELECT name FROM annotator") == [("w7",)]


def test_what_was_undone_is_not_exported(run):
    run("import", "--project", "one", "--create", "-", feed=EVERYTHING.encode())
    run.sql("INSERT INTO retraction (project_id, comparison_id) SELECT project_id, id FROM comparison WHERE outcome = 'tie'")
    lines = [json.loads(l) for l in run("export", "--project", "one").stdout.splitlines()]
    assert [l["outcome"] for l in lines] == ["a", "both_bad", "skip", "b"]


def test_a_failed_export_leaves_no_file(run, tmp_path):
    out = tmp_path / "out.jsonl"
    run("export", "--project", "none", "--out", out, status=1)
    assert list(tmp_path.iterdir()) == []
