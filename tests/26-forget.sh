#!/usr/bin/env bash
# forget: snapshots by name and by policy, what it says, and what it refuses.
. "$(dirname "$0")/lib/scenario.sh"

new_repo "$WORK/repo"
src=$WORK/src
mkdir -p "$src"
cd "$src"

# snapshots: how many there are.
snapshots() {
	"$VARVE" snapshots -q --json | wc -l
}

head -c 100000 /dev/urandom >first
for day in 01 02 03 04 05; do
	expect_status 0 "$VARVE" backup --time "2024-03-$day 12:00" -t "day$day" .
	expect_status 0 "$VARVE" backup --time "2024-03-$day 18:00" .
done
expect_equal "number of snapshots" "$(snapshots)" 10
expect_status 2 "$VARVE" forget
expect_status 2 "$VARVE" forget --keep-last x
expect_status 2 "$VARVE" forget --keep-within 3
expect_status 2 "$VARVE" forget --keep-last 1 latest
expect_status 2 "$VARVE" forget --group-by colour --keep-last 1
expect_status 1 "$VARVE" forget ffffffff
expect_status 0 "$VARVE" forget --dry-run --keep-daily 2 --keep-tag day01
expect_match '^keep    [0-9a-f]{8}  2024-03-05 18:00:00  daily$' "$WORK/out"
expect_match '^forget  [0-9a-f]{8}  2024-03-05 12:00:00$' "$WORK/out"
expect_match '^keep    [0-9a-f]{8}  2024-03-01 12:00:00  tag$' "$WORK/out"
expect_match '^7 snapshots would be forgotten, 3 kept$' "$WORK/out"
expect_equal "snapshots after a dry run" "$(snapshots)" 10
expect_status 1 "$VARVE" forget --keep-tag none
expect_match 'would keep none of 10 snapshots' "$WORK/err"
expect_status 0 "$VARVE" forget --json --keep-daily 2 --keep-tag day01
expect_match '"keep":true,"reasons":\["daily"\]' "$WORK/out"
expect_match '"type":"summary","dry_run":false,"kept":3,"forgotten":7' "$WORK/out"
expect_equal "snapshots after a policy" "$(snapshots)" 3
expect_status 0 "$VARVE" forget '2024-03-01 13:00' latest
expect_equal "snapshots after two were named" "$(snapshots)" 1
ok "by name and by policy"

# A store that does not let us delete.
if [ "$(id -u)" -ne 0 ]; then
	expect_status 0 "$VARVE" backup .
	chmod a-w "$VARVE_REPOSITORY/snapshots"
	expect_status 1 "$VARVE" forget latest
	expect_match 'does not let us delete: 1 of 1' "$WORK/err"
	chmod u+w "$VARVE_REPOSITORY/snapshots"
	ok "refused by the store"
fi
