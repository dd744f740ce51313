"""egalign fit and egalign lab: known groups are found in real texts, hostile files are named, results repeat."""
import gzip
import json
import os
import pathlib
import random
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EGALIGN = ROOT / "build" / os.environ.get("FLAVOUR", "release") / "egalign"
DATA = pathlib.Path(os.environ.get("EGALIGN_DATA", ROOT / ".." / "shared" / "data"))


def run(*arguments, stdin=None):
    return subprocess.run([EGALIGN, *map(str, arguments)], input=stdin, capture_output=True, timeout=600)


def fitted(*arguments, stdin=None):
    done = run("fit", "--json", *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pairs_of(folder):
    path = DATA / folder / "pairs.jsonl.gz"
    if not path.exists():
        pytest.skip(f"{folder} is not at hand")
    return path


def rand_index(one, other):
    """The adjusted Rand index, written apart from the one in C."""
    def pairs(n):
        return n * (n - 1) / 2
    joint, rows, columns = {}, {}, {}
    for a, b in zip(one, other):
        joint[a, b] = joint.get((a, b), 0) + 1
        rows[a] = rows.get(a, 0) + 1
        columns[b] = columns.get(b, 0) + 1
    both, first, second = (sum(map(pairs, t.values())) for t in (joint, rows, columns))
    expected = first * second / pairs(len(one))
    return (both - expected) / ((first + second) / 2 - expected)


def agreement(fit, folder):
    truth = {}
    for line in open(DATA / folder / "groups.jsonl"):
        row = json.loads(line)
        truth[row["annotator"]] = row["group"]
    people = fit["memberships"]
    assert len(people) == len(truth)
    return rand_index([-1 if p["ordinal"] is None else p["ordinal"] for p in people], [truth[p["name"]] for p in people])


def test_concise_and_informative_are_told_apart():
    fit = fitted(pairs_of("rlphf_p2_style"))
    assert fit["k"] == 2
    assert agreement(fit, "rlphf_p2_style") >= 0.95
    minority = fit["groups"][1]["summary"]["accuracy"]
    assert minority["group"]["rate"] >= 0.72
    assert minority["single"]["rate"] <= 0.35
    assert minority["group"]["low"] > minority["single"]["high"]
    assert abs(sum(g["weight"] for g in fit["groups"]) - 1) < 1e-9
    calibration = fit["groups"][1]["summary"]["calibration"]
    assert calibration["group"]["n"] == calibration["single"]["n"] == minority["group"]["n"]
    assert calibration["group"]["tempered_nll"] <= calibration["group"]["nll"] < calibration["single"]["nll"]
    assert calibration["group"]["error"] < 0.2 < calibration["single"]["error"]


def test_elementary_and_expert_are_told_apart():
    fit = fitted(pairs_of("rlphf_p1_style"))
    assert fit["k"] == 2
    assert agreement(fit, "rlphf_p1_style") >= 0.95
    assert fit["summary"]["accuracy"]["group"]["rate"] >= 0.83
    assert fit["summary"]["accuracy"]["single"]["rate"] <= 0.60


@pytest.mark.parametrize("unit, least", [("item", 0.70), ("pair", 0.72)])
def test_convincing_arguments_are_predicted(unit, least):
    """New topics by style and words of no topic; new judgements of known topics better than that."""
    fit = fitted("--k", 1, "--ridge", 100, "--fold-unit", unit, pairs_of("ukpconvarg1"))
    assert fit["summary"]["fold_unit"] == unit
    assert fit["summary"]["accuracy"]["single"]["rate"] >= least


def shuffled(path, seed):
    rows = [json.loads(line) for line in gzip.open(path)]
    people = [row["annotator"] for row in rows]
    random.Random(seed).shuffle(people)
    for row, annotator in zip(rows, people):
        row["annotator"] = annotator
    return "\n".join(map(json.dumps, rows)).encode()


def test_permuted_annotators_are_one_group():
    path = pairs_of("rlphf_p2_style")
    chosen = [fitted("--ridge", 30, "--k-max", 3, "-", stdin=shuffled(path, seed))["k"] for seed in range(3)]
    assert chosen == [1, 1, 1]


def test_threads_and_runs_do_not_change_the_result():
    path = pairs_of("rlphf_p2_style")
    arguments = ("--k", 2, "--ridge", 30, "--folds", 2, path)
    one, two = fitted("--threads", 1, *arguments), fitted("--threads", 2, *arguments)
    assert one.pop("threads") == 1 and two.pop("threads") == 2
    assert one == two


@pytest.fixture(scope="module")
def short_and_long(tmp_path_factory):
    """A tiny language model, and two tastes: two thirds of the people want short answers, the rest long ones."""
    folder, dice = tmp_path_factory.mktemp("lm"), random.Random(1)
    words = "the a good bad movie plot was is and very nice dull fine story".split()
    def text(least, most):
        return " ".join(dice.choice(words) for _ in range(dice.randint(least, most)))
    examples = [{"prompt": f"Write review {i % 10}", "response": text(2, 30)} for i in range(100)]
    pairs = []
    for h in range(12):
        for i in range(30):
            sides = [text(2, 8), text(14, 30)][::-1 if h % 3 == 0 else 1]
            pairs.append({"annotator": f"h{h}", "prompt": f"Write review {i}", "chosen": sides[0], "rejected": sides[1]})
    for name, rows in (("examples", examples), ("pairs", pairs)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run("train", "sft", "--data", folder / "examples.jsonl", "--new", "2x32", "--vocabulary", 300, "--context",
               128, "--steps", 10, "--out", folder / "model")
    assert done.returncode == 0, done.stderr
    return folder


def test_states_of_a_language_model_are_features(short_and_long):
    arguments = ("--encoder", "lm", "--model", short_and_long / "model", "--k-max", 2, short_and_long / "pairs.jsonl")
    fit = fitted("--threads", 1, *arguments)
    assert fit["k"] == 2 and fit["encoder"] == "lm" and fit["summary"]["dimension"] == 2 * 32
    assert [p["ordinal"] for p in fit["memberships"]] == [1 if h % 3 == 0 else 0 for h in range(12)]
    assert fit["groups"][1]["summary"]["accuracy"]["group"]["rate"] > 0.95
    assert fit["groups"][1]["summary"]["accuracy"]["single"]["rate"] < 0.2
    again = fitted("--threads", 2, *arguments)
    assert again.pop("threads") == 2 and fit.pop("threads") == 1
    assert again == fit
    assert len(fit["summary"]["encoder_digest"]) == 64


def test_an_encoder_needs_its_model(short_and_long, tmp_path):
    pairs = short_and_long / "pairs.jsonl"
    assert run("fit", "--encoder", "lm", pairs).returncode == 2
    assert run("fit", "--model", short_and_long / "model", pairs).returncode == 2
    assert run("fit", "--encoder", "other", pairs).returncode == 2
    done = run("fit", "--encoder", "lm", "--model", tmp_path, pairs)
    assert done.returncode == 1 and b"tokenizer" in done.stderr


def test_ties_of_experts_are_fitted():
    folder = DATA / "tulu_human_eval"
    if not folder.exists():
        pytest.skip("tulu_human_eval is not at hand")
    lines = b"".join(gzip.open(folder / name).read() for name in ("pairs.jsonl.gz", "ties.jsonl.gz"))
    fit = fitted("--k-max", 2, "-", stdin=lines)
    assert fit["tied"] > 300 and fit["summary"]["ties"] == "davidson" and fit["summary"]["tie_parameter"] > 0


def test_few_items_are_held_out_by_pair():
    row = '{{"annotator": "h{}", "prompt": "one", "chosen": "long text {}", "rejected": "no {}"}}\n'
    lines = "".join(row.format(i % 4, i, i) for i in range(40))
    fit = fitted("--k-max", 2, "-", stdin=lines.encode())
    assert fit["summary"]["fold_unit"] == "pair"


@pytest.mark.parametrize("line, word", [
    ('{"annotator": "a", "prompt": "p", "chosen": "x"}', "rejected"),
    ('{"annotator": 1, "prompt": "p", "chosen": "x", "rejected": "y"}', "annotator"),
    ('{"prompt": "p", "chosen": "x", "rejected": "y"}', "annotator"),
    ('{"annotator": "a"', ""),
    ("[" * 100000, ""),
    ('{"annotator": "a", "prompt": "\udcff", "chosen": "x", "rejected": "y"}', ""),
    ('{"annotator": "a", "annotator": "b", "prompt": "p", "chosen": "x", "rejected": "y"}', "annotator"),
])
def test_a_bad_line_is_named(line, word):
    good = '{"annotator": "a", "prompt": "p", "chosen": "x", "rejected": "y", "meta": {"any": 1}}\n'
    done = run("fit", "-", stdin=(good + line + "\n").encode("utf-8", "surrogateescape"))
    assert done.returncode == 1 and done.stdout == b""
    message = done.stderr.decode()
    assert "line 2" in message and word in message


def test_a_cut_gzip_file_is_named(tmp_path):
    path = tmp_path / "cut.jsonl.gz"
    row = b'{"annotator": "a", "prompt": "p", "chosen": "x", "rejected": "y"}\n'
    path.write_bytes(gzip.compress(os.urandom(5000).hex().encode() + row)[:300])
    done = run("fit", path)
    assert done.returncode == 1 and b"cut.jsonl.gz" in done.stderr


def test_an_empty_file_is_too_little():
    done = run("fit", "-", stdin=b"")
    assert done.returncode == 1 and b"a fit needs" in done.stderr


@pytest.mark.parametrize("arguments", [["fit"], ["fit", "--k-max", "13", "x"], ["fit", "--seed", "x", "y"],
                                       ["fit", "--ties", "maybe", "x"], ["fit", "--nope", "x"], ["fit", "x", "y"],
                                       ["lab"], ["lab", "T0"], ["lab", "T2", "--seed"]])
def test_a_wrong_command_line_is_status_2(arguments):
    assert run(*arguments).returncode == 2


@pytest.mark.parametrize("arguments", [("T1", "--repeats", 3), ("T2",), ("T3", "--repeats", 5), ("T10",)])
def test_experiments_are_within_target(arguments):
    done = run("lab", "--json", *arguments)
    result = json.loads(done.stdout)
    assert done.returncode == 0 and result["within"], result


def test_few_comparisons_an_annotator():
    done = run("lab", "--json", "T4")
    assert json.loads(done.stdout)["within"], done.stdout


def test_the_number_of_groups_is_chosen():
    figures = json.loads(run("lab", "--json", "T8", "--repeats", 2).stdout)["figures"]
    assert len(figures) == 3 and sum(f["value"] for f in figures) >= 2.5


def test_a_missed_target_is_status_1():
    done = run("lab", "T4", "--repeats", 1, "--seed", 1)
    assert b"OUTSIDE" in done.stdout and done.returncode == 1
