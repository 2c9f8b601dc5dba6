#!/usr/bin/env bash
# Runs loadgen and the floor reader in turn against the floor server, and prints
# the CPU time that each spends on a delivery, and how many times the floor's
# loadgen's is: what its ledger, checks and histograms cost, less what it saves
# by sleeping through fan-outs in naps, which the reader does not.
# usage: scripts/bench-generator.sh [PAIRS] [CONNECTIONS] [RATE] [SECONDS]
set -euo pipefail
pairs=${1:-5} connections=${2:-10000} rate=${3:-4} seconds=${4:-10}
port=${PORT:-9161}

server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true' EXIT
start() { # a fresh server for each run
	bin/peers floor --listen "127.0.0.1:$port" --admin "127.0.0.1:$((port + 1))" 2>/dev/null &
	server=$!
	for _ in $(seq 100); do
		(: <"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null && return
		sleep 0.05
	done
	echo "bench-generator: the floor server did not start; is port $port free?" >&2
	exit 3
}
end() { kill "$server"; wait "$server" 2>/dev/null || true; server=; }
generator() { # seconds per delivery
	bin/loadgen run --url "ws://127.0.0.1:$port" --connections "$connections" --rate "$rate/s" --warm-up 1s --duration "${seconds}s" \
		--latency-from sent --require ledger --out "$(mktemp -d)" --json 2>/dev/null |
		awk '/"generator.cpu_per_delivery_seconds"/ {found = 1} found && /"value"/ {gsub(/[^0-9.e-]/, "", $2); print $2; exit}'
}
reader() { # seconds per delivery, share of the kernel
	bin/peers reader --connect "127.0.0.1:$port" --connections "$connections" --rate "$rate" --duration "${seconds}s"
}

ratios=
printf '%-6s %-12s %-36s %s\n' pair loadgen floor times
for ((pair = 1; pair <= pairs; pair++)); do
	# Turned round every other time: whoever runs second must not always be the same.
	if ((pair % 2)); then order="generator reader"; else order="reader generator"; fi
	for one in $order; do
		start
		declare "$one=$($one)"
		end
	done
	# reader is "N deliveries, 3.5µs of CPU each, 97.0 % of it the kernel's"
	line=$(awk -v generator="$generator" -v reader="$reader" 'BEGIN {
		split(reader, words, " ")
		unit = 1e3
		if (words[3] ~ /[0-9]ns$/) unit = 1
		if (words[3] ~ /ms$/) unit = 1e6
		floor = words[3] * unit
		printf "%-12s %-36s %.3f", sprintf("%.0f ns", generator * 1e9), sprintf("%.0f ns, %s %% in the kernel", floor, words[7]), generator * 1e9 / floor
	}')
	printf '%-6s %s\n' "$pair" "$line"
	ratios+="${line##* }"$'\n'
done
printf '%s' "$ratios" | sort -n | awk '{r[NR] = $1} END {print "loadgen spends " r[int((NR + 1) / 2)] " times the floor (median)"}'
