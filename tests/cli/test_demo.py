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


def test_reviews_are_examples_and_prompts_of_evaluation_are_not_among_them():
    examples = [json.loads(line) for line in demo("reviews", "--count", "300").splitlines()]
    assert len(examples) == 300 and all(e["response"].startswith(" ") and e["response"].endswith(".") for e in examples)
    assert demo("reviews", "--count", "300") == demo("reviews", "--count", "300", "--seed", "1")
    trained, held_out = (demo("prompts", *more).decode().splitlines() for more in ([], ["--held-out"]))
    assert (len(trained), len(held_out)) == (576, 192) and not set(trained) & set(held_out)
    assert {e["prompt"] for e in examples} <= set(trained)
    assert demo("prompts", "--held-out", "--count", "5").decode().splitlines() == held_out[:5]


def judge(items, *arguments):
    text = "".join(json.dumps(item) + "\n" for item in items)
    done = subprocess.run([EGALIGN, "demo", "judge", *arguments], input=text.encode(), capture_output=True, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def test_people_judge_by_praise_or_by_brevity():
    long_praise, short_blame = " is a joy to me from the first day on. I am so glad that I found it.", " is bad."
    items = [{"prompt": "On the lamp. It", "responses": [{"text": long_praise, "policy": "w"}, {"text": short_blame}]}]
    for people, won in (("--majority", long_praise), ("--minority", short_blame)):
        other = "--minority" if people == "--majority" else "--majority"
        status, rows = judge(items, people, "20", other, "0", "--comparisons", "10")
        assert status == 0 and len(rows) == 200 and len({row["annotator"] for row in rows}) == 20
        assert sum(row[row["outcome"]]["text"] == won for row in rows) > 150
        assert {row[side].get("policy") for row in rows for side in "ab"} == {"w", None}
    assert judge([{"prompt": "On the lamp. It", "responses": [{"text": short_blame}]}])[0] == 1
    assert judge(items, "--majority", "0", "--minority", "0")[0] == 2
