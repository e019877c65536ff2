#!/usr/bin/env bash
# What must work over every store works in a directory, given by its path and as a URL.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/store_suite.sh
. "$(dirname "$0")/lib/store_suite.sh"

store_objects=$WORK/the\ repo
store_place=$store_objects
export VARVE_REPOSITORY=file://${store_objects// /%20}
store_suite
expect_status 0 "$VARVE" -r "$store_objects" snapshots
