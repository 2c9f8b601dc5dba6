#!/usr/bin/env bash
# Runs every fuzz target of the module for a stated time each.
# usage: scripts/fuzz.sh [60s]
set -euo pipefail
time=${1:-60s}
targets=0
while IFS=: read -r file function; do
	package=./$(dirname "$file")
	echo "== $package $function for $time"
	go test -run '^$' -fuzz "^${function}\$" -fuzztime "$time" -fuzzminimizetime 10x "$package"
	targets=$((targets + 1))
done < <(git ls-files -co --exclude-standard '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9_]+' | sed 's/func //')
echo "$targets fuzz targets, $time each: no crasher"
