#!/usr/bin/env bash
# Installs Chromium, in which a test opens the reports, unless it is there. Needs root only then.
set -euo pipefail

if command -v chromium >/dev/null; then
	exit 0
fi
if ((EUID != 0)) && command -v sudo >/dev/null; then
	exec sudo "$0"
fi
if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
	echo "install-chromium: chromium is missing; install the package chromium (with apt-get this script does it, as root)" >&2
	exit 1
fi
apt-get update
apt-get install --yes --no-install-recommends chromium
