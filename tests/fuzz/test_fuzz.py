"""A short, bounded pass of every fuzz target over its seeds; `make fuzz` runs longer."""
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGETS = sorted(path.stem for path in (ROOT / "tests" / "fuzz").glob("*.c"))
RUNS, SECONDS = 15000, 5

pytestmark = pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")


@pytest.fixture(scope="module", autouse=True)
def built():
    done = subprocess.run(["make", "-s", "fuzzers"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_target_finds_nothing(target, tmp_path):
    seeds = ROOT / "tests" / "fuzz" / "corpus" / target
    assert any(seeds.iterdir()), "a target without seeds does not get past the first bracket"
    found = tmp_path / "found"
    found.mkdir()
    command = [
        ROOT / "build" / "fuzz" / target, f"-runs={RUNS}", f"-max_total_time={SECONDS}", "-max_len=4096",
        f"-dict={ROOT / 'tests' / 'fuzz' / 'json.dict'}", f"-artifact_prefix={tmp_path}/", "-seed=1", found, seeds,
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=120,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=1"))
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done" in done.stderr
