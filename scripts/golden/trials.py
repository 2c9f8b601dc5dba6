#!/usr/bin/env python3
"""Writes recorded trials of one server for bench/internal/compare's tests.

usage: scripts/golden/trials.py RESULTS [RESULTS…] > bench/internal/compare/testdata/trials.json

Each RESULTS is the folder of one recording: runs of one scenario by one server,
one after the other; those that are not valid are left out. Two experiments of a
server with itself, with nothing else going on, take 25 minutes:

    make build
    for i in first second; do bin/bench ab --aa HEAD HEAD fanout-1k --pairs=16 --results=/tmp/rec/$i; done
    scripts/golden/trials.py /tmp/rec/first /tmp/rec/second > /tmp/trials.json
"""
import json
import pathlib
import sys

METRICS = ["target.cpu_per_delivery_seconds", "target.rss_per_connection_bytes", "deliveries_per_second",
           "delivery.p50", "delivery.p99"]


def main():
    recordings, head = [], None
    for folder in sys.argv[1:]:
        runs = [json.loads(f.read_text()) for f in sorted(pathlib.Path(folder).rglob("result.json"))]
        runs.sort(key=lambda r: r["times"]["started"])
        valid = [r for r in runs if r["verdict"]["verdict"] == "valid"]
        print(f"{folder}: {len(valid)} of {len(runs)} runs are valid", file=sys.stderr)
        assert len(valid) >= 24, f"{folder}: want 24 valid runs, for 12 pairs"
        runs = valid
        about = {"scenario": {k: runs[0]["scenario"][k] for k in ("name", "connections", "rate_per_second", "size_bytes", "phases")},
                 "commit": runs[0]["subject"]["commit"], "host": runs[0]["environment"]["factors"]}
        assert head in (None, about), f"{folder}: another scenario, commit or host"
        head = about
        recordings.append({"started": runs[0]["times"]["started"], "trials": [
            {"publications": r["metrics"]["delivery.p50"]["publications"],
             "values": {m: r["metrics"][m]["value"] for m in METRICS}} for r in runs]})
    lines = ["{"] + [f'"{k}": {json.dumps(v)},' for k, v in head.items()] + ['"recordings": [']
    for i, r in enumerate(recordings):
        lines.append(f'{{"started": {json.dumps(r["started"])}, "trials": [')
        lines.append(",\n".join(json.dumps(t) for t in r["trials"]))
        lines.append("]}" + ("," if i + 1 < len(recordings) else ""))
    print("\n".join(lines + ["]}"]))


main()
