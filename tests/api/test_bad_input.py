"""Bodies and queries that are not acceptable: a problem with code and pointer, nothing stored, and the daemon goes on."""
import json
import uuid

import pytest
import requests

from service import problem
from test_contract import COMPARISON, COMPARISONS, FITS, ITEMS, PROJECT, judgement

GOOD = json.dumps(judgement()).encode()


def with_text(text):
    return GOOD.replace(b"Scattering.", text)


SYNTAX = {
    "empty": b"", "not JSON": b"hello", "cut short": GOOD[:-10], "trailing bytes": GOOD + b"{}", "trailing comma": GOOD[:-1] + b",}",
    "byte order mark": b"\xef\xbb\xbf" + GOOD, "bad UTF-8": with_text(b"\xc3\x28"), "overlong UTF-8": with_text(b"\xc0\xaf"),
    "surrogate in UTF-8": with_text(b"\xed\xa0\x80"), "NUL byte": with_text(b"a\x00b"), "NUL escape": with_text(b"a\\u0000b"),
    "lone surrogate": with_text(b"\\ud800"), "control character": with_text(b"a\nb"), "bad escape": with_text(b"\\q"),
    "duplicate key": GOOD[:-1] + b',"outcome":"b"}', "NaN": GOOD[:-1] + b',"strength":NaN}',
    "leading zero": GOOD[:-1] + b',"strength":01}', "single quotes": GOOD.replace(b'"', b"'"),
    "nesting bomb": b"[" * 100000, "nested meta": GOOD[:-1] + b',"meta":{"x":' + b"[" * 50 + b"]" * 50 + b"}}",
    "array bomb": b'{"annotator":' + b"[" * 60000 + b"]" * 60000 + b"}",
}


@pytest.mark.parametrize("data", SYNTAX.values(), ids=SYNTAX)
def test_what_is_not_json(shared, project, data):
    reply = shared.post(COMPARISONS, data=data, project=project)
    assert reply.status_code in (400, 422)
    document = problem(reply, reply.status_code, reply.json()["code"])
    assert document["code"] in ("invalid_json", "invalid_value") and document["detail"]
    assert shared.get(COMPARISONS, project=project).json()["items"] == []


def changed(**members):
    body = judgement()
    for name, value in members.items():
        if value is ...:
            del body[name]
        else:
            body[name] = value
    return body


VALUES = {
    "unknown member": (changed(outcom="a"), "unknown_member", "/outcom"),
    "unknown inner member": (changed(a={"text": "x", "model": "y"}), "unknown_member", "/a/model"),
    "no outcome": (changed(outcome=...), "missing_member", "/outcome"),
    "no annotator": (changed(annotator=...), "missing_member", "/annotator"),
    "no prompt": (changed(prompt=...), "missing_member", "/prompt"),
    "no b": (changed(b=...), "missing_member", "/b"),
    "annotator is a number": (changed(annotator=7), "invalid_value", "/annotator"),
    "annotator is null": (changed(annotator=None), "invalid_value", "/annotator"),
    "annotator is empty": (changed(annotator=""), "invalid_value", "/annotator"),
    "annotator is long": (changed(annotator="x" * 5000), "invalid_value", "/annotator"),
    "outcome is another": (changed(outcome="c"), "invalid_value", "/outcome"),
    "outcome is a list": (changed(outcome=["a"]), "invalid_value", "/outcome"),
    "text is long": (changed(a={"text": "x" * 70000}), "invalid_value", "/a/text"),
    "prompt is long": (changed(prompt="x" * 70000), "invalid_value", "/prompt"),
    "strength is negative": (changed(strength=-1), "invalid_value", "/strength"),
    "strength is 4": (changed(strength=4), "invalid_value", "/strength"),
    "strength is a fraction": (changed(strength=1.5), "invalid_value", "/strength"),
    "strength is huge": (changed(strength=10 ** 30), "invalid_value", "/strength"),
    "duration is negative": (changed(duration_ms=-5), "invalid_value", "/duration_ms"),
    "duration is absurd": (changed(duration_ms=10 ** 15), "invalid_value", "/duration_ms"),
    "time is no time": (changed(created_at="yesterday"), "invalid_value", "/created_at"),
    "time without zone": (changed(created_at="2026-03-01T09:30:00"), "invalid_value", "/created_at"),
    "meta is a list": (changed(meta=[1]), "invalid_value", "/meta"),
    "id is no UUID": (changed(id="seven"), "invalid_value", "/id"),
    "same responses": (changed(b=judgement()["a"]), "invalid_value", "/b"),
    "item and prompt": (changed(item=str(uuid.uuid4())), "invalid_value", "/prompt"),
    "reasons of numbers": (changed(reasons=[1]), "invalid_value", "/reasons/0"),
    "body is a list": ([], None, ""),
    "body is a string": ("x", None, ""),
    "body is null": (None, None, ""),
}


@pytest.mark.parametrize("body, code, pointer", VALUES.values(), ids=VALUES)
def test_what_is_not_a_comparison(shared, project, body, code, pointer):
    reply = shared.put(COMPARISON, data=json.dumps(body).encode(), project=project, comparison=uuid.uuid4())
    assert reply.status_code in (400, 422), reply.text
    document = problem(reply, reply.status_code, code or reply.json()["code"])
    assert document["pointer"] == pointer
    assert shared.get(COMPARISONS, project=project).json()["items"] == []


def test_a_number_beyond_doubles(shared, project):
    data = GOOD[:-1] + b',"strength":1e400}'
    problem(shared.post(COMPARISONS, data=data, project=project), 422, "invalid_value", "/strength")


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_media_types(shared, project, media):
    problem(shared.post(COMPARISONS, data=GOOD, media=media, project=project), 415, "unsupported_media_type")


def test_media_types_with_parameters(shared, project):
    assert shared.post(COMPARISONS, data=GOOD, media="Application/JSON; charset=utf-8", project=project).status_code == 201


def test_a_body_where_none_belongs(shared, project):
    headers = {"Authorization": f"Bearer {shared.token}"}
    url = f"{shared.url}/v1/projects/{project}"
    problem(requests.get(url, headers=headers, data=b"{}", timeout=30), 400, "invalid_request")


QUERIES = {"limit=0": 400, "limit=1001": 400, "limit=ten": 400, "limit=5&limit=6": 400, "limits=5": 400, "cursor=": 400,
           "cursor=%00": 400, "cursor=%zz": 400, "cursor=%ff": 400, "limit=-1": 400, "cursor=nonsense": 400, "inline=yes": 400}


@pytest.mark.parametrize("query", QUERIES)
def test_queries(shared, project, query):
    headers = {"Authorization": f"Bearer {shared.token}"}
    reply = requests.get(f"{shared.url}/v1/projects/{project}/comparisons?{query}", headers=headers, timeout=30)
    shared.validate(shared.operation("GET", COMPARISONS), reply)
    problem(reply, QUERIES[query], "invalid_request")


LISTS = ["/v1/projects", ITEMS, PROJECT + "/annotators", COMPARISONS, FITS, PROJECT + "/memberships", PROJECT + "/jobs",
         PROJECT + "/policies", "/v1/tokens"]


@pytest.mark.parametrize("path", LISTS)
def test_every_list_refuses_an_unknown_query_member(shared, project, path):
    names = {"project": project} if "{project}" in path else {}
    problem(shared.get(path, query={"lmit": 1}, **names), 400, "invalid_request")


def mutations(operation):
    """Bodies for an operation that its schema refuses."""
    example = operation["requestBody"]["content"]["application/json"]["example"]
    yield 422, "unknown_member", {**example, "no_such_member": 1}
    for name in example:
        yield 422, "invalid_value", {**example, name: {"surprise": [[]]} if not isinstance(example[name], dict) else 7}


def test_every_body_is_read_strictly(shared, project):
    tried = 0
    for method, path, operation in shared.operations():
        if "requestBody" not in operation:
            continue
        names = {p["name"]: project if p["name"] == "project" else str(uuid.uuid4()) for p in operation["parameters"]
                 if p["in"] == "path"}
        for status, code, body in mutations(operation):
            reply = shared.call(method, path, body, **names)
            assert reply.status_code in (400, status) and reply.json()["code"] in (code, "invalid_json", "unknown_member"), reply.text
            tried += 1
        problem(shared.call(method, path, data=b"{", **names), 400, "invalid_json")
        problem(shared.call(method, path, data=b"{}", media="text/csv", **names), 415, "unsupported_media_type")
        problem(shared.call(method, path, data=b" " * 300000, **names), 413, "too_large")
    assert tried > 20


def test_the_daemon_is_unmoved(shared):
    assert shared.get("/readyz").status_code == 200
