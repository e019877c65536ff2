#!/usr/bin/env bash
# Killed with -9: the writer, prune and the mount, some rounds of the soak.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/soak.sh
. "$(dirname "$0")/lib/soak.sh"

need_fuse
soak kill-writer=4 kill-prune=3 kill-mount=3
