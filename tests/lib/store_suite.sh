# Sourced by scenarios after scenario.sh: what must work over every store, in steps that a scenario calls in this order, or
# all at once by store_suite.
#
# VARVE_REPOSITORY says where; store_objects, if it is set, is the directory where the server keeps what it stores, and
# store_place that of the repository, where the server keeps objects as files of their names.
# shellcheck shell=bash

# shellcheck source=tests/lib/damage.sh
. "$(dirname "${BASH_SOURCE[0]}")/damage.sh"

suite_src=$WORK/src
suite_mnt=$WORK/mnt
store_objects=${store_objects:-}
store_place=${store_place:-}

# Everything that a file can have, many small files, and a large one of which half does not compress.
suite_trees() {
	local options=(--seed 70 --tall 40 --chunk "32K,128K,512K" --segment 64K --skip comb --skip reserved --skip long)

	need_fuse
	need rsync python3
	[ "$(id -u)" -eq 0 ] || options+=(--skip unreadable)
	expect_status 0 "$TOOLS/mktree" "${options[@]}" "$suite_src"
	# cp would put it in order.
	rm -f "$suite_src/acls/unordered"
	python3 - "$suite_src" <<'P'
import os, random, sys
top, r = sys.argv[1], random.Random(70)
for d in range(20):
    os.makedirs(f"{top}/many/{d:02}")
    for f in range(75):
        with open(f"{top}/many/{d:02}/{f:03}.c", "wb") as out:
            out.write(b"line %d of %d\n" % (f, d) * r.randrange(200) + r.randbytes(r.randrange(300)))
with open(f"{top}/large", "wb") as out:
    for i in range(25):
        out.write(r.randbytes(1 << 20))
        out.write(b"%08d" % i * (1 << 17))
P
	(umask 077 && head -c 64 /dev/urandom >"$WORK/key" && echo "a passphrase" >"$WORK/password" && echo other >"$WORK/other")
	export VARVE_KEY_FILE=$WORK/key
}

# suite_same TEXT A B [ARGUMENT...]: the trees are the same, for our eyes and rsync's.
suite_same() {
	local what=$1 a=$2 b=$3

	shift 3
	expect_status 0 "$TOOLS/treecmp" --max 40 "$@" "$a" "$b"
	ok "$what: $(tail -n 1 "$WORK/out")"
	expect_status 0 rsync -aHAXSx --dry-run --itemize-changes --delete "$a/" "$b/"
	expect_no_match . "$WORK/out"
}

suite_init() {
	expect_status 10 "$VARVE" snapshots
	expect_status 10 "$VARVE" backup "$suite_src"
	expect_status 0 "$VARVE" init
	expect_status 1 "$VARVE" init
	expect_status 0 "$VARVE" snapshots
	ok "init, once"
}

# Of several that make a repository at the same moment one does.  Not for a server that replaces what is there.
suite_race() {
	local round pid pids won place

	for round in 1 2 3; do
		place=$(suite_beside "race$round")
		pids=() won=0
		for _ in 1 2 3 4; do
			"$VARVE" --repo "$place" init >/dev/null 2>>"$WORK/race.err" &
			pids+=($!)
		done
		for pid in "${pids[@]}"; do
			! wait "$pid" || won=$((won + 1))
		done
		expect_equal "repositories made at one place" $won 1
		expect_status 0 "$VARVE" --repo "$place" --cache-dir "$WORK/cache.race" snapshots
	done
	ok "of four that make a repository at once one does"
}

suite_backup() {
	(cd "$suite_src" && expect_status 0 "$VARVE" backup --tag one .)
	echo new >"$suite_src/many/new"
	rm "$suite_src/many/03/010.c"
	printf changed | dd of="$suite_src/large" bs=1 seek=20000000 conv=notrunc status=none
	# What changed is a second of the clock away from what is recorded, or its ctime is.
	(cd "$suite_src" && expect_status 0 "$VARVE" backup --tag two .)
	expect_match '^snapshot [0-9a-f]+' "$WORK/out"
	ok "two backups"
}

suite_look() {
	expect_status 0 "$VARVE" snapshots --json
	expect_equal "snapshots" "$(grep -o '"id"' "$WORK/out" | wc -l)" 2
	expect_status 0 "$VARVE" ls latest:many
	expect_match 'new$' "$WORK/out"
	expect_status 0 "$VARVE" find --tag one 010.c
	expect_equal "files found" "$(grep -c '/03/010\.c$' "$WORK/out")" 1
	expect_status 0 "$VARVE" dump latest:large
	cmp "$WORK/out" "$suite_src/large"
	expect_status 0 "$VARVE" diff latest~1 latest
	expect_match 'many/new$' "$WORK/out"
	ok "snapshots, ls, find, dump, diff"
}

# With nothing of it on this machine, as one that never saw the repository.
suite_forget_caches() {
	rm -rf "$VARVE_CACHE_DIR"
}

suite_mount() {
	suite_forget_caches
	mount_varve "$suite_mnt"
	suite_same "mount" "$suite_src" "$suite_mnt/latest/" --nlink --dirent --all-inodes
	cp -a "$suite_mnt/latest/." "$WORK/copied"
	suite_same "cp -a from the mount" "$suite_src" "$WORK/copied" --holes none
	rm -rf "$WORK/copied"
	umount_varve "$suite_mnt"
}

# suite_unplugged COMMAND...: run it where there is no network, not even this machine's own, if we may make such a place.
suite_unplugged() {
	if unshare -n true 2>/dev/null; then
		unshare -n "$@"
	else
		"$@"
	fi
}

suite_is_remote() {
	case $VARVE_REPOSITORY in
	file:* | /*) return 1 ;;
	esac
}

# After suite_mount: what that has read is on this machine.
suite_offline() {
	if ! suite_is_remote; then return; fi
	mkdir -p "$suite_mnt"
	scenario_mounts+=("$suite_mnt")
	expect_status 0 suite_unplugged "$VARVE" mount -o offline "$suite_mnt"
	suite_same "a mount from the cache alone" "$suite_src" "$suite_mnt/latest/" --nlink --dirent
	umount_varve "$suite_mnt"
	expect_status 0 suite_unplugged "$VARVE" --offline ls latest:many
	expect_match 'new$' "$WORK/out"
}

# What is pinned can be read without the store; the rest cannot, and is not said to be absent.
suite_pin() {
	if ! suite_is_remote; then return; fi
	suite_forget_caches
	expect_status 0 "$VARVE" cache --pin latest:many
	expect_match '^[0-9]+ items, .* pinned$' "$WORK/out"
	expect_status 0 suite_unplugged "$VARVE" mount -o offline "$suite_mnt"
	diff -r "$suite_src/many" "$suite_mnt/latest/many"
	expect_status 1 cat "$suite_mnt/latest/large"
	expect_match 'Input/output error' "$WORK/err"
	umount_varve "$suite_mnt"
	expect_status 0 "$VARVE" cache --unpin latest:many
	ok "what is pinned can be read offline"
}

suite_restore() {
	expect_status 0 "$VARVE" restore latest --target "$WORK/restored"
	suite_same "restore" "$suite_src" "$WORK/restored" --nlink
	rm -rf "$WORK/restored"
}

suite_check() {
	expect_status 0 "$VARVE" check --read-data
	ok "check --read-data"
}

suite_keys() {
	# As little as it may be: what it costs is not what this is about.
	expect_status 0 "$VARVE" key add --role reader --name second --new-password-file "$WORK/password" \
		--kdf-memory 8M --kdf-passes 1
	suite_opens
	expect_status 0 "$VARVE" key list
	expect_match 'second' "$WORK/out"
}

# With the passphrase that suite_keys added, and not with another.
suite_opens() {
	expect_status 0 env -u VARVE_KEY_FILE "$VARVE" snapshots -p "$WORK/password"
	expect_status 12 env -u VARVE_KEY_FILE "$VARVE" snapshots -p "$WORK/other"
	ok "a second key, and a wrong one"
}

# What the server keeps: a line "SIZE PATH" for each file.
suite_stored() {
	find "$store_objects" -type f -printf '%s %p\n'
}

# suite_victim: back up one more file, /victim of the tag victim; print where on the server's disk the middle of its pack is,
# OFFSET and PATH.
suite_victim() {
	mkdir -p "$WORK/victim"
	head -c 6000000 /dev/urandom >"$WORK/victim/victim"
	echo unharmed >"$WORK/victim/small"
	suite_stored >"$WORK/stored.before"
	(cd "$WORK/victim" && expect_status 0 "$VARVE" backup --tag victim .)
	suite_stored | awk '
		{ size = $1; sub(/^[0-9]+ /, "") }
		FNR == NR { old[$0] = size; next }
		size - old[$0] > most { most = size - old[$0]; at = old[$0] + int(most / 2); path = $0 }
		END { print at, path }' "$WORK/stored.before" -
}

# One byte of a pack is wrong where the server keeps it.
suite_damage() {
	local at path

	if [ -z "$store_objects" ]; then return; fi
	suite_victim >"$WORK/place"
	read -r at path <"$WORK/place"
	expect_status 0 "$VARVE" sync "$WORK/synced"
	flip "$path" "$at"
	suite_forget_caches
	expect_status 5 "$VARVE" check --read-data
	expect_match ': victim: contents: damaged' "$WORK/out"
	expect_status 5 "$VARVE" restore --tag victim latest --target "$WORK/restored"
	cmp "$WORK/victim/small" "$WORK/restored/small"
	suite_forget_caches
	mount_varve "$suite_mnt"
	expect_status 1 cat "$suite_mnt/latest/victim"
	expect_match 'Input/output error' "$WORK/err"
	cmp "$WORK/victim/small" "$suite_mnt/latest/small"
	umount_varve "$suite_mnt"
	expect_status 5 "$VARVE" check --packs
	expect_status 0 "$VARVE" repair --from "$WORK/synced"
	expect_match ': fetched from ' "$WORK/out"
	rm -rf "$WORK/synced"
	suite_forget_caches
	expect_status 0 "$VARVE" check --packs
	expect_status 0 "$VARVE" dump --tag victim latest:victim
	cmp "$WORK/out" "$WORK/victim/victim"
	ok "damage is found, and nothing wrong is read; and it is repaired"
}

# The disk that holds the repository is gone from where it is mounted: what is seen then is an empty directory.  The config
# goes first and comes back last.
suite_hide() {
	mkdir "$WORK/hidden"
	mv "$store_place/config" "$WORK/hidden/"
	mv "$store_place"/* "$WORK/hidden/"
}

suite_show() {
	mv "$WORK/hidden/config" "$WORK/config"
	mv "$WORK/hidden"/* "$store_place/"
	mv "$WORK/config" "$store_place/"
	rmdir "$WORK/hidden"
}

# An error, never an absence; and nothing is put there.  All is as before once it is back.
suite_hidden() {
	local i shown

	if [ -z "$store_place" ]; then return; fi
	suite_forget_caches
	mount_varve "$suite_mnt" -o deadline=2,refresh=1
	ls "$suite_mnt/latest/many" >/dev/null
	shown=$(ls "$suite_mnt/snapshots")
	suite_hide
	expect_status 1 cat "$suite_mnt/latest/large"
	expect_match 'Input/output error|Connection timed out' "$WORK/err"
	for i in 1 2 3; do
		sleep 1
		expect_equal "snapshots of a repository that is not visible" "$(ls "$suite_mnt/snapshots")" "$shown"
	done
	expect_status 10 "$VARVE" backup "$suite_src"
	expect_equal "what has been put there" "$(ls -A "$store_place")" ''
	suite_show
	for ((i = 0; ; i++)); do
		if cmp "$suite_src/large" "$suite_mnt/latest/large" 2>/dev/null; then break; fi
		[ $i -lt 40 ] || die "it does not come back"
		sleep 0.25
	done
	umount_varve "$suite_mnt"
	ok "a disk that is not mounted"
}

# --- A small repository that is pruned and copied ------------------------------------------------------------------------

# suite_beside NAME: the URL of a repository NAME beside this one.
suite_beside() {
	local path=${VARVE_REPOSITORY%%\?*}

	echo "$path-$1${VARVE_REPOSITORY#"$path"}"
}

# small ARGUMENT...: varve with the small repository, from another machine.
small() {
	"$VARVE" --repo "$suite_small" --cache-dir "$WORK/cache.small" "$@"
}

# value NAME: that number in the summary of the last command with --json.
value() {
	sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$WORK/out" | tail -n 1
}

# Two snapshots, of which one is forgotten; what nobody else needs is doomed.  suite_sweep comes a grace later.
suite_doom() {
	local src=$WORK/small

	suite_small=$(suite_beside small)
	mkdir "$src"
	head -c 4000000 /dev/urandom >"$src/goes"
	head -c 1500000 /dev/urandom >"$src/stays"
	expect_status 0 small init --pack-size 1M --grace 8s
	(cd "$src" && expect_status 0 small backup .)
	rm "$src/goes"
	(cd "$src" && expect_status 0 small backup .)
	expect_status 0 small forget --keep-last 1
	expect_status 0 small snapshots --json
	expect_equal "snapshots that are kept" "$(grep -o '"id"' "$WORK/out" | wc -l)" 1
	expect_status 0 small prune --max-unused unlimited --json
	[ "$(value doomed_packs)" -ge 3 ] || die "$(value doomed_packs) packs were doomed"
	expect_equal "packs deleted before the grace is over" "$(value deleted_packs)" 0
	suite_before=$(value pack_bytes)
	ok "forget, and the first half of prune"
}

# Into a directory and from there to the store, without a key.
suite_sync() {
	local copy=$WORK/copy back

	back=$(suite_beside back)
	expect_status 0 env -u VARVE_KEY_FILE "$VARVE" --repo "$suite_small" sync "$copy"
	expect_status 0 env -u VARVE_KEY_FILE "$VARVE" --repo "$copy" sync "$back"
	expect_status 0 env -u VARVE_KEY_FILE "$VARVE" --repo "$copy" sync --json "$back"
	expect_equal "what the second sync copies" "$(value copied)" 0
	expect_status 0 "$VARVE" --repo "$copy" check --read-data
	expect_status 0 "$VARVE" --repo "$back" --cache-dir "$WORK/cache.back" check --read-data
	ok "sync to a directory and back"
}

# The second half of prune; and the copies follow.
suite_sweep() {
	local copy=$WORK/copy back i

	back=$(suite_beside back)
	# One that is late leaves some to the next.
	for ((i = 0; ; i++)); do
		expect_status 0 small prune --max-unused unlimited --json
		[ "$(value pack_bytes)" -ge $((suite_before - 3000000)) ] || break
		[ $i -lt 30 ] || die "$(value pack_bytes) bytes are left of $suite_before"
		sleep 0.5
	done
	expect_status 0 small check --read-data
	expect_status 0 small restore latest --target "$WORK/small-restored"
	diff -r "$WORK/small" "$WORK/small-restored"
	expect_status 0 "$VARVE" --repo "$suite_small" sync --delete "$copy"
	expect_status 0 "$VARVE" --repo "$copy" sync --delete "$back"
	expect_match '^[1-9][0-9]* objects, .*, deleted$' "$WORK/out"
	expect_status 0 "$VARVE" --repo "$back" --cache-dir "$WORK/cache.back" check --read-data
	ok "the second half of prune, and the copies follow"
}

store_suite() {
	suite_trees
	suite_init
	suite_race
	suite_doom
	suite_sync
	suite_backup
	suite_look
	suite_mount
	suite_offline
	suite_restore
	suite_check
	suite_pin
	suite_hidden
	suite_keys
	suite_sweep
	suite_damage
}
