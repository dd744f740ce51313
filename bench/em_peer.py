#!/usr/bin/python3
"""The peer of bench/em.c: a plain numpy/scipy soft EM on the same data, the same ridge and the same stopping rule.

usage: build/release/bench/em 2 100000 768 2000 /tmp/em.bin && OPENBLAS_NUM_THREADS=2 bench/em_peer.py /tmp/em.bin
       (further arguments as above: COMPARISONS DIM ANNOTATORS). Needs numpy and scipy."""
import resource
import sys
import time

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

GROUPS, RIDGE, TOLERANCE = 3, 100.0, 1e-6


def load(path, n, dim, annotators):
    with open(path, "rb") as f:
        x = np.fromfile(f, np.float32, n * dim).reshape(n, dim)
        return x, np.fromfile(f, np.int32, n), np.fromfile(f, np.int32, annotators)


def fit_head(x, weight, theta):
    """L-BFGS on the weighted log-loss, warm-started."""
    def loss(t):
        margin = x @ t.astype(np.float32)
        value = float(np.sum(weight * np.logaddexp(0, -margin))) + RIDGE / 2 * float(t @ t)
        slope = (weight * expit(-margin)).astype(np.float32)
        return value, (RIDGE * t - slope @ x).astype(np.float64)
    return minimize(loss, theta, jac=True, method="L-BFGS-B", options={"maxiter": 15}).x


def start(x, annotator, annotators, rng):
    """k-means on the leading directions of the annotators' net-win vectors."""
    order = np.searchsorted(annotator, np.arange(annotators))
    wins = np.add.reduceat(x, order, axis=0)
    u, s, _ = np.linalg.svd(wins, full_matrices=False)
    place = u[:, :GROUPS] * s[:GROUPS]
    centres = place[rng.choice(annotators, GROUPS, replace=False)]
    for _ in range(30):
        label = ((place[:, None] - centres[None]) ** 2).sum(2).argmin(1)
        centres = np.stack([place[label == g].mean(0) if (label == g).any() else centres[g] for g in range(GROUPS)])
    return np.where(np.eye(GROUPS)[label] > 0, 0.9, 0.05)


def main():
    path, (n, dim, annotators) = sys.argv[1], (int(a) for a in (sys.argv[2:5] or (100000, 768, 2000)))
    x, annotator, truth = load(path, n, dim, annotators)
    began = time.monotonic()
    fit_head(x, np.ones(n), np.zeros(dim))
    pooled = time.monotonic()
    q = start(x, annotator, annotators, np.random.default_rng(1))
    theta, former, iterations = np.zeros((GROUPS, dim)), -np.inf, 0
    while True:
        eta = (q.sum(0) + 1) / (annotators + GROUPS)
        for g in range(GROUPS):
            theta[g] = fit_head(x, q[annotator, g], theta[g])
        likelihood = np.zeros((annotators, GROUPS))
        np.add.at(likelihood, annotator, -np.logaddexp(0, -(x @ theta.T.astype(np.float32))))
        joint = likelihood + np.log(eta)
        total = logsumexp(joint, axis=1)
        q = np.exp(joint - total[:, None])
        f = float(total.sum() - RIDGE / 2 * (theta ** 2).sum() + np.log(eta).sum())
        iterations += 1
        if f - former < TOLERANCE * (1 + abs(f)) or iterations == 100:
            break
        former = f
    end = time.monotonic()
    table = np.zeros((GROUPS, GROUPS))
    np.add.at(table, (q.argmax(1), truth), 1)
    right = sum(table[:, g].max() for g in range(GROUPS)) / annotators
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    print(f"numpy/scipy: pooled {pooled - began:.2f} s, mixture {end - pooled:.2f} s ({iterations} iterations), "
          f"placed right {right:.4f}, F {f:.1f}, peak {peak:.2f} GB")


main()
