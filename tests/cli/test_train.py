"""egalign train, sample, score and info: a small model from nothing, its directory, and training that is interrupted."""
import gzip
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
NEW = ["--new", "2x32", "--vocabulary", "265", "--context", "64", "--batch-tokens", "256", "--held-out", "0.1",
       "--rate", "0.01"]


def egalign(*words, expect=0, **options):
    done = subprocess.run([EGALIGN, *map(str, words)], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == expect, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """Sums in words: what comes after the prompt can be learnt."""
    path = tmp_path_factory.mktemp("data") / "examples.jsonl"
    dice = random.Random(3)
    lines = []
    for _ in range(300):
        a, b = dice.randrange(9), dice.randrange(9)
        lines.append({"prompt": f"{a} and {b}", "response": "one " * a + "two " * b, "source": "unused"})
    lines += [{"text": "one two one two"}] * 20
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def trained(examples, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "whole"
    done = egalign("train", "sft", "--data", examples, "--out", out, *NEW, "--steps", 40, "--threads", 1, "--json")
    return out, [json.loads(line) for line in done.stdout.splitlines()]


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


def test_held_out_perplexity_falls(trained):
    _, lines = trained
    perplexities = [line["held_out_perplexity"] for line in lines]
    assert perplexities == sorted(perplexities, reverse=True)
    assert perplexities[-1] < perplexities[0] / 2
    assert lines[-1]["step"] == lines[-1]["steps"] == 40


def test_the_directory_is_what_transformers_reads(trained):
    out, _ = trained
    config = json.loads((out / "config.json").read_text())
    tokenizer = json.loads((out / "tokenizer.json").read_text())
    assert config["model_type"] == "gpt2"
    assert config["vocab_size"] == 265 == len(tokenizer["model"]["vocab"])
    assert config["eos_token_id"] == tokenizer["model"]["vocab"]["<|endoftext|>"]
    assert json.loads((out / "tokenizer_config.json").read_text())["eos_token"] == "<|endoftext|>"
    assert not list(out.glob("checkpoint-*")) and not list(out.glob("*tmp*"))


def test_a_killed_training_ends_with_the_same_weights(examples, trained, tmp_path):
    whole, _ = trained
    out = tmp_path / "killed"
    command = [EGALIGN, "train", "sft", "--data", examples, "--out", out, *NEW, "--steps", "40"]
    kills = 0
    for attempt in range(40):
        before = set(out.glob("checkpoint-*"))
        running = subprocess.Popen([*command, "--checkpoint-every", "3", "--threads", str(1 + attempt % 2)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while running.poll() is None and set(out.glob("checkpoint-*")) <= before and time.monotonic() < deadline:
            time.sleep(0.002)
        running.kill()
        if running.wait() == 0:
            break
        kills += 1
    assert kills > 0
    assert weights(out) == weights(whole)


def test_a_signal_leaves_a_checkpoint(examples, trained, tmp_path):
    whole, _ = trained
    out = tmp_path / "stopped"
    command = [EGALIGN, "train", "sft", "--data", examples, "--out", out, *NEW, "--threads", "1"]
    running = subprocess.Popen([*command, "--steps", "100000", "--evaluate-every", "1"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    for line in running.stdout:
        if line.startswith("step 2 "):
            break
    running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 75 and "goes on" in said
    assert len(list(out.glob("checkpoint-*"))) == 1
    other = egalign("train", "sft", "--data", examples, "--out", out, *NEW, "--steps", 40, expect=1)
    assert "other data or options" in other.stderr


def test_training_goes_on_from_a_model(examples, trained, tmp_path):
    whole, before = trained
    out = tmp_path / "further"
    packed = tmp_path / "examples.jsonl.gz"
    packed.write_bytes(gzip.compress(examples.read_bytes()))
    done = egalign("train", "sft", "--data", packed, "--init", whole, "--out", out, "--epochs", "2", "--rate", "1e-3",
                   "--held-out", "0.1", "--batch-tokens", 256, "--json")
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["held_out_perplexity"] <= before[-1]["held_out_perplexity"]
    assert weights(out) != weights(whole)
    assert (out / "tokenizer.json").read_bytes() == (whole / "tokenizer.json").read_bytes()
    assert "holds a model already" in egalign("train", "sft", "--data", packed, "--init", whole, "--out", out,
                                              expect=1).stderr


def test_score_agrees_with_training(examples, trained, tmp_path):
    """What training calls the loss of one step over one example is minus the mean of what score prints."""
    whole, _ = trained
    one = tmp_path / "one.jsonl"
    one.write_text('{"prompt": "2 and 1", "response": "one one two "}\n')
    scored = json.loads(egalign("score", whole, one).stdout)
    done = egalign("train", "sft", "--data", one, "--init", whole, "--out", tmp_path / "out", "--steps", 1,
                   "--held-out", 0, "--json")
    step = json.loads(done.stdout)
    assert step["loss"] == pytest.approx(-scored["logp"] / scored["tokens"], rel=1e-5)


def test_sample_depends_on_the_seed_only(trained):
    whole, _ = trained

    def samples(*more):
        done = egalign("sample", whole, "--prompt", "2 and 1", "--max-new", 12, "--json", *more)
        return [json.loads(line) for line in done.stdout.splitlines()]
    three = samples("--samples", 3)
    assert samples("--samples", 3, "--threads", 1) == three
    two = samples("--samples", 2)
    assert [one["text"] for one in two] == [one["text"] for one in three[:2]]
    assert [one["logp"] for one in two] == pytest.approx([one["logp"] for one in three[:2]], rel=1e-5)
    assert samples("--samples", 3, "--seed", 2) != three


def test_sample_says_what_was_learnt(trained):
    whole, _ = trained
    greedy = egalign("sample", whole, "--prompt", "2 and 1", "--temperature", 0).stdout
    assert greedy == egalign("sample", whole, "--prompt", "2 and 1", "--temperature", 0, "--seed", 9).stdout
    assert greedy.split() and set(greedy.split()) <= {"one", "two"}


LORA = ["--lora", 4, "--rate", "0.02", "--held-out", "0.1", "--batch-tokens", 256, "--steps", 12]


def scores(folder, examples, *more):
    done = egalign("score", folder, examples, "--backend", "fp32", *more)
    return [json.loads(line)["logp"] for line in done.stdout.splitlines()]


def test_adapters_are_pefts_files_and_what_they_say_can_be_merged(examples, trained, tmp_path):
    whole, _ = trained
    lora = ["train", "sft", "--data", examples, "--init", whole, *LORA]
    egalign(*lora, "--lora-matrices", "c_attn,c_fc", "--out", tmp_path / "adapter")
    egalign(*lora, "--lora-matrices", "c_attn,c_fc", "--merge", "--out", tmp_path / "merged")
    egalign(*lora, "--frozen", 1, "--out", tmp_path / "top")
    top = json.loads((tmp_path / "top" / "adapter_config.json").read_text())
    assert top["layers_to_transform"] and 0 not in top["layers_to_transform"]
    assert {path.name for path in (tmp_path / "adapter").iterdir()} == {"adapter_config.json",
                                                                        "adapter_model.safetensors"}
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 4, 8)
    assert config["target_modules"] == ["c_attn", "c_fc"]
    few = tmp_path / "few.jsonl"
    few.write_text("".join(examples.read_text().splitlines(True)[:20]))
    base, adapted = scores(whole, few), scores(whole, few, "--adapter", tmp_path / "adapter")
    assert sum(adapted) > sum(base)
    assert scores(tmp_path / "merged", few) == pytest.approx(adapted, rel=1e-4)
    said = [egalign("sample", *words, "--prompt", "2 and 1", "--temperature", 0, "--backend", "fp32").stdout
            for words in ([whole, "--adapter", tmp_path / "adapter"], [tmp_path / "merged"])]
    assert said[0] == said[1]
    assert "already" in egalign(*lora, "--out", tmp_path / "adapter", expect=1).stderr


def test_killed_adapters_end_with_the_same_weights(examples, trained, tmp_path):
    whole, _ = trained
    lora = ["train", "sft", "--data", examples, "--init", whole, *LORA, "--checkpoint-every", 2]
    egalign(*lora, "--threads", 2, "--out", tmp_path / "once")
    out = tmp_path / "killed"
    running = subprocess.Popen([EGALIGN, *map(str, lora), "--threads", "1", "--out", out], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while running.poll() is None and not list(out.glob("checkpoint-*")) and time.monotonic() < deadline:
        time.sleep(0.002)
    running.kill()
    killed = running.wait() != 0
    if killed:
        other = egalign(*lora, "--lora-alpha", 3, "--out", out, expect=1)
        assert "other data or options" in other.stderr
        egalign(*lora, "--out", out)
    assert (out / "adapter_model.safetensors").read_bytes() == (
        tmp_path / "once" / "adapter_model.safetensors").read_bytes()


def test_mapped_weights_say_the_same(examples, trained, tmp_path):
    whole, _ = trained
    few = tmp_path / "few.jsonl"
    few.write_text("".join(examples.read_text().splitlines(True)[:5]))
    small = tmp_path / "bf16"
    egalign("train", "sft", "--data", few, "--init", whole, "--out", small, "--steps", 1, "--store", "bf16")
    assert scores(small, few, "--mapped") == scores(small, few)
    sample = ["sample", small, "--prompt", "2 and 1", "--max-new", 8, "--json"]
    assert egalign(*sample, "--mapped").stdout == egalign(*sample).stdout
    assert "not BF16" in egalign("score", whole, few, "--mapped", expect=1).stderr


def test_backends_agree_as_far_as_they_are_precise(examples, trained, tmp_path):
    whole, _ = trained
    one = tmp_path / "one.jsonl"
    one.write_text(examples.read_text().splitlines(True)[0])
    logp = {name: json.loads(egalign("score", whole, one, "--backend", name).stdout)["logp"]
            for name in ("fp32", "bf16", "bf16x3")}
    assert logp["bf16x3"] == pytest.approx(logp["fp32"], rel=1e-4)
    assert logp["bf16"] == pytest.approx(logp["fp32"], rel=0.05) and logp["bf16"] != logp["fp32"]
    assert "abacus" in egalign("score", whole, one, "--backend", "abacus", expect=2).stderr
    facts = json.loads(egalign("info", whole, "--json").stdout)
    assert {"openblas", "bf16", "bf16x3"} <= set(facts["backends"].split(", "))


def test_info_tells_family_and_memory(trained):
    whole, _ = trained
    facts = json.loads(egalign("info", whole, "--json").stdout)
    width, vocabulary = 32, 265
    block = 12 * width * width + 13 * width
    assert facts["parameters"] == (vocabulary + 64) * width + 2 * block + 2 * width
    assert facts["family"] == "gpt2" and facts["tokenizer"] == "usable"
    assert facts["training_bytes"] > 4 * facts["weights_bytes"]
    assert "gpt2" in egalign("info", whole).stdout


@pytest.mark.parametrize("words, says", [
    (["train"], "egalign train sft"),
    (["train", "sft", "--data", "x", "--out", "y"], "--init and --new"),
    (["train", "sft", "--data", "x", "--out", "y", "--new", "6by256"], "LAYERSxWIDTH"),
    (["train", "sft", "--data", "x", "--out", "y", "--new", "2x32", "--steps", "0"], "--steps"),
    (["train", "sft", "--data", "x", "--out", "y", "--new", "2x32", "--steps", "1", "--epochs", "1"], "contradict"),
    (["train", "sft", "--data", "x", "--out", "y", "--new", "2x32", "--wat"], "--wat"),
    (["train", "sft", "--data", "x", "--out", "y", "--init", "z", "--merge"], "--lora"),
    (["train", "sft", "--data", "x", "--out", "y", "--new", "2x32", "--lora", "4"], "--init"),
    (["train", "sft", "--data", "x", "--out", "y", "--init", "z", "--lora", "0"], "--lora"),
    (["sample", "x"], "--prompt"),
    (["sample", "x", "--prompt", "y", "--top-p", "2"], "--top-p"),
    (["score", "x"], "a file"),
    (["info"], "a folder"),
])
def test_unusable_command_lines(words, says):
    assert says in egalign(*words, expect=2).stderr


@pytest.mark.parametrize("line", ['{"prompt": "a"}', '{"text": "a", "prompt": "b", "response": "c"}', '{}', '[]',
                                  '{"prompt": 1, "response": "c"}'])
def test_lines_that_are_no_examples_are_named(line, tmp_path):
    data = tmp_path / "bad.jsonl"
    data.write_text('{"text": "fine"}\n' + line + "\n")
    done = egalign("train", "sft", "--data", data, "--new", "1x32", "--out", tmp_path / "out", expect=1)
    assert "line 2" in done.stderr and "bad.jsonl" in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_no_model_is_named(trained, tmp_path):
    whole, _ = trained
    assert "config.json" in egalign("info", tmp_path, expect=1).stderr
    assert "tokenizer.json" in egalign("sample", tmp_path, "--prompt", "x", expect=1).stderr
    cut = tmp_path / "cut"
    cut.mkdir()
    for path in whole.iterdir():
        (cut / path.name).write_bytes(path.read_bytes())
    (cut / "model.safetensors").write_bytes(weights(whole)[:-100])
    assert egalign("sample", cut, "--prompt", "x", expect=1).stderr
