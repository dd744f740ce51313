"""NDJSON streams: all or nothing, line by line, of any length, in constant memory."""
import json
import os
import threading
import time
import uuid

import pytest

import wire
from service import problem
from test_contract import COMPARISONS, judgement

NDJSON = "application/x-ndjson"


def lines(count, start=0, **more):
    return [judgement(f"ann-{i % 7}", id=str(uuid.UUID(int=(7 << 76) + (2 << 62) + start + i)), **more) for i in range(count)]


def ndjson(records):
    return b"".join(json.dumps(r).encode() + b"\n" for r in records)


def stored(shared, project):
    return len(shared.get(COMPARISONS, project=project, query={"limit": 1000}).json()["items"])


def send(shared, project, data, **query):
    return shared.post(COMPARISONS, data=data, media=NDJSON, project=project, query=query)


def test_all_at_once_and_again(shared, project):
    data = ndjson(lines(300))
    made = send(shared, project, data)
    assert made.status_code == 201 and made.json() == {"accepted": 300, "duplicate": 0, "rejected": 0}
    again = send(shared, project, data)
    assert again.json() == {"accepted": 0, "duplicate": 300, "rejected": 0}
    assert stored(shared, project) == 300


@pytest.mark.parametrize("data", [b"", b"\n\n\r\n", ndjson(lines(2)).rstrip(), ndjson(lines(2)).replace(b"\n", b"\r\n\n")])
def test_line_ends(shared, project, data):
    reply = send(shared, project, data)
    assert reply.status_code == 201 and reply.json()["accepted"] == data.count(b"prompt")


def test_nothing_of_a_bad_batch_is_stored(shared, project):
    records = lines(10)
    records[3]["outcom"] = records[3].pop("outcome")
    records[7]["strength"] = 9
    data = ndjson(records) + b'{"annotator": \n'
    document = problem(send(shared, project, data), 422, "batch_rejected")
    assert [(e["line"], e["pointer"], e["code"]) for e in document["errors"][:2]] == [
        (4, "/outcom", "unknown_member"), (8, "/strength", "invalid_value")]
    assert document["errors"][2]["line"] == 11 and document["errors"][2]["code"] == "invalid_json"
    assert stored(shared, project) == 0


def test_skip_stores_the_good_lines(shared, project):
    records = lines(10)
    records[3]["outcome"] = "neither"
    reply = send(shared, project, ndjson(records), on_error="skip")
    assert reply.status_code == 200
    assert {k: reply.json()[k] for k in ("accepted", "duplicate", "rejected")} == {"accepted": 9, "duplicate": 0, "rejected": 1}
    assert [(e["line"], e["pointer"]) for e in reply.json()["errors"]] == [(4, "/outcome")]
    assert stored(shared, project) == 9


def test_a_conflict_is_a_bad_line(shared, project):
    assert send(shared, project, ndjson(lines(3))).status_code == 201
    document = problem(send(shared, project, ndjson(lines(1, start=1, outcome="tie") + lines(1, start=9))), 422, "batch_rejected")
    assert [(e["line"], e["code"]) for e in document["errors"]] == [(1, "conflict")]
    assert stored(shared, project) == 3


def test_errors_beyond_the_limit_are_counted(shared, project):
    reply = send(shared, project, b"{}\n" * 5000, on_error="skip")
    assert reply.json()["rejected"] == 5000 and len(reply.json()["errors"]) == 100


def test_a_line_that_is_too_long(shared, project):
    data = ndjson(lines(2)) + b'{"annotator":"' + b"x" * 200000 + b'"}\n'
    document = problem(send(shared, project, data), 413, "too_large")
    assert document["line"] == 3 and stored(shared, project) == 0


def test_an_unknown_project(shared):
    problem(send(shared, "no-such-project", ndjson(lines(2))), 404, "not_found")


def test_texts_stay_whole_where_blocks_meet(shared, project):
    records = [judgement(f"ann-{i}", prompt=f"{i} " + "\u00e9\U0001f600" * (i % 97)) for i in range(800)]
    data = ndjson(records)
    assert len(data) > 256 * 1024
    assert send(shared, project, (data[i:i + 7919] for i in range(0, len(data), 7919))).status_code == 201
    prompts, cursor = [], None
    while True:
        page = shared.get(COMPARISONS, project=project, query={"limit": 1000, "inline": "true", **({"cursor": cursor} if cursor else {})})
        prompts += [c["prompt"] for c in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        if not cursor:
            break
    assert sorted(prompts) == sorted(r["prompt"] for r in records)


def resident(daemon):
    status = open(f"/proc/{daemon.process.pid}/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


@pytest.mark.skipif(os.environ.get("FLAVOUR") in ("asan", "tsan"), reason="a sanitiser keeps what was freed")
def test_a_long_stream_takes_constant_memory(shared, project):
    record = json.dumps(judgement(prompt="x" * 2000)).encode() + b"\n"
    before = resident(shared.daemon)

    def blocks():
        for _ in range(60):
            yield record * 500  # about a megabyte each

    reply = send(shared, project, blocks())
    assert reply.status_code == 201 and reply.json()["accepted"] == 30000
    assert resident(shared.daemon) - before < 60


def test_a_client_that_goes_away_leaves_nothing(shared, project):
    head = (f"POST /v1/projects/{project}/comparisons HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shared.token}\r\n"
            f"Content-Type: {NDJSON}\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
    body = ndjson(lines(3000))
    for _ in range(5):
        with wire.connect(shared) as connection:
            connection.sendall(head + b"%x\r\n" % len(body) + body)  # the last chunk never comes
    time.sleep(0.5)
    assert stored(shared, project) == 0
    assert send(shared, project, ndjson(lines(3))).json()["accepted"] == 3


def test_streams_side_by_side(shared, project):
    replies = []

    def one(start):
        replies.append(shared.with_token(shared.token).post(
            COMPARISONS, data=ndjson(lines(2000, start=start)), media=NDJSON, project=project).json())

    threads = [threading.Thread(target=one, args=(i * 2000,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r["accepted"] for r in replies) == [2000] * 8
