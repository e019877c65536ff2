#!/usr/bin/env bash
# The store's disk full in mid-backup; the local index deleted, garbled, of another repository, on a full or forbidden disk.
. "$(dirname "$0")/lib/scenario.sh"

as_root
need mountpoint
new_repo
src=$WORK/src
mkdir -p "$src"
for i in $(seq 40); do head -c $((i * 997)) /dev/urandom >"$src/f$i"; done
cd "$src"

small_disk() {
	mkdir -p "$1"
	mount -t tmpfs -o "size=$2" tmpfs "$1" 2>/dev/null || skip "cannot mount a tmpfs"
}

# --- A full store -------------------------------------------------------------------------------------------------------
small_disk "$WORK/disk" 6m
export VARVE_REPOSITORY=$WORK/disk/repo
expect_status 0 "$VARVE" init
expect_status 0 "$VARVE" backup .
head -c 20000000 /dev/urandom >"$WORK/large"
expect_status 1 "$VARVE" backup . "$WORK/large"
expect_match 'No space left on device' "$WORK/err"
expect_equal "snapshots" "$("$VARVE" snapshots | wc -l)" 1
expect_equal "half-written objects" "$(find "$VARVE_REPOSITORY/tmp" -type f | wc -l)" 0
expect_status 0 "$VARVE" check --read-data
expect_status 0 "$VARVE" restore latest --target "$WORK/restored"
expect_equal "differences" "$(diff -r "$src" "$WORK/restored")" ""
mount -o remount,size=64m "$WORK/disk"
expect_status 0 "$VARVE" backup . "$WORK/large"
"$VARVE" dump "latest:$WORK/large" | cmp - "$WORK/large"
expect_status 0 "$VARVE" check --read-data
umount "$WORK/disk"
ok "store full"

# --- The local index ----------------------------------------------------------------------------------------------------
export VARVE_REPOSITORY=$WORK/repo
expect_status 0 "$VARVE" backup .
same() {
	expect_status 0 "$VARVE" dump latest:f40
	cmp "$WORK/out" f40 || die "$1: wrong contents"
	expect_status 0 "$VARVE" backup --json .
	expect_match '"data_added":0' "$WORK/out"
	expect_status 0 "$VARVE" check
	ok "$1"
}
same "untouched"
rm -rf "$VARVE_CACHE_DIR"
same "deleted"
data=$(find "$VARVE_CACHE_DIR" -name 'data.mdb')
head -c "$(stat -c %s "$data")" /dev/urandom >"$WORK/garbage"
cp "$WORK/garbage" "$data"
same "all garbage"
truncate -s 5000 "$data"
same "truncated"
: >"$data"
same "empty"
python3 - "$data" <<'P'
import random, sys
random.seed(7)
b = bytearray(open(sys.argv[1], "rb").read())
for _ in range(200):
    b[random.randrange(len(b))] ^= 1 << random.randrange(8)
open(sys.argv[1], "wb").write(b)
P
same "bits flipped"

key=$VARVE_KEY_FILE
expect_status 0 "$VARVE" init -r "$WORK/other"
echo other >"$WORK/otherfile"
expect_status 0 "$VARVE" backup -r "$WORK/other" "$WORK/otherfile"
ours=$(dirname "$data")
theirs=$(find "$VARVE_CACHE_DIR" -name data.mdb ! -path "$ours/*" -printf '%h\n')
rm -rf "$ours"
cp -r "$theirs" "$ours"
same "of another repository"
expect_equal "the key" "$VARVE_KEY_FILE" "$key"

small_disk "$WORK/disk2" 100k
VARVE_CACHE_DIR=$WORK/disk2/cache same "on a full disk"
touch "$WORK/file"
VARVE_CACHE_DIR=$WORK/file/cache same "in no directory"

# --- A directory that cannot be read, or is damaged ---------------------------------------------------------------------
export VARVE_REPOSITORY=$WORK/dirs
expect_status 0 "$VARVE" init
mkdir -p "$WORK/tree/old"
echo 1 >"$WORK/tree/old/file"
cd "$WORK/tree"
expect_status 0 "$VARVE" backup .
pack=$(find "$VARVE_REPOSITORY/trees" -type f)
mkdir new
echo 2 >new/file
expect_status 0 "$VARVE" backup .
mv "$pack" "$WORK/pack"
mkdir "$pack"
for command in 'dump latest:' 'ls -R latest'; do
	# shellcheck disable=SC2086 # words of a command
	expect_status 1 "$VARVE" $command
done
expect_status 1 "$VARVE" dump latest:
tar tf "$WORK/out" >"$WORK/list"
expect_match '^new/file$' "$WORK/list"
rmdir "$pack"
cp "$WORK/pack" "$pack"
printf '\0\0\0\0\0\0\0\0' | dd of="$pack" bs=1 seek=100 conv=notrunc status=none
for command in 'dump latest:' 'ls -R latest'; do
	# shellcheck disable=SC2086 # words of a command
	expect_status 5 "$VARVE" $command
done
ok "out of reach is exit status 1, damage 5"
