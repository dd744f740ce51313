"""Shell scripts pass shellcheck, where it is installed, and are at least syntactically whole."""
import shutil
import subprocess

import pytest
import source


def scripts():
    return [path.relative_to(source.ROOT) for path in source.repository_files() if source.is_shell(path)]


def test_there_are_scripts():
    assert {"quickstart", "run"} <= {p.name for p in scripts()}


@pytest.mark.parametrize("script", scripts(), ids=str)
def test_script_is_whole(script):
    assert subprocess.run(["bash", "-n", script], capture_output=True, cwd=source.ROOT).returncode == 0
    assert (source.ROOT / script).stat().st_mode & 0o100


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
@pytest.mark.parametrize("script", scripts(), ids=str)
def test_script_passes_shellcheck(script):
    done = subprocess.run(["shellcheck", "-x", script], capture_output=True, text=True, cwd=source.ROOT)
    assert done.returncode == 0, done.stdout
