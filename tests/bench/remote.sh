#!/usr/bin/env bash
# `make bench-remote`: compare over a slow network.  Arguments and variables: tests/bench/remote.py --help.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

command -v python3 >/dev/null || { echo "bench-remote: python3 is needed" >&2; exit 1; }
set -a
eval "$("$here/peers.sh")"
set +a
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/remote.py" "$@"
