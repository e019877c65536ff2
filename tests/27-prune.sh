#!/usr/bin/env bash
# prune: doom, grace and sweep; from another machine; with backups, forgets and other prunes at the same time, and killed.
. "$(dirname "$0")/lib/scenario.sh"

new_repo "$WORK/repo" --pack-size 1M --grace 4s
repo=$VARVE_REPOSITORY
src=$WORK/src
mkdir -p "$src"
cd "$src"

# noise NAME BYTES: a file that has nothing in common with others.
noise() {
	head -c "$2" /dev/urandom >"$1"
}

# stored: bytes of all packs.
stored() {
	find "$repo/packs" "$repo/trees" -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }'
}

# clean: check finds nothing, contents included.
clean() {
	expect_status 0 "$VARVE" check --read-data
}

# --- doom, grace, sweep ------------------------------------------------------------------------------------------------

noise first 100000
noise big 20000000
expect_status 0 "$VARVE" backup .
rm big
noise small 50000
expect_status 0 "$VARVE" backup .
before=$(stored)
expect_status 0 "$VARVE" forget latest~1
expect_status 0 "$VARVE" prune --max-unused unlimited --dry-run
expect_match '^would be doomed: [0-9]+ packs, 1[89]\.[0-9] MiB$' "$WORK/out"
[ -z "$(find "$repo/doomed" -type f 2>/dev/null)" ] || die "a dry run doomed something"
expect_status 2 "$VARVE" prune --grace 1s
expect_status 0 "$VARVE" prune --max-unused unlimited
expect_match '^deleted: 0 packs' "$WORK/out"
expect_match '^doomed: [0-9]+ packs' "$WORK/out"
expect_status 0 "$VARVE" prune --max-unused unlimited
expect_match '^doomed before: [0-9]+ packs, .*, to be deleted in [0-9] s at the earliest$' "$WORK/out"
expect_equal "bytes before the grace is over" "$(stored)" "$before"
clean
sleep 4
prune_until '"deleted_packs":1[0-9],' prune --max-unused unlimited --json
after=$(stored)
[ "$after" -lt $((before - 17000000)) ] || die "$after bytes are left of $before"
clean
expect_status 0 "$VARVE" restore latest --target "$WORK/restored"
diff -r "$src" "$WORK/restored"
for _ in $(seq 12); do
	sleep 4
	expect_status 0 "$VARVE" prune --max-unused unlimited
	[ -n "$(find "$repo/doomed" -type f)" ] || break
done
[ -z "$(find "$repo/doomed" -type f)" ] || die "records are left"
clean
ok "doom, grace and sweep"

# --- Repacking -----------------------------------------------------------------------------------------------------------

expect_status 2 "$VARVE" prune --max-unused 5
expect_status 2 "$VARVE" prune --max-unused 101%
expect_status 2 "$VARVE" prune --max-repack x
expect_status 2 "$VARVE" prune --max-time 5
mkdir many
for i in $(seq 400); do
	noise "many/$i" 10000
done
expect_status 0 "$VARVE" backup .
rm many/*[13579]
expect_status 0 "$VARVE" backup .
expect_status 0 "$VARVE" forget latest~1
before=$(stored)
expect_status 0 "$VARVE" prune --dry-run
expect_match '^would be repacked: [1-9]' "$WORK/out"
expect_status 0 "$VARVE" prune --max-unused 90% --json
expect_match '"repacked_packs":0,' "$WORK/out"
expect_status 0 "$VARVE" prune --max-repack 700K --json
expect_match '"repacked_packs":1,' "$WORK/out"
expect_status 0 "$VARVE" prune
expect_match '^repacked: [1-9]' "$WORK/out"
[ "$(stored)" -gt "$before" ] || die "nothing was copied"
clean
expect_status 0 "$VARVE" backup --json .
expect_match '"data_added":0,' "$WORK/out"
sleep 4
prune_until '^deleted: [1-9]' prune
after=$(stored)
[ "$after" -lt $((before - 1500000)) ] || die "$after bytes are left of $before"
clean
expect_status 0 "$VARVE" restore latest --target "$WORK/repacked" --verify
diff -r "$src" "$WORK/repacked"
sleep 4
ok "repacked"

# --- With a cache that knows what has gone ------------------------------------------------------------------------------

noise big 3000000
cp big "$WORK/big"
expect_status 0 "$VARVE" backup .
rm big
expect_status 0 "$VARVE" backup .
expect_status 0 "$VARVE" forget --prune --keep-last 1
sleep 4
# Another machine prunes, by its own cache: it has to wait, too.
prune_until '^deleted: [1-9]' --cache-dir "$WORK/cache2" prune
cp "$WORK/big" big
expect_status 0 "$VARVE" backup .
clean
expect_status 0 "$VARVE" restore latest --target "$WORK/restored2"
diff -r "$src" "$WORK/restored2"
ok "stored anew after it was deleted"

# --- Killed, and others at the same time ---------------------------------------------------------------------------------

# Four rounds of a second: backups, forgets and prunes, of which each is killed after a random time.
expect_status 0 "$VARVE" backup --host keeper --stdin-name kept -- head -c 2000000 /dev/zero
kill_after() {
	"$@" >/dev/null 2>&1 &
	local pid=$!

	sleep "0.$((RANDOM % 40 + 10))"
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}
for i in $(seq 12); do
	noise "file$((i % 3))" 1500000
	kill_after "$VARVE" -q backup --host killed . &
	VARVE_CACHE_DIR=$WORK/cache2 kill_after "$VARVE" -q prune &
	"$VARVE" -q backup --host works . >/dev/null
	"$VARVE" -q forget --host works --keep-last 2 >/dev/null
	"$VARVE" -q prune >"$WORK/prune" 2>&1 || grep -q 'another prune' "$WORK/prune" ||
		{ cat "$WORK/prune"; die "prune failed"; }
	wait
done
clean
"$VARVE" snapshots --json -q | sed -n 's/.*"id": *"\([0-9a-f]*\)".*/\1/p' | while read -r id; do
	"$VARVE" -q restore "$id" --target "$WORK/r.$id" --verify >/dev/null || die "snapshot $id cannot be restored"
	rm -rf "$WORK/r.$id"
done
ok "killed at random moments"

# In the end only what is needed is left.
expect_status 0 "$VARVE" forget --keep-last 1 --group-by ''
left=$(stored)
for _ in $(seq 12); do
	sleep 4.2
	expect_status 0 "$VARVE" prune
	left=$(stored)
	[ "$left" -ge 12000000 ] || break
done
clean
[ "$left" -lt 12000000 ] || die "$left bytes are left"
ok "what is left is what is needed"
