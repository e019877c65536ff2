#!/usr/bin/env bash
# `make bench-scale`: what grows with what.  Arguments and variables: tests/bench/scale.py --help.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

command -v python3 >/dev/null || { echo "bench-scale: python3 is needed" >&2; exit 1; }
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/scale.py" "$@"
