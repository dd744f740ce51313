"""The examples, run with curl and jq against a daemon at the smallest sizes, and the page that shows what they made."""
import json
import os
import shutil
import subprocess

import pytest
from browser import Page
from conftest import EGALIGN, ROOT

SIZES = {"REVIEWS": 2500, "EPOCHS": 2, "PROMPTS": 60, "HELD_OUT": 30, "SAMPLES": 4, "MAJORITY": 24, "MINORITY": 12,
         "COMPARISONS": 40, "UPDATES": 3, "EPISODES": 64, "K": 2, "EGALIGN_POLL": 0.2}
SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("*.sh") if path.name != "service.sh")

pytestmark = pytest.mark.skipif(not shutil.which("jq") or not shutil.which("curl"), reason="curl and jq are not installed")


def run(service, *command):
    header = service.data.parent / "header"
    header.write_text(f"Authorization: Bearer {service.token}\n")
    known = {"EGALIGN_URL": service.url, "EGALIGN_HEADER": str(header), "EGALIGN_PROJECT": "story"}
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600, cwd=ROOT,
                          env={**os.environ, **known, **{name: str(value) for name, value in SIZES.items()}})


def tell(service):
    texts = service.data / "models" / "texts"
    texts.mkdir(parents=True, exist_ok=True)
    done = run(service, ROOT / "examples" / "story.sh", EGALIGN, texts)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def story(service):
    return tell(service)


def win_rates(service):
    return service.call("GET", "/v1/projects/story/win-rates")


def percent(share):
    return int(share * 100 + 0.5)


def test_the_table_tells_what_the_service_tells(service, story):
    document = win_rates(service)
    lines = story.stdout.splitlines()
    assert document["k"] == 2 and [e["policy"] for e in document["evaluations"]] == [line.split()[0] for line in lines[1:]]
    assert {e["policy"] for e in document["evaluations"]} == {"single", "maxmin"}
    for evaluation, line in zip(document["evaluations"], lines[1:]):
        assert evaluation["against"] == "writer" and evaluation["kl"] > 0
        for group in evaluation["groups"]:
            assert group["n"] == 30 * 4
            assert f"{percent(group['rate'])} % ({percent(group['low'])}-{percent(group['high'])})" in line


def test_what_was_done_is_not_done_again(service, story):
    jobs = {job["id"] for job in service.call("GET", "/v1/projects/story/jobs?limit=1000")["items"]}
    again = tell(service)
    assert again.stdout == story.stdout
    assert {job["id"] for job in service.call("GET", "/v1/projects/story/jobs?limit=1000")["items"]} == jobs


def test_the_page_shows_how_policies_fare(browser, service, story):
    token = service.call("POST", "/v1/tokens", {"role": "viewer", "project": "story", "name": "page"})["token"]
    page = Page(browser, f"{service.url}/#project=story&token={token}")
    page.wait("!document.getElementById('report').hidden")
    text = page.text()
    judges = {"judge": "judged by people held out of the training", "training": "judged by its own reward"}
    for evaluation in win_rates(service)["evaluations"]:
        assert f"{evaluation['policy']} wins against writer" in text and judges[evaluation["by"]] in text
        assert f"{evaluation['kl']:.2f} nats" in text
        for group in evaluation["groups"]:
            assert f"{percent(group['rate'])} %" in text
    assert page.complaints() == []


def test_the_page_tells_what_people_said_who_saw_both(browser, service, story):
    """Somebody compares answers of the two policies; the next evaluation counts that."""
    people = service.call("GET", "/v1/projects/story/memberships?limit=1000")["items"]
    person = next(p for p in people if p["group"])
    said = [{"annotator": person["name"], "prompt": f"Seen {n}", "a": {"text": f"short {n}", "policy": "maxmin"},
             "b": {"text": f"long and wordy {n}", "policy": "writer"}, "outcome": "b" if n == 0 else "a"} for n in range(4)]
    service.call("POST", "/v1/projects/story/comparisons", "".join(json.dumps(s) + "\n" for s in said).encode(),
                 "application/x-ndjson")
    job = service.call("POST", "/v1/projects/story/jobs", {"kind": "evaluate", "options": {
        "policy": "maxmin", "against": "writer", "items": 8, "samples": 1, "max_tokens": 16}})["id"]
    state = lambda: service.call("GET", f"/v1/projects/story/jobs/{job}")["state"]
    service.wait(lambda: state() not in ("queued", "running"), "the evaluation")
    assert state() == "done"
    told = next(e for e in win_rates(service)["evaluations"] if e["policy"] == "maxmin")
    human = {g["group"]: g["human"] for g in told["groups"]}
    own = human.pop(person["group"])
    assert (own["n"], own["rate"], own["effective_n"]) == (4, 0.75, 1) and [h["n"] for h in human.values()] == [0]
    token = service.call("POST", "/v1/tokens", {"role": "viewer", "project": "story", "name": "page"})["token"]
    page = Page(browser, f"{service.url}/#project=story&token={token}")
    page.wait("!document.getElementById('report').hidden")
    assert "by people who saw both" in page.text() and "75 % of 4" in page.text() and "nobody" in page.text()
    assert page.complaints() == []
    tell(service)  # starting again after people have judged more is no reason to train again


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_script_tells_its_usage(service, script):
    done = run(service, ROOT / "examples" / script, "--help")
    assert done.returncode == 0 and "usage: " + script in done.stdout and "#" not in done.stdout, done.stderr


def test_a_failure_is_told(service):
    done = run(service, ROOT / "examples" / "5-align.sh", "no-such-objective")
    assert done.returncode != 0 and "objective" in done.stderr
