#!/usr/bin/python3
"""Measures the service beside its ceilings and peers, all in one run on one machine, and prints a Markdown table.

usage: bench/service.py [--seconds S] [--rounds R] [NAME...]     NAME: posts batches polls refit
Needs: a release build, wrk, node with `npm install` done in bench/node_peer, and for `refit` the UKP data (EGALIGN_DATA).
Every server gets a fresh private cluster of the same PostgreSQL, with the settings of the embedded one. Figures are
medians of the rounds; rates move with the machine, the ratios are what is to be compared."""
import argparse
import gzip
import http.client
import io
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import uuid

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parent.parent
EGALIGN = ROOT / "build" / "release" / "egalign"
HELLO = ROOT / "build" / "release" / "bench" / "hello"
DATA = pathlib.Path(os.environ.get("EGALIGN_DATA", ROOT.parent / "shared" / "data"))
CONNECTIONS = 64
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid, deep=True):
    """User and system time of a process, of its waited-for children, and (deep) of its living descendants."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    total = sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICK
    if deep:
        children = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
        for child in {int(c) for path in children for c in path.read_text().split()}:
            total += cpu_seconds(child)
    return total


def wait_for(check, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.05)
    raise SystemExit(f"{what} did not come up")


class Service:
    """`egalign serve` with a private cluster, a token, a project, and where a Node peer wants it, that peer beside it."""

    def __init__(self, *options, node=False):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="egalign-bench-", dir="/var/tmp"))
        os.chmod(self.folder, 0o755)
        data = self.folder / "data"
        self.process = subprocess.Popen(
            [EGALIGN, "serve", "--data-dir", data, "--port", "0", "--workers", "0", "--log-level", "warning", *options])
        self.url = wait_for(lambda: (data / "url").exists() and (data / "url").read_text().strip().rstrip("/"), "egalign serve")
        self.port = int(self.url.rsplit(":", 1)[1])
        wait_for(lambda: self.get("/readyz")[0] == 200, "egalign serve")
        self.data = data
        self.token = self.run("token", "create", "--role", "admin").strip()
        status, body = self.post("/v1/projects", json.dumps({"name": "bench"}))
        assert status == 201, body
        self.project = json.loads(body)["id"]
        self.node = None
        if node:
            self.node_port = self.port + 1
            self.node = subprocess.Popen(["node", "server.js", str(self.node_port), self.conninfo_url(), self.project],
                                         cwd=ROOT / "bench" / "node_peer")
            wait_for(self.node_answers, "the Node peer")

    def run(self, *arguments):
        return subprocess.run([EGALIGN, *arguments, "--data-dir", self.data], check=True, capture_output=True, text=True).stdout

    def conninfo(self):
        return (self.data / "conninfo").read_text().strip()

    def conninfo_url(self):
        parts = dict(re.findall(r"(\w+)='?([^' ]+)'?", self.conninfo()))
        host = parts["host"].replace("/", "%2F")
        return f"postgres://{parts['user']}@{host}:{parts.get('port', 5432)}/{parts['dbname']}"

    def node_answers(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.node_port, timeout=2)
            connection.request("GET", "/")
            return connection.getresponse().status == 404
        except OSError:
            return False

    def request(self, method, path, body=None, headers=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=600)
        known = {"Content-Type": "application/json"} if body is not None else {}
        if getattr(self, "token", None):
            known["Authorization"] = f"Bearer {self.token}"
        connection.request(method, path, body, {**known, **(headers or {})})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body, headers=None, port=None):
        return self.request("POST", path, body, headers, port)

    def cpu(self):
        return cpu_seconds(self.process.pid) + (cpu_seconds(self.node.pid) if self.node else 0)

    def stop(self):
        for process in filter(None, (self.node, self.process)):
            process.terminate()
            process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def wrk(url, seconds, script=None, arguments=(), headers=()):
    """Requests a second, 99th percentile in ms, and how many answers were not 2xx or 3xx."""
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    command += sum((["-H", h] for h in headers), [])
    command += ["-s", str(script)] if script else []
    done = subprocess.run([*command, url, "--", *arguments], capture_output=True, text=True, check=True).stdout
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", done).groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done)
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", done).group(1)),
            "p99": float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit],
            "requests": int(re.search(r"(\d+) requests in", done).group(1)), "bad": int(bad.group(1)) if bad else 0}


def medians(rows):
    return {key: statistics.median(row[key] for row in rows) for key in rows[0]}


def measured_posts(service, path, port, mode, seconds):
    before = service.cpu()
    row = wrk(f"http://127.0.0.1:{port}", seconds, ROOT / "bench" / "post.lua", [path, service.token, mode])
    row["cpu_us"] = (service.cpu() - before) * 1e6 / max(row["requests"] - row["bad"], 1)
    return row


def bench_posts(options):
    """Durable single posts, 64 connections: group commit, a transaction a row, Node; side by side, round by round."""
    group, row_mode, node = Service(), Service("--ingest-group-rows", "1"), Service(node=True)
    path = "/v1/projects/bench/comparisons"
    cases = [("group commit", group, path, group.port), ("a transaction a row", row_mode, path, row_mode.port),
             ("Node, fastify + pg", node, "/comparisons", node.node_port)]
    for mode in ("repeated", "unique"):
        rows = {name: [] for name, *_ in cases}
        for _ in range(options.rounds):
            for name, service, where, port in cases:
                rows[name].append(measured_posts(service, where, port, mode, options.seconds))
        base = medians(rows["group commit"])["rate"]
        for name in rows:
            m = medians(rows[name])
            print(f"| posts, {mode} texts | {name} | {m['rate']:.0f} /s | p99 {m['p99']:.1f} ms | {m['cpu_us']:.1f} us CPU a row "
                  f"| group commit is {base / m['rate']:.2f}x | {int(m['bad'])} refused |", flush=True)
    for service in (group, row_mode, node):
        service.stop()


def comparisons(count, mode, rng):
    """Records of about 1.4 kB; `repeated` draws 2,000 prompts, `unique` makes every text new."""
    filler = "the quick brown fox jumps over the lazy dog and " * 9
    for i in range(count):
        tag = str(uuid.UUID(int=rng.getrandbits(128))) if mode == "unique" else str(rng.randrange(2000))
        yield {"annotator": f"w{rng.randrange(200):04d}", "prompt": f"Question {tag}: what of it? {filler}",
               "a": {"text": f"First answer to {tag}: {filler}", "policy": "one"},
               "b": {"text": f"Second answer to {tag}: {filler}", "policy": "two"}, "outcome": "ab"[i % 2]}


def chunks(rows, size=1000):
    return ["\n".join(json.dumps(r) for r in rows[i:i + size]).encode() + b"\n" for i in range(0, len(rows), size)]


def post_batches(service, path, port, bodies, rows):
    before, start = service.cpu(), time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    for body in bodies:
        connection.request("POST", path, body, {"Content-Type": "application/x-ndjson",
                                                "Authorization": f"Bearer {service.token}"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 201 and json.loads(text)["accepted"] > 0, text
    took = time.monotonic() - start
    return {"rate": rows / took, "cpu_us": (service.cpu() - before) * 1e6 / rows}


def copy_binary(service, rows):
    """COPY BINARY of the same rows, whole texts and all, into one flat table with a time-ordered key: the ceiling."""
    encoded = io.BytesIO(b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0))
    encoded.seek(0, io.SEEK_END)
    now = int(time.time() * 1000)
    for i, r in enumerate(rows):
        key = (now + i).to_bytes(6, "big") + os.urandom(10)
        values = [key, *(v.encode() for v in (r["annotator"], r["prompt"], r["a"]["text"], r["b"]["text"], r["outcome"]))]
        encoded.write(struct.pack("!h", len(values)) + b"".join(struct.pack("!i", len(v)) + v for v in values))
    encoded.write(struct.pack("!h", -1))
    encoded.seek(0)
    database = psycopg2.connect(service.conninfo())
    with database, database.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS flat (seq bigint GENERATED ALWAYS AS IDENTITY, id uuid PRIMARY KEY, "
                       "annotator text, prompt text, a text, b text, outcome text)")
        database.commit()
        before, start = service.cpu(), time.monotonic()
        cursor.copy_expert("COPY flat (id, annotator, prompt, a, b, outcome) FROM STDIN (FORMAT binary)", encoded)
        database.commit()
        took = time.monotonic() - start
    database.close()
    return {"rate": len(rows) / took, "cpu_us": (service.cpu() - before) * 1e6 / len(rows)}


def bench_batches(options):
    """NDJSON batches of 1000 by one client: ours, Node, and COPY BINARY of the same rows."""
    ours, node = Service(), Service(node=True)
    count = 20000
    for mode in ("repeated", "unique"):
        rows = {"egalign": [], "Node, fastify + pg": [], "COPY BINARY, flat table": []}
        for round_number in range(options.rounds):
            records = list(comparisons(count, mode, random.Random(f"{mode}{round_number}")))
            bodies = chunks(records)
            rows["egalign"].append(post_batches(ours, "/v1/projects/bench/comparisons", ours.port, bodies, count))
            rows["Node, fastify + pg"].append(post_batches(node, "/batches", node.node_port, bodies, count))
            rows["COPY BINARY, flat table"].append(copy_binary(ours, records))
        base = medians(rows["egalign"])["rate"]
        for name in rows:
            m = medians(rows[name])
            print(f"| batches of 1000, {mode} texts | {name} | {m['rate']:.0f} rows/s | {m['cpu_us']:.1f} us CPU a row "
                  f"| egalign is {base / m['rate']:.2f}x |", flush=True)
    ours.stop()
    node.stop()


def bench_polls(options):
    """304 polls of win-rates beside libmicrohttpd's own hello-world with as many threads."""
    service = Service()
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    headers = {"Authorization": f"Bearer {service.token}"}
    connection.request("GET", "/v1/projects/bench/win-rates", headers=headers)
    answer = connection.getresponse()
    answer.read()
    etag = answer.getheader("ETag")
    port = service.port + 2
    hello = subprocess.Popen([HELLO, str(port), str(min(os.cpu_count(), 4))])
    rows = {"hello-world": [], "304": []}
    for _ in range(options.rounds):
        rows["hello-world"].append(wrk(f"http://127.0.0.1:{port}/", options.seconds))
        rows["304"].append(wrk(f"http://127.0.0.1:{service.port}/v1/projects/bench/win-rates", options.seconds,
                               headers=[f"Authorization: Bearer {service.token}", f"If-None-Match: {etag}"]))
    hello.kill()
    m = {name: medians(r) for name, r in rows.items()}
    print(f"| polls | hello-world {m['hello-world']['rate']:.0f} /s | 304 {m['304']['rate']:.0f} /s "
          f"| ratio {m['304']['rate'] / m['hello-world']['rate']:.2f} | {int(m['304']['bad'])} refused |", flush=True)
    service.stop()


def ukp_record(line):
    r = json.loads(line)
    tie = "chosen" not in r
    a, b = (r["a"], r["b"]) if tie else (r["chosen"], r["rejected"])
    return json.dumps({"annotator": r["annotator"], "prompt": r["prompt"], "a": {"text": a}, "b": {"text": b},
                       "outcome": "tie" if tie else "a"})


def bench_refit(options):
    """All of UKPConvArg1 through the API in one stream, then a fit by a worker of its own."""
    folder = DATA / "ukpconvarg1"
    if not folder.exists():
        print("| refit | no data: skipped |")
        return
    service = Service("--workers", "1")
    lines = [line for name in ("pairs", "ties") for line in gzip.open(folder / f"{name}.jsonl.gz", "rt")]
    records = [ukp_record(line) for line in lines]
    body = ("\n".join(r for r in records if json.loads(r)["a"] != json.loads(r)["b"]) + "\n").encode()
    start = time.monotonic()
    status, text = service.post("/v1/projects/bench/comparisons", body, {"Content-Type": "application/x-ndjson"})
    posted = time.monotonic() - start
    assert status == 201, text
    start = time.monotonic()
    status, text = service.post("/v1/projects/bench/fits", "{}")
    fit = f"/v1/projects/bench/fits/{json.loads(text)['id']}"

    def ended():
        state = json.loads(service.get(fit)[1])
        return state if state["state"] not in ("queued", "running") else None

    state = wait_for(ended, "the fit", 1800)
    count = json.loads(service.get("/v1/projects/bench/win-rates")[1])
    print(f"| refit | UKP: {len(records)} rows posted in {posted:.1f} s | fit {state['state']}, k = {count.get('k')} "
          f"in {time.monotonic() - start:.1f} s |")
    service.stop()


BENCHES = {"posts": bench_posts, "batches": bench_batches, "polls": bench_polls, "refit": bench_refit}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name in options.names or BENCHES:
        BENCHES[name](options)


if __name__ == "__main__":
    sys.exit(main())
