#!/usr/bin/env bash
# The instruments that the next scenarios judge by find what they are for.
# shellcheck source=tests/lib/scenario.sh
. "$(dirname "$0")/lib/scenario.sh"

need setfattr
"$(dirname "$0")/tools/selftest.sh"
ok "treecmp finds each kind of difference, mktree makes what it says"

# The daemon that does no work, beside which varvefs is measured.
need_fuse
mkdir "$WORK/zero"
"$TOOLS/fuse_zero" 3000001 "$WORK/zero" &
pid=$!
scenario_mounts+=("$WORK/zero")
for _ in $(seq 200); do
	! mountpoint -q "$WORK/zero" || break
	sleep 0.05
done
expect_equal "what is in its directory" "$(ls "$WORK/zero")" big
expect_equal "bytes that can be read" "$(wc -c <"$WORK/zero/big")" 3000001
cat "$WORK/zero/big" >"$WORK/big"
expect_equal "bytes that were read" "$(wc -c <"$WORK/big")" 3000001
[ "$(tr -d '\0' <"$WORK/big" | wc -c)" -gt 2900000 ] || die "there are zeros only"
fusermount3 -u "$WORK/zero"
wait $pid
ok "a daemon that does no work: a file of the size that was asked for"
