#!/usr/bin/env bash
# A full disk and one that fails, some rounds of the soak.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/soak.sh
. "$(dirname "$0")/lib/soak.sh"

as_root
need_fuse
soak enospc=2 eio=4 eio-prune=2 eio-mount=3
