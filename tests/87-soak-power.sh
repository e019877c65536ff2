#!/usr/bin/env bash
# Power cuts: some of the states that one may leave.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/soak.sh
. "$(dirname "$0")/lib/soak.sh"

soak power-cut=36
