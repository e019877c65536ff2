#!/usr/bin/env bash
# Very wide, very deep, very large: 100,000 entries in a directory, 1,000 levels, a sparse file of 1 TiB.
. "$(dirname "$0")/lib/scenario.sh"

need_fuse
treecmp=$TOOLS/treecmp
src=$WORK/src
mnt=$WORK/mnt
wide=100000 tall=1000
[ -z "$SANITIZE" ] || wide=10000 tall=400

same() {
	local what=$1

	shift
	expect_status 0 "$treecmp" --max 40 "$@"
	ok "$what: $(tail -n 1 "$WORK/out")"
}

expect_status 0 "$TOOLS/mktree" --seed 21 --only wide,tall,huge --wide $wide --tall $tall --huge 1T "$src"
sed 's/^/mktree: /' "$WORK/err"

new_repo "$WORK/repo"
(cd "$src" && expect_status 0 "$VARVE" backup .)
# The holes of the large file are not stored, in any form that grows with them.
stored=$(du -sk "$VARVE_REPOSITORY" | cut -f 1)
[ "$stored" -lt 65536 ] || die "the repository has $stored KiB"
ok "repository of $stored KiB"

mount_varve "$mnt"
same "mount" --nlink --dirent --all-inodes --read-holes "$src" "$mnt/latest/"
umount_varve "$mnt"

expect_status 0 "$VARVE" restore latest --target "$WORK/restored"
same "restore" --nlink --blocks 128 "$src" "$WORK/restored"

# A change far down and one in the middle of the wide directory.
find "$src/tall" -name bottom -execdir sh -c 'echo changed >>bottom' \;
touch "$src/wide/in the middle"
(cd "$src" && expect_status 0 "$VARVE" backup .)
mount_varve "$mnt"
same "mount after a change" --nlink --no-data --holes none --ignore xattr "$src" "$mnt/latest/"
umount_varve "$mnt"
