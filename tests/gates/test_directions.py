"""Which part may include which, read from the table in ARCHITECTURE.md, and which part owns which library."""
import re
import subprocess

import pytest
import source

# Symbols that a library exports, as nm prints undefined ones, and the folder that alone may need them.
OWNERS = {r"PQ\w+": "store", r"MHD_\w+": "api", r"curl_\w+": "jobs", r"(cblas|openblas)_\w+|[sd](gemm|gemv|syrk|potr[fs])_": "core"}


def table():
    """{folder: set of what it may include}; None stands for everything."""
    text = (source.ROOT / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^\| (src/.*?) \|[^|]*\| (.*?) \|", text, re.M)
    allowed = {}
    for folders, may in rows:
        named = re.sub(r"\(.*?\)|`", "", may)
        parts = None if named.strip() == "all" else {part.strip() for part in named.split(",")}
        for folder in folders.split(","):
            allowed[folder.strip().removeprefix("src/")] = parts
    return allowed


def violations(allowed, folder, name, text):
    """Includes of `text`, a file of `folder`, that the table does not allow. A bare name is a generated header of its own."""
    may = allowed[folder]
    if may is None:
        return []
    included = re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M)
    return [f"{name} includes {i}" for i in included if "/" in i and i.split("/")[0] not in may and i not in may]


def part_of(path):
    inside = path.relative_to(source.ROOT / "src")
    return inside.parts[0]


def test_the_table_is_whole():
    allowed = table()
    assert {"base", "core", "store", "api", "jobs"} <= set(allowed)
    assert allowed["base"] == {"base"}
    assert {part_of(p) for p in source.sources(".c", ".h")} <= set(allowed)


def test_includes_follow_the_table():
    allowed = table()
    wrong = []
    for path in source.sources(".c", ".h"):
        wrong += violations(allowed, part_of(path), path.relative_to(source.ROOT), path.read_text())
    assert wrong == []


def test_an_include_against_the_table_is_seen():
    allowed = table()
    assert violations(allowed, "core", "x.c", '#include "store/store.h"') == ["x.c includes store/store.h"]
    assert violations(allowed, "api", "x.c", '#include "core/scorer.h"\n#include "core/reward/fit.h"') == [
        "x.c includes core/reward/fit.h"]


def undefined_symbols():
    """(part, object, symbol) for every undefined symbol of the objects whose source still exists."""
    objects = [o for o in sorted((source.BUILD / "src").rglob("*.o"))
               if (source.ROOT / o.relative_to(source.BUILD)).with_suffix(".c").exists()]
    listed = subprocess.run(["nm", "-A", "-u", "-P", *map(str, objects)], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        name, rest = line.split(": ", 1)
        inside = name.removeprefix(str(source.BUILD / "src") + "/")
        yield inside.split("/")[0], inside, rest.split()[0]


def test_libraries_are_linked_only_where_they_belong():
    if not (source.BUILD / "src").is_dir():
        pytest.fail("build first: there are no objects to look at")
    seen, wrong = 0, []
    for part, name, symbol in undefined_symbols():
        seen += 1
        wrong += [f"{name} needs {symbol}" for pattern, owner in OWNERS.items()
                  if re.fullmatch(pattern, symbol) and part != owner]
    assert seen > 0
    assert wrong == []
