"""Many connections, slow ones, and the end of the daemon under load."""
import json
import os
import signal
import socket
import threading
import time

import pytest
import requests

import wire
from daemon import new_token
from service import Service
from test_contract import COMPARISON, COMPARISONS, judgement


@pytest.fixture(scope="module")
def single(start_daemon, cluster, migrated_template):
    """A daemon with one HTTP thread and short deadlines."""
    url = cluster.create(migrated_template)
    daemon = start_daemon(url, "--http-threads", "1", "--request-deadline-seconds", "2", "--idle-timeout-seconds", "1").ready()
    yield Service(daemon)
    assert daemon.stop() == 0


@pytest.mark.parametrize("count", [127, 128, 129, 256])
def test_every_one_of_n_ready_connections_is_answered(single, count):
    """With the library's epoll mode exactly 128 x n of them would sleep for ever."""
    pid = single.daemon.process.pid
    connections = [wire.connect(single) for _ in range(count)]
    for connection in connections:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096)
    os.kill(pid, signal.SIGSTOP)
    try:
        for connection in connections:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    finally:
        os.kill(pid, signal.SIGCONT)
    answered = sum(b" 200 " in wire.read_all(connection) for connection in connections)
    for connection in connections:
        connection.close()
    assert answered == count


def drip(connection, data, seconds):
    """A byte every 0.2 s; how long the daemon bore it, or None."""
    start = time.monotonic()
    for byte in data:
        try:
            connection.sendall(bytes([byte]))
            connection.settimeout(0.2)
            if connection.recv(4096) == b"":
                return time.monotonic() - start
        except TimeoutError:
            pass
        except OSError:
            return time.monotonic() - start
        if time.monotonic() - start > seconds:
            return None
    return None


HEADERS = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"x" * 1000
BODY = b"POST /v1/tokens HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


def test_dripping_headers_are_cut_off(single):
    with wire.connect(single) as connection:
        assert drip(connection, HEADERS, 30) is not None
    before = requests.get(single.url + "/metrics", timeout=30).text
    assert int(before.split("\negalign_http_reaped_total ")[1].split()[0]) > 0


def test_dripping_bodies_are_cut_off_with_a_word(single):
    with wire.connect(single) as connection:
        connection.sendall(BODY)
        got = b""
        for _ in range(100):
            try:
                connection.sendall(b" ")
                connection.settimeout(0.2)
                got = connection.recv(4096)
                break
            except TimeoutError:
                continue
            except OSError:
                break
        head, _, body = got.partition(b"\r\n\r\n")
    assert b" 408 " in head and json.loads(body)["code"] == "request_timeout"
    assert int(head.lower().split(b"content-length: ")[1].split()[0]) == len(body)


def test_others_are_served_meanwhile(single):
    slow = [wire.connect(single) for _ in range(200)]
    for connection in slow:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    for _ in range(20):
        assert requests.get(single.url + "/healthz", timeout=10).status_code == 200
    for connection in slow:
        connection.settimeout(30)
        assert wire.read_all(connection) == b""
        connection.close()


def hammer(service, token, acknowledged, stop, cut_off):
    headers = {"Authorization": f"Bearer {token}"}
    session = requests.Session()
    while not stop.is_set():
        try:
            reply = session.post(service.url + "/v1/projects/drained/comparisons", json=judgement(), headers=headers, timeout=30)
        except requests.RequestException as failure:
            cut_off.append(str(failure))
            return
        if reply.status_code == 201:
            acknowledged.append(reply.json()["id"])
        elif reply.status_code == 503:
            return


def test_it_ends_in_order_under_load(start_daemon, database):
    token = new_token(database)
    daemon = start_daemon(database).ready()
    service = Service(daemon, token)
    service.post("/v1/projects", {"name": "drained"})
    acknowledged, stop, cut_off = [], threading.Event(), []
    threads = [threading.Thread(target=hammer, args=(service, token, acknowledged, stop, cut_off)) for _ in range(16)]
    for thread in threads:
        thread.start()
    daemon.wait(lambda: len(acknowledged) > 200, "some posts")
    start = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - start < 10
    stop.set()
    for thread in threads:
        thread.join()
    assert not [reason for reason in cut_off if "IncompleteRead" in reason]  # no half replies
    again = start_daemon(database).ready()
    service = Service(again, token)
    found, cursor = set(), None
    while True:
        page = service.get(COMPARISONS, project="drained", query={"limit": 1000, **({"cursor": cursor} if cursor else {})}).json()
        found |= {c["id"] for c in page["items"]}
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert set(acknowledged) <= found
    assert again.stop() == 0


def test_a_followed_log_does_not_hold_the_end_up(start_daemon, database):
    token = new_token(database)
    daemon = start_daemon(database).ready()
    service = Service(daemon, token)
    service.post("/v1/projects", {"name": "followed"})
    job = service.post("/v1/projects/{project}/fits", project="followed").json()["job"]
    with wire.connect(service) as connection:
        connection.sendall((f"GET /v1/projects/followed/jobs/{job}/log?follow=true HTTP/1.1\r\nHost: x\r\n"
                            f"Authorization: Bearer {token}\r\n\r\n").encode())
        assert b" 200 " in connection.recv(4096)
        assert daemon.stop() == 0
        assert wire.read_all(connection).endswith(b"0\r\n\r\n")
