"""Known groups in real answers, through the front door: posted over HTTP, fitted by a worker, read back, held against the key."""
import collections
import gzip
import json
import math
import os
import pathlib

import pytest

from daemon import new_project
from service import Service
from test_contract import COMPARISONS, FITS, JOBS, PROJECT
from tokens import token_of

DATA = pathlib.Path(os.environ.get("EGALIGN_DATA", pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"))
PATIENCE = 1200  # seconds; a sanitised fit takes its time


def rand_index(one, other):
    """The adjusted Rand index of two labellings (Hubert and Arabie 1985)."""
    def pairs(labels):
        return sum(math.comb(n, 2) for n in collections.Counter(labels).values())

    both, first, second = pairs(zip(one, other)), pairs(one), pairs(other)
    expected = first * second / math.comb(len(one), 2)
    return (both - expected) / ((first + second) / 2 - expected)


def ndjson(folder):
    """The pairs as lines; the better answer stands on either side by turns."""
    for number, line in enumerate(gzip.open(folder / "pairs.jsonl.gz", "rt")):
        pair = json.loads(line)
        sides = [{"text": pair["chosen"]}, {"text": pair["rejected"]}]
        a, b = sides if number % 2 else sides[::-1]
        record = {"annotator": pair["annotator"], "prompt": pair["prompt"], "a": a, "b": b, "outcome": "ba"[number % 2]}
        yield json.dumps(record) + "\n"


@pytest.mark.parametrize("name,least", [("rlphf_p1_style", 0.83), ("rlphf_p2_style", 0.72)])
def test_known_groups_are_recovered(start_daemon, cluster, migrated_template, name, least):
    folder = DATA / name
    if not folder.exists():
        pytest.skip("the data is not here")
    daemon = start_daemon(cluster.create(migrated_template), workers=1).ready()
    service = Service(daemon, token_of(daemon))
    new_project(daemon.database, "known")
    sent = service.post(COMPARISONS, data="".join(ndjson(folder)).encode(), media="application/x-ndjson", project="known")
    assert sent.status_code == 201, sent.text
    job = service.post(FITS, {}, project="known").json()["job"]
    shown = lambda: service.get(JOBS + "/{job}", project="known", job=job).json()
    daemon.wait(lambda: shown()["state"] not in ("queued", "running"), "the fit", PATIENCE)
    assert shown()["state"] == "done", shown()

    members = service.get(PROJECT + "/memberships", project="known", query={"limit": 1000}).json()["items"]
    key = {row["annotator"]: row["group"] for row in map(json.loads, open(folder / "groups.jsonl"))}
    assert len(members) == len(key)
    found, true = zip(*((member["group"], key[member["name"]]) for member in members))
    assert rand_index(found, true) >= 0.95
    groups = service.get(PROJECT + "/groups", project="known").json()["items"]
    assert len(groups) == 2
    page = service.get(PROJECT + "/win-rates", project="known").json()
    smallest = min(page["groups"], key=lambda group: group["weight"])
    assert smallest["accuracy"]["group"]["rate"] >= least
    assert smallest["accuracy"]["single"]["rate"] < 0.6
    assert daemon.stop() == 0
