#!/usr/bin/env bash
# Compares the servers of two commits of any project, for action.yml and other CI systems: builds and starts both in their
# checkouts, runs bench ab on their URLs, and ends them. Run it in the candidate's checkout; $1 is the folder for the reports.
#   BASE       commit to compare against        BUILD  command that builds (default: true)
#   START      command that starts; it listens on 127.0.0.1:$PORT until SIGTERM
#   URL_PATH   of the WebSocket URL, may hold {room} (default: the reference server's paths)
#   SCENARIOS, FLAGS  of bench ab
set -euo pipefail

out=${1:?folder for the reports}
mkdir -p "$out"
out=$(cd "$out" && pwd)
bench=$(cd "$(dirname "$0")/.." && pwd)/bin/bench
work=$(mktemp -d)
pids=()
cleanup() {
	for pid in "${pids[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null || true
	done
	git worktree remove --force "$work/base" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

git worktree add --detach "$work/base" "$BASE"

# start DIR PORT builds and starts a server, in a process group of its own, and waits until its port answers.
start() {
	(cd "$1" && bash -euo pipefail -c "${BUILD:-true}")
	(cd "$1" && PORT=$2 exec setsid bash -c "$START") >"$out/server-$2.log" 2>&1 &
	pids+=($!)
	for _ in $(seq 300); do
		if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return; fi
		if ! kill -0 "${pids[-1]}" 2>/dev/null; then break; fi
		sleep 0.1
	done
	echo "ci-compare: the server of $1 does not listen on port $2:" >&2
	tail -n 20 "$out/server-$2.log" >&2
	exit 3
}

start "$work/base" 18081
start "$PWD" 18082

path=${URL_PATH:-}
# The lists are words on purpose.
# shellcheck disable=SC2086
"$bench" ab --url "ws://127.0.0.1:18081$path,ws://127.0.0.1:18082$path" ${FLAGS:-} \
	--results "$out/results" --html "$out/report.html" --markdown "$out/comment.md" --junit "$out/junit.xml" ${SCENARIOS:-}
