#!/usr/bin/env bash
# `make bench`: install what is missing, then compare.  Arguments and variables: tests/bench/bench.py --help.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

"$here/../../packaging/install-deps.sh" --bench --if-needed
command -v python3 >/dev/null || { echo "bench: python3 is needed" >&2; exit 1; }
set -a
eval "$("$here/peers.sh")"
set +a
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/bench.py" "$@"
