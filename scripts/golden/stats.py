#!/usr/bin/env python3
"""Writes the golden values of bench/internal/stats, computed by SciPy.

usage: scripts/golden/stats.py > bench/internal/stats/testdata/scipy.json

Needs SciPy (Debian: python3-scipy). The tests read what it wrote and need
neither. Where SciPy has no exact method for ties or no interval, the values are
enumerated here, over every sign or every choice, with fractions.
"""
import itertools
import json
import random
import sys
from fractions import Fraction

import numpy
import scipy
from scipy import stats


def midranks(values):
    return [Fraction(r).limit_denominator(2) for r in stats.rankdata(values)]


def two_sided(sums, observed):
    below = sum(s <= observed for s in sums)
    above = sum(s >= observed for s in sums)
    return float(min(Fraction(1), 2 * Fraction(min(below, above), len(sums))))


def enumerated_signed_rank(d):
    d = [x for x in d if x != 0]
    ranks = midranks([abs(x) for x in d])
    observed = sum(r for r, x in zip(ranks, d) if x > 0)
    sums = [sum(r for r, s in zip(ranks, signs) if s)
            for signs in itertools.product([0, 1], repeat=len(d))]
    return two_sided(sums, observed)


def enumerated_rank_sum(a, b):
    ranks = midranks(a + b)
    sums = [sum(c) for c in itertools.combinations(ranks, len(a))]
    return two_sided(sums, sum(ranks[:len(a)]))


def walsh(d):
    return sorted((d[i] + d[j]) / 2 for i in range(len(d)) for j in range(i + 1))


def interval(values, p_of_shift, alpha):
    """The outermost candidates at which the test is not rejected, SciPy's own
    p-value at a point just inside each gap between candidates."""
    values = sorted(values)
    kept = []
    edges = [values[0] - 1] + values + [values[-1] + 1]
    for lower, upper in zip(edges, edges[1:]):
        if upper > lower and p_of_shift((lower + upper) / 2) > alpha:
            kept.append((lower, upper))
    low, high = kept[0][0], kept[-1][1]
    return [None if low == edges[0] else low, None if high == edges[-1] else high]


def main():
    rng = random.Random(20261122)
    paired, unpaired, families, samples = [], [], [], []
    for n in (1, 2, 3, 5, 6, 8, 12, 16, 20, 25):
        d = [rng.gauss(0.3, 1) for _ in range(n)]
        case = {"differences": d, "p": float(stats.wilcoxon(d, mode="exact").pvalue),
                "estimate": float(numpy.median(walsh(d)))}
        if n <= 20:
            case["alpha"] = 0.029 if n == 16 else 0.05
            case["interval"] = interval(
                walsh(d), lambda m: stats.wilcoxon([x - m for x in d], mode="exact").pvalue, case["alpha"])
        paired.append(case)
    for d in ([1, 1, -1, 2, 3, 3, -3, 5], [0, 0, 1, 2, -2, 4], [2, 2, 2, 2, 2, 2],
              [-0.5, 0.5, 1.5, -1.5, 2.5, 2.5, 2.5, 0, 3, 1], [0.0, 0.0]):
        d = [float(x) for x in d]
        paired.append({"differences": d, "p": enumerated_signed_rank(d), "estimate": float(numpy.median(walsh(d)))})
    for m, n in ((1, 1), (2, 3), (4, 4), (5, 7), (8, 8), (12, 12), (3, 20)):
        a = [rng.gauss(0, 1) for _ in range(m)]
        b = [rng.gauss(0.8, 1) for _ in range(n)]
        p = lambda shift: stats.mannwhitneyu(a, [y - shift for y in b], alternative="two-sided", method="exact").pvalue
        shifts = [y - x for x in a for y in b]
        unpaired.append({"a": a, "b": b, "p": float(p(0)), "estimate": float(numpy.median(shifts)),
                         "alpha": 0.05, "interval": interval(shifts, p, 0.05)})
    for a, b in (([1, 2, 2, 3], [2, 3, 3, 4, 5]), ([1, 1, 1], [1, 1]), ([5, 6, 7, 7], [1, 2, 7, 7])):
        a, b = [float(x) for x in a], [float(x) for x in b]
        unpaired.append({"a": a, "b": b, "p": enumerated_rank_sum(a, b),
                         "estimate": float(numpy.median([y - x for x in a for y in b]))})
    for p in ([0.01, 0.04, 0.03, 0.005], [0.5], [0.02, 0.02, 0.02], [0.9, 0.8, 0.001, 0.04, 0.011]):
        order = numpy.argsort(p, kind="stable")
        adjusted, least = [0.0] * len(p), 0.0
        for rank, i in enumerate(order):
            least = max(least, min(1.0, (len(p) - rank) * p[i]))
            adjusted[i] = least
        families.append({"p": p, "adjusted": adjusted})
    for n in (1, 2, 5, 8):
        values = [rng.gauss(0, 1) for _ in range(n)]
        samples.append({"values": values, "q": [0, 0.1, 0.5, 0.95, 1],
                        "quantiles": [float(x) for x in numpy.quantile(values, [0, 0.1, 0.5, 0.95, 1])]})
    json.dump({"scipy": scipy.__version__, "paired": paired, "unpaired": unpaired,
               "holm": families, "quantiles": samples}, sys.stdout, indent=1)
    print()


main()
