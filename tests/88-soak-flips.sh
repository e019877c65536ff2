#!/usr/bin/env bash
# Flipped bits in a repository of some packs.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/soak.sh
. "$(dirname "$0")/lib/soak.sh"

need_fuse
soak bit-flips=40
