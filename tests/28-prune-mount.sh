#!/usr/bin/env bash
# prune on another machine, under a mount and a backup: what they know of places that are gone is found out and mended.
. "$(dirname "$0")/lib/scenario.sh"
need_fuse

new_repo "$WORK/repo" --pack-size 1M --grace 2s
src=$WORK/src
mnt=$WORK/mnt
cd "$WORK"
mkdir src hold mnt

# away COMMAND...: varve on another machine.
away() {
	expect_status 0 "$VARVE" --cache-dir "$WORK/away" "$@"
}

packs() {
	find "$VARVE_REPOSITORY/packs" -type f -printf '%f\n' | sort
}

# move_all: have the same contents in other packs, with the old ones deleted.
move_all() {
	local before

	before=$(packs)
	mv src/file* hold/
	away backup src
	away forget --keep-last 1
	prune_until '^doomed: [1-9]' --cache-dir "$WORK/away" prune
	mv hold/file* src/
	away backup src
	sleep 3
	prune_until '^deleted: [1-9]' --cache-dir "$WORK/away" prune
	[ -z "$(comm -12 <(echo "$before") <(packs))" ] || die "packs are left"
}

for i in $(seq 20); do
	head -c 200000 /dev/urandom >"src/file$i"
done
expect_status 0 "$VARVE" backup src
# Its index is loaded.
mount_varve "$mnt"
cmp src/file1 "$mnt/latest/src/file1"
move_all
for i in $(seq 50); do
	[ ! -e "$mnt/latest/src/file1" ] || break
	sleep 0.2
done
diff -r "$src" "$mnt/latest/src"
ok "a mount reads what has been moved"

# A prune that copies what is left of packs that are hardly used.
before=$(packs)
for i in $(seq 20); do
	[ $((i % 5)) -eq 0 ] || rm "src/file$i"
done
away backup src
away forget --keep-last 1
prune_until '^doomed: [1-9]' --cache-dir "$WORK/away" prune
sleep 3
prune_until '^deleted: [1-9]' --cache-dir "$WORK/away" prune
[ "$(comm -12 <(echo "$before") <(packs) | wc -l)" -lt "$(wc -l <<<"$before")" ] || die "no pack was written anew"
for i in $(seq 50); do
	[ -e "$mnt/latest/src/file1" ] || break
	sleep 0.2
done
diff -r "$src" "$mnt/latest/src"
ok "a mount reads what has been repacked"

# A machine whose index has the old places does not rely on them.
move_all
expect_status 0 "$VARVE" backup src
expect_status 0 "$VARVE" check --read-data
expect_status 0 "$VARVE" restore latest --target "$WORK/restored"
diff -r "$src" "$WORK/restored/src"
umount_varve "$mnt"
ok "a backup of a machine that has not seen the prune"
