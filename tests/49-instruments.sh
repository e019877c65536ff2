#!/usr/bin/env bash
# The instruments that the next scenarios judge by find what they are for.
# shellcheck source=tests/lib/scenario.sh
. "$(dirname "$0")/lib/scenario.sh"

need setfattr
"$(dirname "$0")/tools/selftest.sh"
ok "treecmp finds each kind of difference, mktree makes what it says"
