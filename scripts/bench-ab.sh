#!/usr/bin/env bash
# Runs a baseline's server and the current tree's in turn on this machine, and
# prints each pair side by side. Only the server is rebuilt from the baseline:
# loadgen and bench stay, so that the ruler does not move. It does not judge.
# usage: scripts/bench-ab.sh BASE [PAIRS] [SCENARIO…]
set -euo pipefail
base=${1:?usage: scripts/bench-ab.sh BASE [PAIRS] [SCENARIO…]}
pairs=${2:-3}
scenarios=("${@:3}")
[ ${#scenarios[@]} -gt 0 ] || scenarios=(fanout-1k echo-1k)

commit=$(git rev-parse --verify --quiet "$base^{commit}") || {
	echo "bench-ab: unknown baseline $base: use a branch, tag or commit (git fetch it first)" >&2
	exit 2
}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/tree" 2>/dev/null || true; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/tree" "$commit"
(cd "$work/tree" && go build -o bin/server ./server)

out=results/ab/$(date -u +%Y%m%dT%H%M%SZ)
status=0
run() { # role server scenario
	bin/bench run --server "$2" --results "$out/$1" "$3" || status=$?
}
newest() { ls -td "$out/$1/$2"/*/ | head -n 1; }
for scenario in "${scenarios[@]}"; do
	for ((pair = 1; pair <= pairs; pair++)); do
		# Turned round every other time: whoever runs second must not always be the same.
		if ((pair % 2)); then order="baseline candidate"; else order="candidate baseline"; fi
		for role in $order; do
			if [ "$role" = baseline ]; then server=$work/tree/bin/server; else server=bin/server; fi
			run "$role" "$server" "$scenario"
		done
		echo "== $scenario, pair $pair of $pairs: baseline $base (${commit:0:12}) against this tree"
		bin/bench compare "$(newest baseline "$scenario")" "$(newest candidate "$scenario")"
	done
done
echo "results: $out"
exit "$status"
