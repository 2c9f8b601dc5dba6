#!/usr/bin/env bash
# Installs the programs that `make faults` needs and that are missing: ip, tc and ss, of iproute2, and nft, of nftables.
# Needs root only then.
set -euo pipefail

missing=()
for program in ip tc ss nft; do
	command -v "$program" >/dev/null || missing+=("$program")
done
if ((${#missing[@]} == 0)); then
	exit 0
fi
if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
	echo "install-faults: missing: ${missing[*]}; install the packages iproute2 and nftables (with apt-get this script does it, as root)" >&2
	exit 1
fi
apt-get update
apt-get install --yes --no-install-recommends iproute2 nftables
