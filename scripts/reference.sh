#!/bin/bash
# Copies the newest valid run of every scenario of the default catalogue from
# RESULTS (results/, where make bench puts them) to results/reference/, which is
# committed: result.json and latency.hlog.gz. The checkout's path is taken out.
set -euo pipefail
cd "$(dirname "$0")/.."
from=$(realpath "${1:-results}")
root=$(dirname "$from")
to=results/reference
mkdir -p $to
for scenario in fanout-1k fanout-10k fanout-30k rooms echo-1k overload flood connect-storm; do
  newest=
  for run in "$from/$scenario"/*/; do # names begin with the time
    if grep -qs '^    "verdict": "valid"' "$run/result.json"; then newest=$run; fi
  done
  if [ -z "$newest" ]; then
    echo "scripts/reference.sh: no valid run of $scenario in $from; run make bench first" >&2
    exit 1
  fi
  rm -rf "${to:?}/$scenario"
  mkdir $to/$scenario
  sed "s|$root/||g" "$newest/result.json" >$to/$scenario/result.json
  if [ -e "$newest/latency.hlog.gz" ]; then cp "$newest/latency.hlog.gz" $to/$scenario/; fi
  echo "$to/$scenario: $newest"
done
