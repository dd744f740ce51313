"""The file `packages` names what the build and the program really need, where dpkg can tell."""
import os
import re
import shutil
import subprocess

import pytest
import source

pytestmark = pytest.mark.skipif(not shutil.which("dpkg"), reason="no Debian packages here")
ALWAYS_THERE = {"libc6", "libgcc-s1", "libstdc++6"}


def listed(purpose):
    lines = (source.ROOT / "packages").read_text().splitlines()
    return {line.split()[1] for line in lines if line.split()[:1] == [purpose]}


def package_of(path):
    """The package that brought a file; paths of a merged /usr are tried both ways."""
    for name in (path, os.path.realpath(path), os.path.realpath(path).removeprefix("/usr")):
        found = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    return None


def test_the_build_packages_bring_every_library_that_the_makefile_asks_for():
    asked = re.search(r"^PACKAGES := (.*)", (source.ROOT / "Makefile").read_text(), re.M).group(1).split()
    folders = subprocess.run(["pkg-config", "--variable", "pc_path", "pkg-config"], capture_output=True, text=True,
                             check=True).stdout.strip().split(":")
    missing = {}
    for name in asked:
        path = next((f"{folder}/{name}.pc" for folder in folders if os.path.exists(f"{folder}/{name}.pc")), None)
        owner = package_of(path) if path else None
        if owner not in listed("build"):
            missing[name] = owner
    assert missing == {}


def test_the_image_packages_bring_every_library_that_the_program_loads():
    needed = subprocess.run(["readelf", "-d", source.EGALIGN], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", needed)
    assert len(names) >= 3
    loaded = subprocess.run(["ldd", source.EGALIGN], capture_output=True, text=True, check=True).stdout
    paths = dict(re.findall(r"^\s*(\S+) => (\S+)", loaded, re.M))
    owners = {name: package_of(paths[name]) for name in names if name in paths}
    sanitisers = {name for name in owners if re.match(r"lib(a|t|ub)san", name)}
    wrong = {name: owner for name, owner in owners.items()
             if name not in sanitisers and owner not in listed("image") | ALWAYS_THERE}
    assert wrong == {}


def test_there_is_one_list():
    for name in ("quickstart", "Dockerfile"):
        text = (source.ROOT / name).read_text()
        for package in listed("build") - {"gcc", "make", "pkg-config"}:
            assert package not in text, f"{name} names {package}: the list is in `packages`"
