"""One policy judged against another by groups, through a running service: a held-out judge, people's own comparisons, KL,
the win rates that carry it over refits, and what is refused."""
import hashlib
import json
import random
import shutil
import subprocess
import uuid

import pytest

import sse
from test_policy_jobs import Place

PROJECT = "/v1/projects/p"
PROMPTS = [f"count to {n}" for n in range(2, 22)]
WORDS = "red green blue white black grey pink gold".split()


def answer(draw, short):
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(2, 4) if short else draw.randint(9, 14)))


def train(program, folder, name, kinds, *arguments):
    """A model that answers with few words, many, or either."""
    draw = random.Random(name)
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps({"prompt": draw.choice(PROMPTS), "response": answer(draw, draw.choice(kinds))}) + "\n"
                            for _ in range(600)))
    out = folder / name
    subprocess.run([program, "train", "sft", "--data", data, "--out", out, "--batch-tokens", "512", "--held-out", "0",
                    "--threads", "1", "--backend", "fp32", *arguments], check=True, capture_output=True, timeout=300)
    return out


def is_held_out(project, name, share=0.4):
    """The lot of src/jobs/held_out.h for the id that src/store/identity.h derives from project and name."""
    annotator = bytearray(hashlib.sha256(b"A" + project.bytes + name.encode()).digest()[:16])
    annotator[6], annotator[8] = 0x80 | annotator[6] & 0x0F, 0x80 | annotator[8] & 0x3F
    lot = int.from_bytes(hashlib.sha256(b"held out\0" + annotator).digest()[:8], "big") >> 11
    return lot * 2.0 ** -53 < share


def people_of(project, taste, held_out, seen):
    """Names by lot: a judge of two people would be none."""
    wanted, names = {True: held_out, False: seen}, []
    for number in range(10000):
        name = f"{taste}-{number}"
        side = is_held_out(project, name)
        if wanted[side] > 0:
            wanted[side] -= 1
            names.append(name)
    return names


@pytest.fixture(scope="module")
def place(start_daemon, cluster, migrated_template, program, tmp_path_factory):
    """Two groups (20 like many words, 12 few), a base policy, and a policy of few words trained from it."""
    folder = tmp_path_factory.mktemp("policies")
    base = train(program, folder, "base", [True, False], "--new", "2x64", "--vocabulary", "300", "--context", "96",
                 "--steps", "60", "--rate", "0.004")
    short = train(program, folder, "short", [True], "--init", base, "--steps", "30", "--rate", "0.002")
    daemon = start_daemon(cluster.create(migrated_template), "--schedule-poll-seconds", "1", workers=1).ready()
    place = Place(daemon, daemon.database)
    register(place, "base", base)
    register(place, "short", short, parent="base", recipe={"objective": "single"})
    project = uuid.UUID(place.call("GET", PROJECT)[1]["id"])
    place.people = people_of(project, "many", 8, 12) + people_of(project, "few", 5, 7)
    draw, lines = random.Random(3), []
    for person in range(32):
        for _ in range(14):
            few, many = answer(draw, True), answer(draw, False)
            prefers_few = (person >= 20) == (draw.random() < 0.95)
            pair = [(few, prefers_few), (many, not prefers_few)]
            draw.shuffle(pair)
            lines.append({"annotator": place.people[person], "prompt": draw.choice(PROMPTS), "a": {"text": pair[0][0]},
                          "b": {"text": pair[1][0]}, "outcome": "a" if pair[0][1] else "b"})
    post_lines(place, lines)
    yield place
    assert daemon.stop() == 0


def post_lines(place, lines):
    reply = place.session.post(place.daemon.url + PROJECT + "/comparisons", timeout=60,
                               data="\n".join(map(json.dumps, lines)),
                               headers={"Content-Type": "application/x-ndjson"})
    assert reply.status_code == 201, reply.text


def register(place, name, folder, **more):
    copy = shutil.copytree(folder, place.models / name, ignore=shutil.ignore_patterns("checkpoint-*"))
    status, policy = place.call("POST", PROJECT + "/policies", {"name": name, "folder": str(copy), **more})
    assert status == 202, policy
    assert place.job(policy["job"])["state"] == "done"


def fit(place, **options):
    status, made = place.call("POST", PROJECT + "/fits", {"k": 2, "seed": 1, "restarts": 3, "folds": 2, **options})
    assert status == 202, made
    assert place.job(made["job"])["state"] == "done"
    return made["id"]


def evaluate(place, **options):
    """(evaluation, job)"""
    status, job = place.call("POST", PROJECT + "/jobs", {"kind": "evaluate", "options": options})
    assert status == 202, job
    ended = place.job(job["id"])
    assert ended["state"] == "done", ended
    return place.call("GET", f"{PROJECT}/evaluations/{ended['evaluation']}")[1], ended


OPTIONS = {"policy": "short", "items": 16, "samples": 2, "max_tokens": 60, "replicates": 40, "seed": 5}


@pytest.fixture(scope="module")
def judged(place):
    place.fit = fit(place, held_out_annotators=0.4)
    return evaluate(place, **OPTIONS)[0]


def few_words(place, result):
    """(the group of few words, that of many)"""
    groups = sorted(result["groups"], key=lambda g: g["weight"])
    return groups[0], groups[1]


def test_the_groups_judge_by_those_who_were_held_out(place, judged):
    assert (judged["state"], judged["policy"], judged["against"], judged["fit"]) == ("done", "short", "base", place.fit)
    result = judged["result"]
    assert result["pairs"] == 32 and result["judge"]["status"] == "ok" and result["judge"]["annotators"] == 13
    few, many = few_words(place, result)
    for group in (few, many):
        assert group["judge"]["matched"] and group["judge"]["agreement"] > 0.5 > group["judge"]["runner_up"]
        rate = group["win_rate"]
        assert 16 <= rate["effective_n"] <= rate["n"] == 32 and rate["low"] <= rate["rate"] <= rate["high"]
        assert rate["bootstrap_low"] <= rate["rate"] <= rate["bootstrap_high"]
        assert group["training"]["n"] == 32 and group["training"]["bootstrap_low"] is None and group["human"]["n"] == 0
    assert few["win_rate"]["rate"] > 0.6 and many["win_rate"]["rate"] < 0.4
    standing = result["standing"]
    assert standing["by"] == "judge" and standing["worst_off"] == many["id"]
    assert abs(standing["least"] - many["win_rate"]["rate"]) < 1e-12
    mean = sum(g["weight"] * g["win_rate"]["rate"] for g in (few, many)) / (few["weight"] + many["weight"])
    assert abs(standing["mean"] - mean) < 1e-9


def test_the_project_tells_that_it_was_published(place, judged):
    url = f"{place.daemon.url}{PROJECT}/events?after=0"
    token = place.session.headers["Authorization"].split()[1]
    found = sse.events(url, token, until=lambda found: any(kind == "evaluation" for kind, _, _ in found))
    told = found[-1][2]
    assert told["evaluation"] == judged["id"] and told["job"] == judged["job"] and told["fit"] == place.fit


def test_divergence_from_the_parent(judged):
    kl = judged["result"]["kl"]
    assert kl["reference"] == "base" and kl["reason"] == ""
    assert kl["policy"]["mean"] > 3 * kl["policy"]["error"] > 0
    assert abs(kl["against"]["mean"]) < 1e-3  # the parent itself, by another way of computing


def test_the_same_responses_again(place, judged):
    count = "SELECT count(*), count(DISTINCT item_id) FROM response WHERE policy IN ('base', 'short')"
    before = place.sql(count)
    assert before[0][1] == 16
    again, _ = evaluate(place, **OPTIONS)
    assert place.sql(count) == before and again["id"] != judged["id"]
    assert again["result"] == judged["result"]


def poll(place, etag=None):
    return place.session.get(place.daemon.url + PROJECT + "/win-rates", timeout=60,
                             headers={"If-None-Match": etag} if etag else {})


def rates(place, condition):
    """The win rates once they are as wanted: the daemon hears of changes by a notification."""
    found = []

    def there():
        found[:] = [poll(place)]
        return condition(found[0].json())

    place.daemon.wait(there, "the win rates")
    return found[0]


def test_win_rates_carry_it_over_refits(place, judged):
    reply = rates(place, lambda d: len(d["history"]) >= 2)
    entry, = reply.json()["evaluations"]
    assert (entry["policy"], entry["against"], entry["objective"], entry["by"]) == ("short", "base", "single", "judge")
    rate = {g["id"]: g["win_rate"]["rate"] for g in judged["result"]["groups"]}
    assert {g["group"]: g["rate"] for g in entry["groups"]} == rate
    assert {g["group"]: g["effective_n"] for g in entry["groups"]} == {
        g["id"]: g["win_rate"]["effective_n"] for g in judged["result"]["groups"]}
    assert {g["group"]: g["single_at_equal_kl"] for g in entry["groups"]} == rate  # it is the single-reward policy
    assert entry["price_of_fairness"] == 0 and entry["compared_with"] == "short"
    assert entry["kl"] == judged["result"]["kl"]["policy"]["mean"]
    assert poll(place, reply.headers["ETag"]).status_code == 304
    refit = fit(place, held_out_annotators=0.4, seed=2)
    after = rates(place, lambda d: d["fit_id"] == refit)
    assert after.json()["evaluations"] == reply.json()["evaluations"]
    assert after.headers["ETag"] != reply.headers["ETag"]


def test_people_are_counted_apart(place, judged):
    """People of the group of few words compare responses of the two policies."""
    rows = place.sql("SELECT i.prompt, s.text, b.text FROM item i JOIN response s ON s.item_id = i.id AND s.policy = 'short' "
                     "JOIN response b ON b.item_id = i.id AND b.policy = 'base' WHERE s.text <> b.text LIMIT 6")
    post_lines(place, [{"annotator": place.people[20 + n], "prompt": prompt, "a": {"text": short, "policy": "short"},
                        "b": {"text": base, "policy": "base"}, "outcome": "tie" if n == 0 else "a"}
                       for n, (prompt, short, base) in enumerate(rows)])
    result = evaluate(place, **OPTIONS, fit=place.fit)[0]["result"]
    few, many = few_words(place, result)
    assert (result["human"]["n"], result["human"]["ties"]) == (6, 1)
    assert few["human"]["n"] + many["human"]["n"] >= 5 and few["human"]["n"] > many["human"]["n"]
    assert result["human"]["rate"] == pytest.approx(5.5 / 6) and result["human"]["effective_n"] == 6
    post_lines(place, [{"annotator": place.people[31], "prompt": prompt, "a": {"text": short, "policy": "short"},
                        "b": {"text": base, "policy": "base"}, "outcome": "a"} for prompt, short, base in rows])
    human = evaluate(place, **OPTIONS, fit=place.fit)[0]["result"]["human"]  # one person says the same thing six times
    assert human["n"] == 12 and human["effective_n"] < 12


def test_without_judges_it_says_so(place, judged):
    everybody = fit(place)
    evaluation, _ = evaluate(place, **OPTIONS, fit=everybody)
    judge = evaluation["result"]["judge"]
    assert judge["status"] == "insufficient_annotators" and "held_out_annotators" in judge["reason"]
    assert all(g["win_rate"] is None and g["judge"] is None and g["training"]["n"] == 32
               for g in evaluation["result"]["groups"])
    assert evaluation["result"]["standing"]["by"] == "training"
    document = rates(place, lambda d: any(e["evaluation"] == evaluation["id"] for e in d["evaluations"])).json()
    assert document["evaluations"][0]["judge"] == "insufficient_annotators"


def test_given_prompts(place, judged):
    evaluation, _ = evaluate(place, policy="base", against="short", prompts=["count to nothing", "count to 2"],
                             samples=3, max_tokens=20, replicates=0)
    assert evaluation["result"]["pairs"] == 6 and evaluation["result"]["kl"]["reference"] is None
    assert place.sql("SELECT count(*) FROM item WHERE prompt = 'count to nothing'") == [(1,)]


@pytest.mark.parametrize("options, status, code, pointer", [
    ({"policy": "none"}, 422, "unknown_reference", "/options/policy"),
    ({"policy": "base"}, 422, "missing_member", "/options/against"),
    ({"policy": "base", "against": "base"}, 422, "invalid_value", "/options/against"),
    ({"policy": "short", "fit": "00000000-0000-7000-8000-000000000001"}, 422, "unknown_reference", "/options/fit"),
    ({"policy": "short", "samples": 0}, 422, "invalid_value", "/options/samples"),
])
def test_what_is_refused(place, judged, options, status, code, pointer):
    got, body = place.call("POST", PROJECT + "/jobs", {"kind": "evaluate", "options": options})
    assert (got, body["code"]) == (status, code) and body.get("pointer") == pointer


def test_no_fit_no_evaluation(place, judged):
    assert place.call("POST", "/v1/projects", {"name": "empty"})[0] == 201
    got, body = place.call("POST", "/v1/projects/empty/jobs", {"kind": "evaluate", "options": {"policy": "short"}})
    assert (got, body["code"]) == (422, "unknown_reference")


def test_evaluations_are_listed(place, judged):
    page = place.call("GET", PROJECT + "/evaluations?limit=2")[1]
    assert len(page["items"]) == 2 and page["next_cursor"] == page["items"][1]["id"]
    assert place.call("GET", PROJECT + "/evaluations/00000000-0000-7000-8000-000000000001")[0] == 404
