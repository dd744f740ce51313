"""What a proxy in front might read otherwise than we do is refused, and the connection closed."""
import json

import pytest

import wire
from test_contract import COMPARISONS, judgement

BODY = json.dumps(judgement()).encode()


def post(shared, project, headers, body=BODY, version="HTTP/1.1", line=None):
    line = line or f"POST /v1/projects/{project}/comparisons {version}"
    head = [line, "Host: localhost", f"Authorization: Bearer {shared.token}", "Content-Type: application/json", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def chunked(body):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


LENGTH = f"Content-Length: {len(BODY)}"
SMUGGLING = {
    "length and chunked": ([LENGTH, "Transfer-Encoding: chunked"], chunked(BODY)),
    "chunked and length": (["Transfer-Encoding: chunked", LENGTH], chunked(BODY)),
    "two lengths": ([LENGTH, "Content-Length: 5"], BODY),
    "the same length twice": ([LENGTH, LENGTH], BODY),
    "xchunked": (["Transfer-Encoding: xchunked"], chunked(BODY)),
    "gzip, chunked": (["Transfer-Encoding: gzip, chunked"], chunked(BODY)),
    "two encodings": (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], chunked(BODY)),
    "identity": (["Transfer-Encoding: identity", LENGTH], BODY),
    "signed length": ([f"Content-Length: +{len(BODY)}"], BODY),
    "negative length": (["Content-Length: -1"], BODY),
    "hexadecimal length": (["Content-Length: 0x10"], BODY),
    "list of lengths": ([f"Content-Length: {len(BODY)}, {len(BODY)}"], BODY),
    "two hosts": ([LENGTH, "Host: other"], BODY),
    "NUL in a name": ([LENGTH, "X-No\0te: a"], BODY),
    "odd name": ([LENGTH, "X(Note): a"], BODY),
}


@pytest.mark.parametrize("headers, body", SMUGGLING.values(), ids=SMUGGLING)
def test_doubtful_framing_is_refused_and_the_connection_closed(shared, project, headers, body):
    request = post(shared, project, headers, body)
    status, answer = wire.exchange(shared, request)
    assert status == 400, answer
    assert wire.is_closed(shared, request)
    assert shared.get(COMPARISONS, project=project).json()["items"] == []


def test_no_host(shared, project):
    request = post(shared, project, [LENGTH]).replace(b"Host: localhost\r\n", b"")
    assert wire.exchange(shared, request)[0] == 400


def test_a_hidden_request_is_not_carried_out(shared, project):
    """The classic: what follows the first request must not be taken as a second one."""
    hidden = post(shared, project, [LENGTH], BODY)
    request = post(shared, project, ["Content-Length: 6", "Transfer-Encoding: chunked"], b"0\r\n\r\n" + hidden)
    with wire.connect(shared) as connection:
        connection.sendall(request)
        answers = wire.read_all(connection)
    assert answers.count(b"HTTP/1.1 ") == 1 and b"HTTP/1.1 400" in answers
    assert shared.get(COMPARISONS, project=project).json()["items"] == []


def test_well_framed_requests_pass(shared, project):
    assert wire.exchange(shared, post(shared, project, [LENGTH]))[0] == 201
    assert wire.exchange(shared, post(shared, project, ["Transfer-Encoding: chunked"], chunked(BODY)))[0] == 201
    two = post(shared, project, [LENGTH]) + post(shared, project, [LENGTH, "Connection: close"])
    with wire.connect(shared) as connection:
        connection.sendall(two)
        assert wire.read_all(connection).count(b"HTTP/1.1 201") == 2


def test_expect_continue(shared, project):
    with wire.connect(shared) as connection:
        connection.sendall(post(shared, project, [LENGTH, "Expect: 100-continue"], b""))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(BODY)
        assert b" 201 " in connection.recv(65536)
    refused = post(shared, project, ["Content-Length: 99999999", "Expect: 100-continue"], b"")
    assert wire.exchange(shared, refused)[0] == 413


def test_too_large_is_said_before_the_body_is_read(shared, project):
    status, answer = wire.exchange(shared, post(shared, project, ["Content-Length: 10000000000"], b""))
    assert status == 413 and b'"code":"too_large"' in answer.replace(b" ", b"")


def test_too_large_without_a_length(shared, project):
    with wire.connect(shared) as connection:
        connection.sendall(post(shared, project, ["Transfer-Encoding: chunked"], b""))
        answer = b""
        try:
            for _ in range(2000):
                connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        except OSError:
            pass  # it was cut off
        answer = wire.read_all(connection)
    assert b"HTTP/1.1 413" in answer or answer == b""


@pytest.mark.parametrize("target, status", [("/" + "x" * 80000, (0, 400, 414, 431)), ("http://localhost/healthz", (400,)),
                                            ("/healthz%00", (400,)), ("/%zz", (400,)), ("/healthz%2f", (404,)),
                                            ("//healthz", (404,)), ("/v1/../healthz", (404,)), ("/healthz/", (404,)),
                                            ("/" + "a/" * 30, (400,))])
def test_targets(shared, target, status):
    assert wire.exchange(shared, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())[0] in status


def test_too_many_headers(shared):
    lines = "".join(f"X-{i}: {'v' * 50}\r\n" for i in range(5000))
    assert wire.exchange(shared, f"GET /healthz HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())[0] in (0, 413, 431)
    assert shared.get("/healthz").status_code == 200


def test_a_body_that_is_cut_short_stores_nothing(shared, project):
    with wire.connect(shared) as connection:
        connection.sendall(post(shared, project, [LENGTH], BODY[:-5]))
    assert shared.get(COMPARISONS, project=project).json()["items"] == []
