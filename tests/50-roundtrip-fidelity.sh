#!/usr/bin/env bash
# Everything that a file can have goes in and comes out again, by mount and by restore, also after changes.
. "$(dirname "$0")/lib/scenario.sh"

need_fuse
treecmp=$TOOLS/treecmp
mktree=$TOOLS/mktree
src=$WORK/src
first=$WORK/first
mnt=$WORK/mnt
options=(--seed 11 --tall 60 --skip comb --skip reserved)
[ "$(id -u)" -eq 0 ] || options+=(--skip unreadable)

# same TEXT ARGUMENT...: the two trees must be the same.
same() {
	local what=$1

	shift
	expect_status 0 "$treecmp" --max 40 "$@"
	ok "$what: $(tail -n 1 "$WORK/out")"
}

# as_mounted TEXT ARGUMENT... SOURCE MOUNTED: besides, what only a mount has to get right.
as_mounted() {
	local what=$1

	shift
	same "$what" --nlink --blocks 512 --dirent --all-inodes --read-holes "$@"
}

# snapshot TAG: the mounted snapshot with that tag.
snapshot() {
	local dirs=("$mnt/tags/$1"/*)

	[ ${#dirs[@]} -eq 1 ] || die "not one snapshot with the tag $1: ${dirs[*]}"
	echo "${dirs[0]}"
}

backup() {
	(cd "$src" && expect_status 0 "$VARVE" backup --tag "$1" .)
}

# $first is what $src is before it changes; made anew, as no tool copies all of it.
expect_status 0 "$mktree" "${options[@]}" "$src"
expect_status 0 "$mktree" "${options[@]}" "$first"
same "two generated trees" --nlink "$src" "$first"

new_repo "$WORK/repo"
backup one
mount_varve "$mnt"
as_mounted "mount" "$src" "$(snapshot one)"
umount_varve "$mnt"

expect_status 0 "$VARVE" restore --tag one latest --target "$WORK/restored"
same "restore" --nlink "$src" "$WORK/restored"
expect_status 0 "$VARVE" restore --tag one latest --target "$WORK/restored" --verify
same "restore over it, nothing to do" --nlink "$src" "$WORK/restored"

# A file with 10,000 holes; and space set aside without being written, whose hole map changes by being looked at.
expect_status 0 "$mktree" --only comb,reserved "$WORK/odd"
(cd "$WORK/odd" && expect_status 0 "$VARVE" backup --tag odd .)
mount_varve "$mnt"
same "mount of many holes" "$WORK/odd/comb" "$(snapshot odd)/comb"
same "mount of reserved space" --holes none "$WORK/odd" "$(snapshot odd)"
expect_status 0 "$VARVE" restore --tag odd latest --target "$WORK/odd-restored"
same "restore of many holes" "$WORK/odd/comb" "$WORK/odd-restored/comb"
same "restore of reserved space" --holes none "$WORK/odd" "$WORK/odd-restored"

# The tree changes; both states are there.
expect_status 0 "$mktree" --mutate 12 --rounds 6 "$src"
backup two
umount_varve "$mnt"
mount_varve "$mnt"
as_mounted "first snapshot after the second" "$first" "$(snapshot one)"
as_mounted "second snapshot" "$src" "$(snapshot two)"

# Over what was restored of the first state.  Directories with something in them do not give way to files: they are told,
# and when they are gone another run completes it.  Nothing is deleted.
"$treecmp" --no-data "$src" "$WORK/restored" >"$WORK/differences" || true
grep -E '^".*": type: .* != directory$' "$WORK/differences" >"$WORK/in-the-way" || true
if [ -s "$WORK/in-the-way" ]; then
	expect_status 1 "$VARVE" restore --tag two latest --target "$WORK/restored" --overwrite if-changed
	while IFS= read -r line; do
		line=${line%\": type: *}
		line=${line#\"}
		printf -v path '%b' "${line//\\\"/\"}"
		rm -r -- "${WORK:?}/restored/$path"
	done <"$WORK/in-the-way"
fi
expect_status 0 "$VARVE" restore --tag two latest --target "$WORK/restored" --overwrite if-changed
same "restore over the first state" --extra-in-b "$src" "$WORK/restored"

# A file that was changed with size and mtime kept is noticed all the same.
expect_status 0 "$mktree" --mutate 13 --rounds 10 --sneaky "$src"
backup three
umount_varve "$mnt"
mount_varve "$mnt"
as_mounted "after changes that keep size and mtime" "$src" "$(snapshot three)"
umount_varve "$mnt"

expect_status 0 "$VARVE" check --read-data
