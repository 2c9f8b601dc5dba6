#!/usr/bin/env bash
# Compares the servers of two commits of any project, for action.yml and other CI systems. Run it in a checkout of that
# project; $1 is the folder for the reports. Its exit status is that of bench ab, which docs/ci.md explains.
#   BASE       commit, branch or tag to compare against
#   HEAD       the one to judge (default: HEAD), or . for the files as they are
#   BUILD      shell command that builds the server in a checkout of its own (default: none)
#   START      shell command that starts it there, on the loopback port in $PORT, which also replaces {port}
#   URL_PATH   path of its WebSocket URL, with {room} where the room's name goes (default: /rooms/{room} and /echo)
#   READY      path that answers 200 once it is ready (default: as soon as it accepts connections)
#   SCENARIOS  of the catalogue, or files (default: fanout-1k echo-1k)
#   PAIRS      of trials in each scenario (default: 8, and 16 if those leave it open)
#   FLAGS      more flags of bench ab
set -euo pipefail

out=${1:?folder for the reports}
: "${BASE:?commit to compare against}" "${START:?command that starts the server}"
mkdir -p "$out"

flags=(--start "$START")
if [ -n "${BUILD:-}" ]; then flags+=(--build "$BUILD"); fi
if [ -n "${URL_PATH:-}" ]; then flags+=(--path "$URL_PATH"); fi
if [ -n "${READY:-}" ]; then flags+=(--ready "$READY"); fi
if [ -n "${PAIRS:-}" ]; then flags+=(--pairs "$PAIRS"); else flags+=(--sequential); fi

# FLAGS and SCENARIOS are words on purpose.
# shellcheck disable=SC2086
exec "$(dirname "$0")/../bin/bench" ab "${flags[@]}" ${FLAGS:-} --results "$out/results" \
	--html "$out/report.html" --markdown "$out/comment.md" --junit "$out/junit.xml" -- "$BASE" "${HEAD:-HEAD}" ${SCENARIOS:-}
