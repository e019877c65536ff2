#!/usr/bin/env bash
# Writers, pruners and mounts at the same time, for some seconds.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/soak.sh
. "$(dirname "$0")/lib/soak.sh"

need_fuse
soak together=8
