"""The demo population: the same for a seed, whole, and of the taste that its key tells."""
import collections
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EGALIGN = ROOT / "build" / os.environ.get("FLAVOUR", "release") / "egalign"


def demo(*arguments):
    done = subprocess.run([EGALIGN, "demo", *arguments], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    key = tmp_path_factory.mktemp("demo") / "key.jsonl"
    rows = [json.loads(line) for line in demo("--key", str(key)).splitlines()]
    return rows, {person["annotator"]: person for person in map(json.loads, key.read_text().splitlines())}


def test_a_seed_gives_the_same_lines_and_another_gives_others():
    assert demo() == demo("--seed", "1")
    assert demo("--seed", "2") != demo("--seed", "3")


def test_rows_are_whole(population):
    rows, key = population
    assert len(rows) == 3624
    assert len({row["id"] for row in rows}) == len(rows)
    assert {row["outcome"] for row in rows} == {"a", "b", "tie", "both_bad", "skip"}
    assert all((row["a"]["policy"], row["a"]["text"]) != (row["b"]["policy"], row["b"]["text"]) for row in rows)
    assert not any("{" in row[side]["text"] for row in rows for side in "ab")
    judged = collections.Counter(row["annotator"] for row in rows)
    assert judged == {name: person["comparisons"] for name, person in key.items()}


def test_people_judge_by_the_taste_that_the_key_tells(population):
    rows, key = population
    as_told, told = collections.Counter(), collections.Counter()
    for row in rows:
        if row["outcome"] not in ("a", "b"):
            continue
        shorter = min("ab", key=lambda side: len(row[side]["text"].split()))
        group = key[row["annotator"]]["group"]
        told[group] += 1
        as_told[group] += (row["outcome"] == shorter) == (group == "concise")
    assert told["concise"] > 3 * told["detailed"] > 1500
    assert all(0.75 < as_told[group] / told[group] < 0.9 for group in told)


def test_what_cannot_be_written_is_said():
    done = subprocess.run([EGALIGN, "demo", "--key", "/nonexistent/key"], capture_output=True, timeout=60, text=True)
    assert done.returncode == 1
    assert "/nonexistent/key" in done.stderr
    with open("/dev/full", "w") as full:
        assert subprocess.run([EGALIGN, "demo"], stdout=full, stderr=subprocess.DEVNULL, timeout=60).returncode == 1
    assert subprocess.run([EGALIGN, "demo", "--seed", "x"], capture_output=True, timeout=60).returncode == 2
