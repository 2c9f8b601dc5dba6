#!/usr/bin/env python3
"""Writes the golden values of bench/internal/trend, computed with SciPy.

usage: scripts/golden/trend.py > bench/internal/trend/testdata/scipy.json

Needs SciPy (Debian: python3-scipy). The tests read what it wrote and need
neither. The search is written down here as the papers define it, by plain sums
over all pairs; the t-test is SciPy's.
"""
import json
import random
import statistics
import sys

import scipy
from scipy import stats

SIDE, WINDOW, SIGNIFICANT = 3, 50, 0.001


def p_value(a, b):
    if len(a) + len(b) == 2:
        return 1.0
    return float(stats.ttest_ind(a, b).pvalue)


def mean_distance(pairs):
    distances = [abs(x - y) for x, y in pairs]
    return sum(distances) / len(distances)


def q(values, at):
    a, b = values[:at], values[at:]
    within = lambda s: mean_distance([(s[i], s[j]) for i in range(len(s)) for j in range(i)])
    energy = 2 * mean_distance([(x, y) for x in a for y in b]) - within(a) - within(b)
    return len(a) * len(b) / len(values) * energy


def split(values):
    if len(values) < 2 * SIDE:
        return []
    at = max(range(SIDE, len(values) - SIDE + 1), key=lambda i: q(values, i))
    if p_value(values[:at], values[at:]) > 10 * SIGNIFICANT:
        return []
    return split(values[:at]) + [at] + [at + i for i in split(values[at:])]


def changes(values):
    places, start = set(), 0
    while True:
        places |= {start + i for i in split(values[start:start + WINDOW])}
        if start + WINDOW >= len(values):
            break
        start += WINDOW // 2
    places = sorted(places)
    while True:
        edges = [0] + places + [len(values)]
        described = [{"at": at, "before": statistics.median(values[a:at]), "after": statistics.median(values[at:b]),
                      "p": p_value(values[a:at], values[at:b])}
                     for a, at, b in zip(edges, places, edges[2:])]
        short = [min(at - a, b - at) < SIDE for a, at, b in zip(edges, places, edges[2:])]
        if not any(short) and all(d["p"] <= SIGNIFICANT for d in described):
            return described
        worst = max(range(len(described)), key=lambda i: (short[i], described[i]["p"]))
        del places[worst]


def main():
    rng = random.Random(20261122)

    def series(*parts):
        return [round(level * rng.lognormvariate(0, sigma), 6) for n, level, sigma in parts for _ in range(n)]

    shapes = {
        "noise": [(60, 8, 0.05)],
        "one step": [(20, 8, 0.03), (20, 9, 0.03)],
        "up and down": [(15, 8, 0.02), (20, 9, 0.02), (10, 8, 0.02)],
        "a late step": [(30, 8, 0.02), (4, 9, 0.02)],
        "a staircase": [(10, 8 + i, 0.03) for i in range(6)],
        "a step lost in noise": [(10, 8, 0.3), (10, 8.5, 0.3)],
        "two windows and more": [(70, 8, 0.04), (50, 7, 0.04), (30, 7.5, 0.04)],
        "a step at a window's end": [(48, 8, 0.02), (7, 7, 0.02)],
        "a wild run": [(15, 8, 0.03), (1, 20, 0.01), (15, 8, 0.03)],
        "the fewest points": [(5, 8, 0.02), (5, 10, 0.02)],
    }
    out = []
    for name, parts in shapes.items():
        values = series(*parts)
        out.append({"name": name, "values": values, "changes": changes(values)})
    tests = []
    for m, n, shift in ((3, 3, 1), (2, 3, 1), (5, 9, 0), (20, 30, 0.5), (40, 40, 3), (100, 50, 1)):
        a = [rng.gauss(0, 1) for _ in range(m)]
        b = [rng.gauss(shift, 1) for _ in range(n)]
        tests.append({"a": a, "b": b, "p": p_value(a, b)})
    json.dump({"scipy": scipy.__version__, "series": out, "tests": tests}, sys.stdout, indent=1)
    print()


main()
