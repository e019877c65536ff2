#!/usr/bin/env bash
# The demonstration runs to its end and leaves nothing mounted.
. "$(dirname "$0")/lib/scenario.sh"

need rsync
need_fuse
expect_status 0 env DEMO_DIR="$WORK/demo" packaging/demo.sh "$(dirname "$VARVE")"
expect_match '^Only in .*: notes\.txt$' "$WORK/out"
expect_match 'Now you' "$WORK/out"
expect_no_match '^[<>ch.*][fdLDS][^ ]{9} |^\*deleting' "$WORK/out"
expect_no_match ' (failed|error)' "$WORK/err"
! mountpoint -q "$WORK/demo/mnt" || die "still mounted"
ok "the demonstration works"

expect_equal "differences found" "$(grep -cE '^(Only in|Files .* differ)' "$WORK/out")" 3
