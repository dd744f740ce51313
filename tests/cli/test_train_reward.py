"""egalign train reward: heads for groups on one backbone, a model for each group inside EM, and training that is killed."""
import json
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EGALIGN = ROOT / "build" / os.environ.get("FLAVOUR", "release") / "egalign"
WORDS = "the a good bad movie plot was is and very nice dull fine story".split()
HOW = ["--k", "2", "--rate", "0.003", "--batch-tokens", "512", "--held-out", "0.2", "--threads", "1"]


def egalign(*words, expect=0):
    done = subprocess.run([EGALIGN, *map(str, words)], capture_output=True, text=True, timeout=300)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Short answers please two thirds of the people, long ones the rest; and a tiny model that has read some."""
    folder, dice = tmp_path_factory.mktemp("reward"), random.Random(5)
    def text(least, most):
        return " ".join(dice.choice(WORDS) for _ in range(dice.randint(least, most)))
    pairs = []
    for h in range(12):
        for i in range(20):
            sides = [text(2, 6), text(12, 18)][::-1 if h % 3 == 0 else 1]
            pairs.append({"annotator": f"h{h}", "prompt": f"Review {i}", "chosen": sides[0], "rejected": sides[1]})
    examples = [{"prompt": p["prompt"], "response": p["chosen"]} for p in pairs[:60]]
    for name, rows in (("examples", examples), ("pairs", pairs)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    egalign("train", "sft", "--data", folder / "examples.jsonl", "--new", "2x32", "--vocabulary", 300, "--context", 64,
            "--batch-tokens", 512, "--steps", 10, "--out", folder / "model")
    return folder


def test_heads_shape_an_encoder(place):
    out = place / "shaped"
    done = egalign("train", "reward", "--data", place / "pairs.jsonl", "--init", place / "model", "--out", out, *HOW,
                   "--epochs", 2, "--json")
    groups = json.loads(done.stdout)["groups"]
    assert [g["size"] for g in groups] == [8, 4]
    assert all(g["rate"] > 0.9 and g["low"] > 0.6 and g["n"] > 5 for g in groups)
    before, after = (json.loads((place / name / "config.json").read_text()) for name in ("model", "shaped"))
    assert before == after and (out / "tokenizer.json").exists()
    fit = json.loads(egalign("fit", "--json", "--encoder", "lm", "--model", out, "--k", 2, "--ridge", 10,
                             place / "pairs.jsonl").stdout)
    assert fit["groups"][1]["summary"]["accuracy"]["group"]["rate"] > 0.9
    egalign("train", "reward", "--data", place / "pairs.jsonl", "--init", place / "model", "--out", out, *HOW, expect=1)


def weights(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("model.safetensors"))}


@pytest.mark.parametrize("mode", ["heads", "full"])
def test_killed_training_goes_on_to_the_same_bits(place, mode):
    command = ["train", "reward", "--data", place / "pairs.jsonl", "--init", place / "model", *HOW, "--epochs", 4,
               "--checkpoint-every", 3, *(["--full"] if mode == "full" else [])]
    whole, out = place / f"whole-{mode}", place / f"broken-{mode}"
    egalign(*command, "--out", whole)
    process = subprocess.Popen([EGALIGN, *map(str, command), "--out", out], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not any(out.glob("checkpoint-*")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    killed = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    if killed:
        assert "Going on" in egalign(*command, "--out", out).stdout
    assert len(weights(out)) == (3 if mode == "full" else 1) and weights(out) == weights(whole)


def test_each_group_gets_a_model_of_its_own(place):
    """The paper's Algorithm 2: hard assignment from a round-robin start."""
    out = place / "models"
    done = egalign("train", "reward", "--full", "--assignment", "hard", "--start", "round-robin", "--data",
                   place / "pairs.jsonl", "--init", place / "model", "--out", out, *HOW, "--epochs", 2, "--json")
    groups = json.loads(done.stdout)["groups"]
    assert all(g["group"]["rate"] > 0.9 for g in groups)
    assert min(g["single"]["rate"] for g in groups) < 0.2
    for name in ("group-0", "group-1", "single"):
        assert (out / name / "model.safetensors").exists() and (out / name / "egalign.json").exists()
    assert not list(out.glob("checkpoint-*"))


@pytest.mark.parametrize("arguments", [["--init", "x"], ["--data", "x", "--init", "y", "--out", "z", "--iterations", "3"],
                                       ["--data", "x", "--init", "y", "--out", "z", "--full", "--assignment", "maybe"],
                                       ["--data", "x", "--init", "y", "--out", "z", "--full", "--start", "here"]])
def test_a_wrong_command_line_is_status_2(arguments):
    egalign("train", "reward", *arguments, expect=2)
