#!/usr/bin/env bash
# check and repair: every kind of object flipped, cut and gone, with a cold and a warm cache; and what a mount of the same
# gives: an error for exactly the files concerned, and nothing wrong for any other.
. "$(dirname "$0")/lib/scenario.sh"
. "$(dirname "$0")/lib/damage.sh"

new_repo "$WORK/repo" --pack-size 1M
repo=$VARVE_REPOSITORY
src=$WORK/src

# Two snapshots: all of old/ is in the packs of the first, all of new/ in those of the second.
mkdir -p "$src/old/deep/er" "$src/old/small"
for i in $(seq 40); do
	seq "$i" $((i * 20)) >"$src/old/small/file $i"
done
echo deep >"$src/old/deep/er/one"
ln -s one "$src/old/deep/er/link"
: >"$src/old/empty"
cd "$src"
backup() {
	expect_status 0 "$VARVE" backup .
	sed -n 's/^snapshot //p' "$WORK/out"
}
first=$(backup)
objects() {
	(cd "$repo" && find "$1" -type f | sort)
}
only_in_second() {
	comm -13 <(echo "$1") <(objects "$2")
}
run1=$(objects index) data1=$(objects packs) tree1=$(objects trees) manifest1=$(objects snapshots)
mkdir new
head -c 5000000 /dev/urandom >new/large
echo small >new/small
second=$(backup)
run2=$(only_in_second "$run1" index)
tree2=$(only_in_second "$tree1" trees)
manifest2=$(only_in_second "$manifest1" snapshots)
data2=$(only_in_second "$data1" packs)
[ "$(wc -l <<<"$data2")" -ge 4 ] || die "a pack size of 1 MiB makes only these of 5 MB: $data2"
large=$(cd "$repo" && find packs -type f -printf '%s %p\n' | sort -rn | sed -n '1s/.* //p')
grep -qF "$large" <<<"$data2" || die "the largest pack is not one of the second backup"
expect_equal "runs of the second backup" "$(wc -l <<<"$run2")" 1
keyslot=$(objects keys)

check() {
	expect_status "$1" "$VARVE" check "${@:2}"
}
check 0 --read-data
expect_match '^no damage found$' "$WORK/out"
check 0 --read-data=1/2
check 0 --read-data=30% --threads 3 --verify-signatures
expect_match "^snapshot $first of .*: signed by " "$WORK/out"
check 0 --json --read-data
expect_match '"type":"summary".*"findings":0' "$WORK/out"
for wrong in --read-data=0% --read-data=101% --read-data=3/2 --read-data=x --read-data=1/2/3 --threads=0; do
	check 2 "$wrong"
done
ok "a sound repository"

cp -a "$repo" "$WORK/good"
cp -a "$VARVE_CACHE_DIR" "$WORK/warm"

# Put everything back; the cache as it was when all was well, or none.
restore_all() {
	rm -rf "$repo" "$VARVE_CACHE_DIR"
	cp -a "$WORK/good" "$repo"
	[ "$1" = cold ] || cp -a "$WORK/warm" "$VARVE_CACHE_DIR"
}

# expect_damage DAMAGE OBJECT READ-STATUS PLAIN-STATUS NAME: what check says, and that all is well again afterwards.
expect_damage() {
	local cache args

	for cache in cold warm; do
		for args in --read-data ""; do
			restore_all $cache
			"$1" "$repo/$2"
			# shellcheck disable=SC2086 # no argument at all if it is empty
			check "$([ -n "$args" ] && echo "$3" || echo "$4")" $args
			if [ -n "$args" ] || [ "$4" -eq 5 ]; then
				[ "$3" -ne 5 ] || grep -qF -- "$5" "$WORK/out" || {
					cat "$WORK/out" >&2
					die "$1 $2, $cache cache: check $args does not name $5"
				}
			fi
			restore_all $cache
			check 0 --read-data
		done
	done
}

magic() {
	flip "$1" 3
}

expect_damage flip config 5 5 'config: '
expect_damage cut_short config 5 5 'config: '
expect_damage gone config 5 5 'config: missing'
expect_damage magic "$keyslot" 5 5 "$keyslot: "
expect_damage cut_short "$keyslot" 5 5 "$keyslot: "
expect_damage gone "$keyslot" 5 5 'keys/: there are no keyslots'
ok "config and keyslot"

# A keyslot that does not open may be for another secret, but its name says what its bytes were.  One byte of its label, and
# one of what is sealed behind that.
mkdir -p "$WORK/mnt"
for at in 100 300; do
	restore_all cold
	flip "$repo/$keyslot" $at
	check 5
	expect_match "^$keyslot: " "$WORK/out"
	for command in snapshots "ls latest" "backup ." "key list"; do
		# shellcheck disable=SC2086 # words
		expect_status 5 "$VARVE" $command
		expect_match "varve: $keyslot: damaged" "$WORK/err"
		expect_no_match "wrong" "$WORK/err"
	done
	expect_status 5 "$VARVE" mount "$WORK/mnt"
	expect_match "$keyslot: damaged" "$WORK/err"
done
restore_all cold
head -c 64 /dev/urandom >"$WORK/reader.key"
expect_status 0 "$VARVE" key add --role reader --new-key-file "$WORK/reader.key"
other=$(objects keys | grep -vF "$keyslot")
check 0
cp -a "$repo" "$WORK/two"
for at in 100 $(($(stat -c %s "$repo/$other") - 1)); do
	rm -rf "$repo"
	cp -a "$WORK/two" "$repo"
	flip "$repo/$other" "$at"
	check 5
	expect_match "^$other: " "$WORK/out"
	expect_status 5 "$VARVE" snapshots --key-file "$WORK/reader.key"
	expect_match "varve: $other: damaged" "$WORK/err"
	expect_match "none of 1 other keyslot opens" "$WORK/err"
	expect_status 0 "$VARVE" snapshots
	expect_status 0 "$VARVE" key list
	expect_match '^ [0-9a-f]{8}  .* damaged ' "$WORK/out"
	expect_status 0 "$VARVE" key remove "$(basename "$other")"
	check 0
done
rm -rf "$WORK/two"

# A damaged keyslot of an owner is not one that may be relied upon: the last that opens stays.
restore_all cold
expect_status 0 "$VARVE" key add --role owner --new-key-file "$WORK/reader.key"
other=$(objects keys | grep -vF "$keyslot")
flip "$repo/$other" 300
expect_status 1 "$VARVE" key remove "$(basename "$keyslot")"
expect_match 'last keyslot of the owner' "$WORK/err"
expect_status 0 "$VARVE" key remove "$(basename "$other")"

# Under another name it still opens, but is told.
restore_all cold
mv "$repo/$keyslot" "$repo/keys/$(printf %064d 1)"
expect_status 0 "$VARVE" snapshots
check 5
expect_match 'keys/0*1: its bytes do not hash' "$WORK/out"
expect_status 5 "$VARVE" snapshots --key-file "$WORK/reader.key"
ok "a keyslot beside another"

for object in "$manifest1" "$manifest2"; do
	expect_damage flip "$object" 5 5 "$object: "
	expect_damage cut_short "$object" 5 5 "$object: "
done
# Snapshots are forgotten; but the newest of a host is missed by who has seen it.
expect_damage gone "$manifest1" 0 0 ""
restore_all cold
gone "$repo/$manifest2"
check 0 --read-data
restore_all warm
gone "$repo/$manifest2"
check 5
expect_match "^$manifest2: was here, and is withheld" "$WORK/out"
for object in "$run1" "$run2"; do
	expect_damage flip "$object" 5 5 "$object: "
	expect_damage cut_short "$object" 5 5 "$object: "
	expect_damage gone "$object" 5 5 'in no index run'
done
ok "manifests and index runs"

for object in "$tree1" "$tree2"; do
	expect_damage flip "$object" 5 5 "$object: "
	expect_damage cut_short "$object" 5 5 "$object: "
	expect_damage gone "$object" 5 5 "$object: missing"
done
for object in "$data1" "$large"; do
	expect_damage flip "$object" 5 0 "$object: "
	expect_damage cut_short "$object" 5 5 "$object: "
	expect_damage gone "$object" 5 5 "$object: missing"
done
ok "packs"

# What is affected: paths, and where.
restore_all cold
gone "$repo/$large"
check 5
expect_match "^snapshot $second: new/large: contents: damaged by pack $large\$" "$WORK/out"
expect_match "^snapshot $second: 1 affected paths in all\$" "$WORK/out"
expect_no_match "^snapshot $first: " "$WORK/out"
check 5 --json
expect_match '"type":"finding","kind":"pack","object":"'"$large"'","what":"missing"' "$WORK/out"
expect_match '"type":"affected".*"snapshot":"'"$second"'[0-9a-f]{56}","path":"new/large"' "$WORK/out"
restore_all cold
gone "$repo/$data1"
check 5
expect_equal "paths that are told" "$(grep -c "^snapshot $second: old/" "$WORK/out")" 20
expect_match "^$data1: affects 21 more paths" "$WORK/out"
check 5 --verbose
expect_equal "paths of the second" "$(grep -c "^snapshot $second: old/" "$WORK/out")" 41
expect_equal "paths of the first" "$(grep -c "^snapshot $first: old/" "$WORK/out")" 41
ok "affected paths"

# Repair of the index.
for damage in flip cut_short gone; do
	for cache in cold warm; do
		restore_all $cache
		$damage "$repo/$run1"
		expect_status 0 "$VARVE" repair
		check 0 --read-data
		expect_status 0 "$VARVE" dump "latest:old/small/file 7"
		cmp "$WORK/out" "$src/old/small/file 7"
	done
done
rm "$repo"/index/*
check 5
expect_match 'packs are in no index run' "$WORK/out"
expect_status 0 "$VARVE" repair
check 0 --read-data
rm "$repo"/index/*
cut_short "$repo/$data1"
expect_status 5 "$VARVE" repair
check 5
ok "repair"

# --- Mounted ---------------------------------------------------------------------------------------------------------

need_fuse
view=$WORK/mnt/ids/$second

# Read all files of the second snapshot, by the names that the source has: those that fail go to $WORK/failed.
read_all() {
	local f

	: >"$WORK/failed"
	while IFS= read -r f; do
		if cat -- "$view/$f" >"$WORK/bytes" 2>"$WORK/err"; then
			cmp -- "$WORK/bytes" "$src/$f" || die "$f is wrong"
		else
			expect_match ': Input/output error$' "$WORK/err"
			echo "$f" >>"$WORK/failed"
		fi
	done < <(cd "$src" && find . -type f -printf '%P\n' | sort)
}

# What check says of the second snapshot: files, and those below directories.
affected_files() {
	local path

	# With every path of every snapshot.
	check 5 --read-data --verbose
	sed -nE "s/^snapshot $second: (.*): (contents|directory): damaged by .*/\2 \1/p" "$WORK/out" |
		while read -r _ path; do
			[ "$path" != / ] || path=.
			(cd "$src" && find "$path" -type f -printf '%p\n' | sed 's|^\./||')
		done | sort -u
}

# expect_eio DAMAGE OBJECT PATTERN: the files that match the pattern, and no others, cannot be read.
expect_eio() {
	local want

	restore_all cold
	"$1" "$repo/$2"
	mount_varve "$WORK/mnt"
	# The name in ids/ is the whole id.
	view=$(echo "$WORK/mnt/ids/$second"*)
	read_all
	umount_varve "$WORK/mnt"
	want=$(cd "$src" && find . -type f -printf '%P\n' | sort | { grep -E "$3" || true; })
	expect_equal "files that cannot be read after $1 $2" "$(cat "$WORK/failed")" "$want"
	expect_equal "what check says of $1 $2" "$(affected_files)" "$want"
}

expect_eio gone "$large" '^new/large$'
expect_eio cut_short "$large" '^new/large$'
expect_eio flip "$large" '^new/large$'
expect_eio gone "$data1" '^old/(small/|deep/er/one)'
expect_eio gone "$tree1" '^old/'
expect_eio gone "$tree2" '.'

# In a segment that small files share.
restore_all cold
flip "$repo/$data1" 200
mount_varve "$WORK/mnt"
view=$(echo "$WORK/mnt/ids/$second"*)
read_all
umount_varve "$WORK/mnt"
[ -s "$WORK/failed" ] || die "no file noticed the damage in $data1"
expect_equal "what check says" "$(affected_files)" "$(cat "$WORK/failed")"
ok "a mount of the same"
