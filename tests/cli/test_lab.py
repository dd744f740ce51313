"""egalign lab: tables, JSON and exit status of the experiments and of the sweep."""
import json
import subprocess

import pytest


@pytest.fixture
def lab(program):
    def run(*arguments):
        return subprocess.run([program, "lab", *arguments], capture_output=True, text=True, timeout=300)
    return run


def test_an_experiment_within_target_succeeds(lab):
    table = lab("T9")
    assert table.returncode == 0 and table.stdout.startswith("T9: ") and table.stdout.endswith("within target\n")
    document = json.loads(lab("T9", "--json").stdout)
    least = next(f for f in document["figures"] if f["name"] == "max-min, the least utility")
    assert document["within"] and least["judged"] and least["within"] and abs(least["value"] + 5.4) < 0.05


def test_repeats_and_seeds_are_taken(lab):
    once, again = (lab("T7", "--repeats", "1", "--seed", "3", "--json") for _ in range(2))
    assert once.returncode == 0 and once.stdout == again.stdout
    assert lab("T7", "--repeats", "1", "--seed", "4", "--json").stdout != once.stdout


def test_the_sweep_gives_means_and_intervals(lab):
    document = json.loads(lab("sweep", "--seeds", "2", "--json").stdout)
    assert document["seeds"] == 2 and [row["ratio"] for row in document["ratios"]] == [1, 2, 6, 10]
    for row in document["ratios"]:
        for policy in ("single", "single_at_equal_kl", "maxmin"):
            for group in ("majority", "minority"):
                cell = row[policy][group]
                assert 0 < cell["mean"] < 1 and cell["low"] < cell["mean"] < cell["high"]
    assert document["ratios"][-1]["single"]["minority"]["mean"] < 0.5 < document["ratios"][-1]["maxmin"]["minority"]["mean"]


def test_the_sweep_prints_a_table(lab):
    table = lab("sweep", "--seeds", "1")
    assert table.returncode == 0 and all(f"{r}:1 " in table.stdout for r in (1, 2, 6, 10))


@pytest.mark.parametrize("arguments", [(), ("T99",), ("sweep", "--repeats", "2"), ("T9", "--seeds", "2"), ("T9", "--seed"),
                                       ("T9", "--never")])
def test_a_command_line_that_makes_no_sense_is_refused(lab, arguments):
    refused = lab(*arguments)
    assert refused.returncode == 2 and refused.stderr and not refused.stdout
