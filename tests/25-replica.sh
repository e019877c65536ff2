#!/usr/bin/env bash
# Replicas: reads go on with a copy where the repository has gone, or has something missing or damaged; writing does not.
. "$(dirname "$0")/lib/scenario.sh"
. "$(dirname "$0")/lib/damage.sh"

new_repo "$WORK/repo" --pack-size 1M
repo=$VARVE_REPOSITORY
copy=$WORK/copy
src=$WORK/src
mkdir -p "$src/d"
for i in $(seq 60); do head -c 1000000 /dev/urandom >"$src/d/$i"; done
cd "$src"
expect_status 0 "$VARVE" backup .
expect_status 0 "$VARVE" sync "$copy"
cp -a "$repo" "$WORK/good"

fresh() {
	rm -rf "$repo" "$VARVE_CACHE_DIR"
	cp -a "$WORK/good" "$repo"
}

# mount_logged ARGUMENT...: a mount in the foreground, with its messages in $WORK/log.
mount_logged() {
	need_fuse
	mkdir -p "$WORK/mnt"
	scenario_mounts+=("$WORK/mnt")
	"$VARVE" mount -f "$@" "$WORK/mnt" >"$WORK/log" 2>&1 &
	mounting=$!
	for _ in $(seq 600); do
		! mountpoint -q "$WORK/mnt" || break
		sleep 0.05
	done
	mountpoint -q "$WORK/mnt" || die "nothing is mounted: $(cat "$WORK/log")"
}

umount_logged() {
	umount_varve "$WORK/mnt"
	wait "$mounting"
}

bad=$(cd "$repo" && find packs -type f -size +800k | sort | head -n 1)

fresh
flip "$repo/$bad"
expect_status 5 "$VARVE" restore latest --target "$WORK/out1"
rm -rf "$VARVE_CACHE_DIR"
expect_status 0 "$VARVE" restore --replica "$copy" latest --target "$WORK/out2"
diff -r "$src" "$WORK/out2"
expect_equal "lines about the damage" "$(grep -c "$bad" "$WORK/err")" 1
expect_match "$bad: damaged in $repo; reading it from another" "$WORK/err"
# Verifying is about the repository itself.
expect_status 5 "$VARVE" check --replica "$copy" --read-data
ok "a flipped bit, restored"

fresh
flip "$repo/$bad"
mount_logged -o "replica=$copy"
# An index of its own: a backup must not store by what a lagging copy lists.
expect_equal "what is in the cache" "$(ls "$VARVE_CACHE_DIR")" "replicas
seen"
cp -a "$WORK/mnt/latest/d" "$WORK/out3"
diff -r "$src/d" "$WORK/out3"
umount_logged
expect_equal "lines about the damage" "$(grep -c "$bad" "$WORK/log")" 1
expect_match "$bad: damaged in $repo; reading it from another" "$WORK/log"
ok "a flipped bit, through a mount"

# The repository's objects are moved away while somebody copies out.
copy_out_while() {
	rm -rf "$WORK/out4"
	mkdir "$WORK/out4"
	cp -a "$WORK/mnt/latest/d" "$WORK/out4/" &
	copying=$!
	for _ in $(seq 2000); do
		[ "$(find "$WORK/out4" -type f | wc -l)" -lt 5 ] || break
		sleep 0.005
	done
	"$@"
	wait "$copying"
	diff -r "$src/d" "$WORK/out4/d"
}
fresh
mount_logged -o "replica=$copy,cache_mem=4M,nopush"
copy_out_while mv "$repo/packs" "$repo/trees" "$WORK"
umount_logged
rm -rf "$WORK/packs" "$WORK/trees"
expect_match "packs/.*: missing in $repo, read from $copy" "$WORK/log"
fresh
mount_logged -o "replica=$copy,cache_mem=4M,nopush"
copy_out_while rm -rf "$repo"
umount_logged
ok "the repository goes away in mid-copy"

# It is not there at all: reading works, with all ways to name a replica; writing does not.
rm -rf "$repo"
expect_status 10 "$VARVE" snapshots
expect_status 0 "$VARVE" snapshots --replica "$copy"
expect_match "the repository's replicas are read instead" "$WORK/err"
expect_status 0 env VARVE_REPLICAS="/nothing/here $copy" "$VARVE" ls latest:d
expect_match '^60$' "$WORK/out"
printf '[repository]\nreplica = /nothing/here\nreplica = %s\n' "$copy" >"$WORK/conf"
expect_status 0 env VARVE_CONFIG="$WORK/conf" "$VARVE" ls latest:d
expect_status 10 env VARVE_CONFIG="$WORK/conf" "$VARVE" ls --replica /nothing/here latest:d
expect_status 0 env VARVE_CONFIG="$WORK/conf" "$VARVE" mount "$WORK/mnt"
cmp "$src/d/7" "$WORK/mnt/latest/d/7"
umount_varve "$WORK/mnt"
expect_status 10 "$VARVE" backup --replica "$copy" .
many=()
for i in 1 2 3 4 5 6 7 8 9; do many+=(--replica "/nothing/$i"); done
expect_status 2 "$VARVE" ls "${many[@]}" latest
ok "without the repository"

# The config itself: a bit anywhere in it, and a page of some web server's in its place.
for at in 3 8 40 -5; do
	fresh
	flip "$repo/config" "$at"
	# In byte 8 it makes a newer version of it.
	expect_status $((at == 8 ? 1 : 5)) "$VARVE" ls latest:d
	expect_status 0 "$VARVE" ls --replica "$copy" latest:d
	expect_match '^60$' "$WORK/out"
	expect_equal "lines about the damage at $at" "$(grep -c "config: damaged in $repo; reading it from" "$WORK/err")" 1
	expect_equal "other lines at $at" "$(sed '/config: damaged/d; /listed as in/d' "$WORK/err")" ""
done
mount_logged -o "replica=$copy"
cmp "$src/d/7" "$WORK/mnt/latest/d/7"
umount_logged
fresh
rm -f "$repo/config"
echo '<html>It works!</html>' >"$repo/config"
expect_status 5 "$VARVE" ls latest:d
expect_status 0 "$VARVE" ls --replica "$copy" latest:d
# Nothing is written by a copy's config.
expect_status 5 "$VARVE" backup --replica "$copy" .
expect_status 5 "$VARVE" check --replica "$copy"
# All are damaged.
cp -a "$copy" "$WORK/bad"
flip "$WORK/bad/config" 40
expect_status 5 "$VARVE" ls --replica "$WORK/bad" latest:d
ok "a damaged config"

# Folders are lost as a whole.
for lost in index snapshots keys "index snapshots keys packs trees"; do
	fresh
	for folder in $lost; do
		chmod -R u+w "$repo/$folder"
		rm -r "${repo:?}/$folder"
	done
	rm -rf "$WORK/out7"
	expect_status 0 "$VARVE" restore --replica "$copy" latest --target "$WORK/out7"
	diff -r "$src" "$WORK/out7"
	for folder in index snapshots keys; do
		[[ " $lost " != *" $folder "* ]] || expect_match "$folder/: there are none in $repo; listed as in $copy" "$WORK/err"
	done
done
mount_logged -o "replica=$copy"
cmp "$src/d/7" "$WORK/mnt/latest/d/7"
umount_logged
# A replica that is away is in nobody's way.
fresh
expect_status 0 "$VARVE" ls --replica /nothing/here latest:d
# What is forgotten in the repository does not come back from a copy.
first=$("$VARVE" snapshots --json | sed -n 's/.*"id": *"\([0-9a-f]*\)".*/\1/p' | head -n 1)
expect_status 0 "$VARVE" backup d/1
expect_status 0 "$VARVE" forget "$first"
expect_status 1 "$VARVE" ls --replica "$copy" "$first"
expect_match "no such snapshot" "$WORK/err"
ok "lost folders"

# What is no copy of this repository is not read.
fresh
flip "$repo/$bad"
(new_repo "$WORK/another")
expect_status 5 "$VARVE" restore --replica "$WORK/another" latest --target "$WORK/out5"
expect_match "$WORK/another: not a copy of the repository at $repo" "$WORK/err"
expect_status 0 "$VARVE" restore --replica "$WORK/another" --replica "$copy" latest --target "$WORK/out6"
diff -r "$src" "$WORK/out6"
ok "another repository"
