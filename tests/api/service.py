"""A client that holds every reply against the OpenAPI document which the daemon itself serves, and notes what was seen."""
import copy
import datetime
import json
import re
import uuid

import jsonschema
import requests

SEEN = set()  # (operationId, status) of every reply of the session

FORMATS = jsonschema.FormatChecker(formats=[])


@FORMATS.checks("uuid", raises=ValueError)
def is_uuid(value):
    return not isinstance(value, str) or str(uuid.UUID(value)) == value


@FORMATS.checks("date-time", raises=ValueError)
def is_time(value):
    return not isinstance(value, str) or (value.endswith("Z") and datetime.datetime.fromisoformat(value[:-1]))


def closed(schema):
    """The schema with every object closed: in a test, a member that is not declared is an error."""
    if isinstance(schema, dict):
        made = {key: closed(value) for key, value in schema.items()}
        if "properties" in made:
            made.setdefault("additionalProperties", False)
        return made
    return [closed(value) for value in schema] if isinstance(schema, list) else schema


class Service:
    """The document of a daemon, and requests to it."""

    def __init__(self, daemon, token=None):
        self.daemon, self.url, self.token = daemon, daemon.url, token
        self.session = requests.Session()
        self.document = self.session.get(self.url + "/openapi.json", timeout=30).json()
        self.strict = dict(self.document, components=closed(self.document["components"]))
        self.resolver = jsonschema.RefResolver("", self.strict)

    def with_token(self, token):
        other = copy.copy(self)
        other.token = token
        return other

    def operations(self):
        """(method, path, operation) of every operation."""
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield method.upper(), path, operation

    def operation(self, method, path):
        return self.document["paths"][path]["get" if method == "HEAD" else method.lower()]

    def validate(self, operation, reply):
        """The status is declared, and the body is what the document says of it."""
        declared = operation["responses"].get(str(reply.status_code))
        assert declared, f"{operation['operationId']} answered an undeclared {reply.status_code}: {reply.text[:500]}"
        SEEN.add((operation["operationId"], reply.status_code))
        content = declared.get("content")
        media = reply.headers.get("Content-Type", "").split(";")[0]
        if not content:
            assert reply.content == b""
            return
        if media not in content:
            assert "*/*" in content, media
            return
        schema = content[media].get("schema")
        if schema and media.endswith("json"):
            document = reply.text if media == "application/x-ndjson" else reply.json()
            jsonschema.Draft202012Validator(closed(schema), resolver=self.resolver, format_checker=FORMATS).validate(document)

    def call(self, method, path, body=None, *, query=None, headers=None, data=None, media="application/json", **names):
        """Makes one request; `names` fill the {parameters} of the path. The reply has been validated."""
        operation = self.operation(method, path)
        target = re.sub(r"\{(\w+)\}", lambda found: requests.utils.quote(str(names[found[1]]), safe=""), path)
        headers = dict(headers or {})
        if self.token and "Authorization" not in headers:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            headers.setdefault("Content-Type", media)
        reply = self.session.request(method, self.url + target, params=query, headers=headers, data=data, timeout=60,
                                     stream=True)
        if reply.headers.get("Content-Type") == "text/event-stream":
            reply.close()  # it may never end; sse.py reads such streams
        else:
            reply.content  # all of it, so that the connection can be used again
        if method != "HEAD":
            self.validate(operation, reply)
        assert reply.headers["X-Request-Id"]
        return reply

    def get(self, path, **rest):
        return self.call("GET", path, **rest)

    def post(self, path, body=None, **rest):
        return self.call("POST", path, body, **rest)

    def put(self, path, body=None, **rest):
        return self.call("PUT", path, body, **rest)

    def patch(self, path, body=None, **rest):
        return self.call("PATCH", path, body, **rest)

    def delete(self, path, **rest):
        return self.call("DELETE", path, **rest)


def problem(reply, status, code, pointer=None):
    """Asserts that the reply is this problem; gives the document."""
    assert reply.status_code == status, reply.text
    document = reply.json()
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert (document["status"], document["code"]) == (status, code), document
    assert document["request_id"] == reply.headers["X-Request-Id"]
    if pointer is not None:
        assert document["pointer"] == pointer, document
    return document
