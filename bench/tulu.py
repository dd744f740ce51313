#!/usr/bin/python3
"""Max-min against the single reward on real answers: the whole pipeline through a service of its own, cell by cell.

usage: bench/tulu.py --model FOLDER --out FILE [--cells p2:6,p2:10,...] [--seed N] [--ppo JSON] [--base-note TEXT]
       bench/tulu.py --table FILE
A cell is a data set (p1: elementary and expert, p2: concise and informative) and a ratio of majority to minority. Of each
data set some annotators are kept as judges whom no training sees; of the others a majority and a minority are drawn in
that ratio. A cell is a project: the comparisons are imported, EM finds the groups, and from the registered policy a
`single` and a `maxmin` policy are trained by PPO on the same prompts and seed. Both are evaluated against where they
started, on other prompts, by a fit on the judges and by the rule that made the annotators. groups.jsonl, the answer key,
is used for drawing annotators and for scoring only.

Each cell is a line of FILE, written when it is done; cells that are there are left out, so a run can be stopped and begun
again. --table prints FILE as Markdown. Data: EGALIGN_DATA, or ../shared/data beside the repository."""
import argparse
import gzip
import json
import math
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
EGALIGN = ROOT / "build" / "release" / "egalign"
DATA = pathlib.Path(os.environ.get("EGALIGN_DATA", ROOT.parent / "shared" / "data"))
OBJECTIVES = ("single", "maxmin")
CELLS = "p2:6,p2:10,p1:10,p1:1,p2:1,p1:6,p2:2,p1:2"
# of each data set: folder, majority, minority, judges of either, and annotators trained on at each ratio
SETS = {
    "p1": ("rlphf_p1_style", "P1A_elementary", "P1B_expert", (10, 10), {1: (30, 30), 2: (30, 15), 6: (30, 5), 10: (30, 3)}),
    "p2": ("rlphf_p2_style", "P2A_concise", "P2B_informative", (12, 4), {1: (7, 7), 2: (14, 7), 6: (42, 7), 10: (40, 4)}),
}
FIT = {"k_max": 2, "restarts": 2, "folds": 3}
JUDGE_FIT = {"k": 2, "restarts": 2, "folds": 3}
PPO = {"preset": "small", "updates": 8, "episodes": 64, "samples_per_prompt": 2, "prompt_tokens": 48,
       "response_tokens": 32, "frozen_blocks": 4, "epochs": 2, "minibatches": 2, "learning_rate": 1e-3, "beta": 0.05,
       "adaptive_beta": False, "score_clip": 3, "end_penalty": 0}
PROMPT_CHARACTERS = 140
TRAINING_PROMPTS, HELD_OUT_PROMPTS, SAMPLES = 64, 100, 2


# ---- the service ----

class Service:
    """`egalign serve` with a private cluster, one worker and one thread a job, in a folder that goes with it."""

    def __init__(self, model):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="egalign-tulu-", dir="/var/tmp"))
        os.chmod(self.folder, 0o755)
        self.data, self.trained = self.folder / "data", self.folder / "trained"
        self.trained.mkdir()
        self.process = subprocess.Popen(
            [EGALIGN, "serve", "--data-dir", self.data, "--port", "0", "--workers", "1", "--job-threads", "1",
             "--policy-folders", f"{model}:{self.trained}", "--log-level", "error"])
        try:
            url, self.token = self.data / "url", ""
            self.url = self.wait(lambda: url.exists() and url.read_text().strip().rstrip("/"), "egalign serve")
            self.wait(lambda: self.ask("GET", "/readyz", fails=True)[0] == 200, "the service to be ready")
            self.token = subprocess.run([EGALIGN, "token", "create", "--role", "admin", "--data-dir", self.data],
                                        check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        except BaseException:
            self.stop()
            raise

    def wait(self, check, what, seconds=120, pause=0.2):
        end = time.monotonic() + seconds
        while True:
            value = check()
            if value:
                return value
            if time.monotonic() > end or self.process.poll() is not None:
                raise SystemExit(f"waited in vain for {what}")
            time.sleep(pause)

    def ask(self, method, path, body=None, kind="application/json", fails=False):
        """(status, document); ends the run on an error unless `fails`."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {"Content-Type": kind, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=600) as reply:
                return reply.status, json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            if fails:
                return error.code, text
            raise SystemExit(f"{method} {path}: {error.code} {text}") from None

    def get(self, path):
        return self.ask("GET", path)[1]

    def post(self, path, body):
        return self.ask("POST", path, body)[1]

    def items(self, path):
        """All items of a resource in pages."""
        cursor = ""
        while cursor is not None:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit=1000{cursor}")
            yield from page["items"]
            cursor = f"&cursor={page['next_cursor']}" if page.get("next_cursor") else None

    def job(self, project, job):
        """The job, when it has ended well."""
        path = f"/v1/projects/{project}/jobs/{job}"
        ended = self.wait(lambda: (lambda found: found["state"] in ("done", "failed", "cancelled") and found)(self.get(path)),
                          f"job {job}", seconds=7200, pause=1)
        if ended["state"] != "done":
            raise SystemExit(f"{project}: {ended['kind']} {ended['state']}: {ended['error']}")
        return ended

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- data ----

def lines_of(path):
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Preferences:
    """One data set: its annotators by taste, divided once into judges and others."""

    def __init__(self, name, seed):
        folder, self.majority, self.minority, judges, self.sizes = SETS[name]
        self.name, self.pairs = name, lines_of(DATA / folder / "pairs.jsonl.gz")
        self.taste = {row["annotator"]: row["group"] for row in lines_of(DATA / folder / "groups.jsonl")}
        draw = random.Random(f"{name} {seed}")
        self.judges, self.others = [], {}
        for taste, count in zip((self.majority, self.minority), judges):
            people = sorted(a for a, t in self.taste.items() if t == taste)
            draw.shuffle(people)
            self.judges += people[:count]
            self.others[taste] = people[count:]

    def people(self, ratio):
        majority, minority = self.sizes[ratio]
        return self.others[self.majority][:majority] + self.others[self.minority][:minority]

    def comparisons(self, people):
        """As lines for the service; which side the preferred response is on says nothing."""
        people, draw = set(people), random.Random(1)
        for pair in self.pairs:
            if pair["annotator"] in people:
                sides = [pair["chosen"], pair["rejected"]]
                first = draw.random() < 0.5
                a, b = sides if first else reversed(sides)
                yield json.dumps({"annotator": pair["annotator"], "prompt": pair["prompt"], "a": {"text": a},
                                  "b": {"text": b}, "outcome": "a" if first else "b"})


def prompts_of(seed):
    """Short instructions: those to train on, those held out."""
    texts = sorted({row["prompt"] for row in lines_of(DATA / "instruct_corpus" / "pairs.jsonl.gz")
                    if len(row["prompt"]) <= PROMPT_CHARACTERS})
    random.Random(seed).shuffle(texts)
    return texts[:TRAINING_PROMPTS], texts[TRAINING_PROMPTS:TRAINING_PROMPTS + HELD_OUT_PROMPTS]


# ---- what is measured ----

def adjusted_rand(pairs):
    """Of (found, true) labels; Hubert and Arabie 1985."""
    def choose(counts):
        return sum(math.comb(n, 2) for n in counts)

    def counts(labels):
        found = {}
        for label in labels:
            found[label] = found.get(label, 0) + 1
        return found.values()
    both, rows, columns = (choose(counts(x)) for x in (pairs, [p[0] for p in pairs], [p[1] for p in pairs]))
    expected = rows * columns / max(math.comb(len(pairs), 2), 1)
    most = (rows + columns) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def syllables(word):
    count = len(re.findall(r"[aeiouy]+", word))
    return max(1, count - (word.endswith("e") and not word.endswith("le") and count > 1))


def reading_grade(text):
    """Flesch-Kincaid."""
    words = re.findall(r"[a-z']+", text.lower())
    sentences = max(1, len(re.findall(r"[.!?]+(?:\s|$)", text)))
    if not words:
        return 0.0
    return 0.39 * len(words) / sentences + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


# The majority of either set wants less of this.
MEASURE = {"p1": reading_grade, "p2": lambda text: len(text.split())}


def by_rule(measure, ours, theirs, seed):
    """How often the majority's rule prefers ours, with a bootstrap interval over prompts; and mean measures."""
    shares, means = [], []
    for a, b in zip(ours, theirs):
        x, y = [measure(t) for t in a], [measure(t) for t in b]
        shares.append(sum((p < q) + 0.5 * (p == q) for p in x for q in y) / (len(x) * len(y)))
        means.append((sum(x) / len(x), sum(y) / len(y)))
    draw, n = random.Random(seed), len(shares)
    spread = sorted(sum(draw.choices(shares, k=n)) / n for _ in range(1000))
    return {"majority": sum(shares) / n, "low": spread[24], "high": spread[974],
            "measure": sum(m[0] for m in means) / n, "measure_before": sum(m[1] for m in means) / n}


# ---- the pipeline ----

def make_project(service, name, comparisons, seed, options, model):
    """A project with these comparisons, a published fit and the policy `base`; (fit, its job)"""
    service.post("/v1/projects", {"name": name})
    service.ask("POST", f"/v1/projects/{name}/comparisons", "\n".join(comparisons).encode(), "application/x-ndjson")
    made = service.post(f"/v1/projects/{name}/fits", {"seed": seed, **options})
    job = service.job(name, made["job"])
    register(service, name, "base", model)
    return service.get(f"/v1/projects/{name}/fits/{made['id']}"), job


def register(service, project, name, folder, **more):
    policy = service.post(f"/v1/projects/{project}/policies", {"name": name, "folder": str(folder), **more})
    service.job(project, policy["job"])


def tastes_of_groups(service, project, preferences):
    """({group: taste of most of its members}, adjusted Rand index)"""
    members = [(m["group"], preferences.taste[m["name"]]) for m in service.items(f"/v1/projects/{project}/memberships")]
    votes = {}
    for group, taste in members:
        if group:
            votes.setdefault(group, []).append(taste)
    return {g: max(set(v), key=v.count) for g, v in votes.items()}, adjusted_rand([(str(g), t) for g, t in members])


def by_taste(values, tastes, preferences):
    """{majority, minority} of a value a group; the first group of a taste speaks for it."""
    found = {}
    for group, value in values:
        found.setdefault(tastes.get(group), value)
    return {"majority": found.get(preferences.majority), "minority": found.get(preferences.minority)}


def train(service, project, objective, items, seed, ppo):
    """(folder of the trained policy, its last metrics, seconds)"""
    begin = time.monotonic()
    options = {"name": objective, "policy": "base", "objective": objective, "items": items, "references": 4,
               "sample_every": 0, "ppo": {**ppo, "seed": seed}}
    job = service.post(f"/v1/projects/{project}/jobs", {"kind": "ppo", "options": options})
    service.job(project, job["id"])
    series = list(service.items(f"/v1/projects/{project}/jobs/{job['id']}/metrics"))
    return service.get(f"/v1/projects/{project}/policies/{objective}")["folder"], series, time.monotonic() - begin


def responses_of(service, project, policy, prompts):
    """Texts by prompt, of one policy."""
    found = {}
    for item in service.items(f"/v1/projects/{project}/items"):
        found[item["prompt"]] = [r["text"] for r in item["responses"] if r["policy"] == policy]
    return [found[p] for p in prompts]


def evaluate(service, preferences, judges, name, folder, prompts, seed, ppo):
    project, tastes = judges
    register(service, project, name, shutil.copytree(folder, service.trained / name), parent="base")
    job = service.post(f"/v1/projects/{project}/jobs", {"kind": "evaluate", "options": {
        "policy": name, "against": "base", "prompts": prompts, "samples": SAMPLES, "seed": seed, "replicates": 0,
        "max_tokens": ppo["response_tokens"]}})
    ended = service.job(project, job["id"])
    result = service.get(f"/v1/projects/{project}/evaluations/{ended['evaluation']}")["result"]
    rule = by_rule(MEASURE[preferences.name], responses_of(service, project, name, prompts),
                   responses_of(service, project, "base", prompts), seed)
    rates = by_taste([(g["id"], g["training"]) for g in result["groups"]], tastes, preferences)
    return {"judge": rates, "rule": rule, "kl": result["kl"]["policy"], "pairs": result["pairs"]}


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run_cell(service, preferences, judges, ratio, options, prompts, ppo):
    begin, name = time.monotonic(), f"{preferences.name}-{ratio}-1-s{options.seed}"
    people = preferences.people(ratio)
    comparisons = list(preferences.comparisons(people))
    fit, _ = make_project(service, name, comparisons, options.seed, FIT, options.model)
    tastes, index = tastes_of_groups(service, name, preferences)
    say(f"{name}: {len(people)} annotators, {len(comparisons)} comparisons, {len(tastes)} groups, ARI {index:.2f}")
    groups = service.get(f"/v1/projects/{name}/groups")["items"]
    items = [service.post(f"/v1/projects/{name}/items", {"prompt": p})["id"] for p in prompts[0]]
    row = {"set": preferences.name, "ratio": ratio, "seed": options.seed, "annotators": preferences.sizes[ratio],
           "comparisons": len(comparisons), "groups": len(tastes), "ari": index, "note": options.base_note, "ppo": ppo,
           "accuracy": by_taste([(g["id"], g["summary"]["accuracy"]) for g in groups], tastes, preferences)}
    ordinals = {f"g{g['ordinal']}": g["id"] for g in groups}
    for objective in OBJECTIVES:
        folder, series, seconds = train(service, name, objective, items, options.seed, ppo)
        say(f"{name}: {objective} trained in {seconds:.0f} s")
        found = evaluate(service, preferences, judges, f"{name}-{objective}", folder, prompts[1], options.seed, ppo)
        for kind in ("scores", "winrate"):
            found[kind] = by_taste([(ordinals[key.split("/")[1]], value) for key, value in series[-1]["figures"].items()
                                    if key.startswith(kind + "/g") and key.split("/")[1] in ordinals], tastes, preferences)
        course = [[m["figures"][key] for key in ("objective/kl", "objective/scores", "response/length")] for m in series]
        row[objective] = {**found, "course": course, "seconds": seconds}
        say(f"{name}: {objective} {json.dumps({k: found[k] for k in ('judge', 'rule', 'kl')})}")
    row["seconds"] = time.monotonic() - begin
    return row


def run(options):
    wanted = [(c.split(":")[0], int(c.split(":")[1])) for c in options.cells.split(",")]
    out = pathlib.Path(options.out)
    done = {(r["set"], r["ratio"], r["seed"]) for r in lines_of(out)} if out.exists() else set()
    prompts, ppo = prompts_of(options.seed), {**PPO, **json.loads(options.ppo)}
    options.model = pathlib.Path(options.model).resolve()
    service, sets = Service(options.model), {}
    try:
        for name, ratio in wanted:
            if (name, ratio, options.seed) in done:
                continue
            if name not in sets:
                p = Preferences(name, options.seed)
                project = f"{name}-judges"
                make_project(service, project, p.comparisons(p.judges), options.seed, JUDGE_FIT, options.model)
                tastes, index = tastes_of_groups(service, project, p)
                say(f"{project}: {len(p.judges)} annotators, ARI {index:.2f}")
                sets[name] = p, (project, tastes)
            row = run_cell(service, *sets[name], ratio, options, prompts, ppo)
            with open(out, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
    finally:
        service.stop()


# ---- the tables ----

def rate(r):
    return f"{100 * r['rate']:.0f} [{100 * r['low']:.0f} {100 * r['high']:.0f}]" if r and r["n"] else "-"


def line(cells):
    return "| " + " | ".join(cells) + " |"


def table_of_fits(rows):
    """Groups found, and how well rewards predict held-out comparisons."""
    lines = [line(["set", "ratio", "annotators", "groups, ARI", "single reward: majority", "minority",
                   "own group's reward: majority", "minority"]), "|---" * 8 + "|"]
    for row in rows:
        of = [row["accuracy"][taste] for taste in ("majority", "minority")]
        lines.append(line([row["set"], f"{row['ratio']}:1", "{} + {}".format(*row["annotators"]),
                           f"{row['groups']}, {row['ari']:.2f}", *(rate(a and a["single"]) for a in of),
                           *(rate(a and a["group"]) for a in of)]))
    return "\n".join(lines)


def table_of_policies(rows):
    lines = [line(["set", "ratio", "policy", "judge: majority", "judge: minority", "rule: majority",
                   "training reward: majority / minority", "KL", "s"]), "|---" * 9 + "|"]
    for row in rows:
        for objective in OBJECTIVES:
            o = row[objective]
            rule = {"n": 1, "rate": o["rule"]["majority"], **o["rule"]}
            lines.append(line([row["set"], f"{row['ratio']}:1", objective, rate(o["judge"]["majority"]),
                               rate(o["judge"]["minority"]), rate(rule),
                               " / ".join("-" if v is None else f"{v:+.2f}" for v in o["scores"].values()),
                               f"{o['kl']['mean']:.1f}", f"{o['seconds']:.0f}"]))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="the policy to start from: a model directory")
    parser.add_argument("--out", help="file of results, a line of JSON a cell")
    parser.add_argument("--cells", default=CELLS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ppo", default="{}", help="options of PPO in place of the script's own, as JSON")
    parser.add_argument("--base-note", default="", help="what the model is, kept with the results")
    parser.add_argument("--table", help="print this file of results")
    options = parser.parse_args()
    if options.table:
        rows = sorted(lines_of(pathlib.Path(options.table)), key=lambda r: (r["set"], r["ratio"], r["seed"]))
        print(table_of_fits(rows), table_of_policies(rows), sep="\n\n")
    elif options.model and options.out:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # the service goes with the script
        run(options)
    else:
        parser.error("--model and --out, or --table")


if __name__ == "__main__":
    main()
