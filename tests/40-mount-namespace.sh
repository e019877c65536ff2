#!/usr/bin/env bash
# What a mount shows above the snapshots: names, links, times, groups; and that they change by themselves.
. "$(dirname "$0")/lib/scenario.sh"

need_fuse
need getfattr
new_repo
src=$WORK/src
mnt=$WORK/mnt
mkdir -p "$src/dir/sub"
echo one >"$src/dir/file"
ln "$src/dir/file" "$src/dir/sub/link"
cd "$src"

backup() {
	expect_status 0 "$VARVE" backup "$@" .
}

id_at() {
	"$VARVE" snapshots --json | sed -n "$1s/.*\"id\":\"\([0-9a-f]*\)\".*/\1/p"
}

backup --time '2024-01-01 14:30:05' --host alpha --tag daily
echo two >"$src/dir/file2"
backup --time '2024-01-01 14:30:45' --host beta --tag daily --tag big
backup --time '2024-01-01 14:30:45' --host beta
backup --time '2024-02-01 00:00:00' --host alpha
mount_varve "$mnt" -o refresh=1

expect_equal "the root" "$(ls "$mnt" | tr '\n' ' ')" "at hosts ids latest snapshots tags "
mapfile -t names < <(ls "$mnt/snapshots")
expect_equal "number of snapshots" "${#names[@]}" 4
expect_equal "the first name" "${names[0]}" 2024-01-01T14:30
expect_equal "seconds where they are needed" "${names[1]}" 2024-01-01T14:30:45
expect_equal "digits of the id where they are needed" "${names[2]%-????????}" 2024-01-01T14:30:45
expect_equal "a minute alone" "${names[3]}" 2024-02-01T00:00
ok names

expect_equal "latest" "$(readlink "$mnt/latest")" snapshots/2024-02-01T00:00
expect_equal "hosts" "$(ls "$mnt/hosts" | tr '\n' ' ')" "alpha beta "
expect_equal "snapshots of alpha" "$(ls "$mnt/hosts/alpha" | tr '\n' ' ')" "2024-01-01T14:30 2024-02-01T00:00 "
expect_equal "tags" "$(ls "$mnt/tags" | tr '\n' ' ')" "big daily "
expect_equal "tag big" "$(ls "$mnt/tags/big" | wc -l)" 1
expect_equal "through a host" "$(cat "$mnt/hosts/alpha/2024-01-01T14:30/dir/file")" one
! test -e "$mnt/hosts/gamma" || die "a host that there is not"
! test -e "$mnt/hosts/beta/2024-02-01T00:00" || die "a snapshot of another host"
first=$(id_at 1)
expect_equal "ids" "$(ls "$mnt/ids" | wc -l)" 4
expect_equal "by id" "$(readlink "$mnt/ids/$first")" ../snapshots/2024-01-01T14:30
expect_equal "by a prefix of an id" "$(readlink "$mnt/ids/${first:0:8}")" ../snapshots/2024-01-01T14:30
ok "hosts, tags, ids"

at() {
	readlink "$mnt/at/$1"
}
expect_equal "at a minute" "$(at '2024-01-01 14:30')" "../snapshots/${names[2]}"
expect_equal "at a second" "$(at '2024-01-01T14:30:05')" ../snapshots/2024-01-01T14:30
expect_equal "in UTC" "$(at '2024-01-15T10:00Z')" "../snapshots/${names[2]}"
expect_equal "yesterday" "$(at yesterday)" ../snapshots/2024-02-01T00:00
! test -e "$mnt/at/2023-12-31" || die "a snapshot before the first"
! test -e "$mnt/at/nonsense" || die "a time that is none"
ok at

# Inode numbers: one for all links of a file, another for everything else, the same after a remount.
one=$mnt/snapshots/2024-01-01T14:30
expect_equal "inode of a link" "$(stat -c %i "$one/dir/file")" "$(stat -c %i "$one/dir/sub/link")"
expect_equal "number of links" "$(stat -c %h "$one/dir/file")" 2
# shellcheck disable=SC2012
expect_equal "distinct inodes" "$(find "$mnt/snapshots/" -printf '%i\n' | sort -u | wc -l)" \
	"$(($(find "$mnt/snapshots/" | wc -l) - 4))"
find "$mnt/snapshots/" -printf '%i %p\n' | sort >"$WORK/inodes"
find "$mnt/snapshots/" -printf '%i %p\n' | sort >"$WORK/inodes2"
cmp "$WORK/inodes" "$WORK/inodes2"
umount_varve "$mnt"
expect_status 0 "$VARVE" cache --clear
mount_varve "$mnt" -o refresh=1
find "$mnt/snapshots/" -printf '%i %p\n' | sort >"$WORK/inodes2"
cmp "$WORK/inodes" "$WORK/inodes2"
umount_varve "$mnt"
mount_varve "$mnt" -o refresh=1
# readdir tells the same numbers as stat.
ls -i "$one/dir" | awk '{print $1}' | sort >"$WORK/a"
(cd "$one/dir" && stat -c %i -- *) | sort >"$WORK/b"
cmp "$WORK/a" "$WORK/b"
ok "inode numbers"

# New snapshots appear by themselves, and nothing that was there changes its name.
ls "$mnt/snapshots" >"$WORK/before"
backup --time '2024-01-01 14:30:20' --host gamma
for _ in $(seq 50); do
	[ "$(ls "$mnt/snapshots" | wc -l)" -eq 5 ] && break
	sleep 0.2
done
ls "$mnt/snapshots" >"$WORK/after"
expect_equal "names that went" "$(comm -23 "$WORK/before" "$WORK/after")" ""
expect_equal "the new name" "$(comm -13 "$WORK/before" "$WORK/after")" 2024-01-01T14:30:20
expect_equal "the new host" "$(ls "$mnt/hosts/gamma")" 2024-01-01T14:30:20
backup --time '2024-03-01 00:00:00' --host alpha
for _ in $(seq 50); do
	[ "$(readlink "$mnt/latest")" = snapshots/2024-03-01T00:00 ] && break
	sleep 0.2
done
expect_equal "the new latest" "$(readlink "$mnt/latest")" snapshots/2024-03-01T00:00
ok "new snapshots appear"

# A forgotten one vanishes.
rm "$VARVE_REPOSITORY/snapshots/$first"
for _ in $(seq 50); do
	test -e "$mnt/snapshots/2024-01-01T14:30" || break
	sleep 0.2
done
! test -e "$mnt/snapshots/2024-01-01T14:30" || die "a forgotten snapshot is still there"
expect_equal "the others" "$(ls "$mnt/snapshots" | wc -l)" 5
ok "forgotten snapshots vanish"

# Status attributes answer by name and are not listed.
expect_match '^user.varve.state="complete"' <(getfattr -n user.varve.state "$mnt/latest/")
expect_match '^user.varve.host="alpha"' <(getfattr -n user.varve.host "$mnt/latest/")
expect_match '^user.varve.stored="[0-9]+"' <(getfattr -n user.varve.stored "$mnt/latest/dir/file")
expect_equal "listed attributes" "$(getfattr -d -m - "$mnt/latest/" 2>/dev/null)" ""
umount_varve "$mnt"

# Other forms of names; filters; one snapshot as the root.
mount_varve "$mnt" -o gmt,host=beta
expect_match '^@GMT-2024\.01\.01-14\.30\.45$' <(ls "$mnt/snapshots")
expect_equal "snapshots of one host" "$(ls "$mnt/snapshots" | wc -l)" 2
umount_varve "$mnt"
mount_varve "$mnt" --snapshot latest:dir
expect_equal "a directory as the root" "$(ls "$mnt" | tr '\n' ' ')" "file file2 sub "
expect_equal "its contents" "$(cat "$mnt/sub/link")" one
umount_varve "$mnt"
ok "options"

# What is new cannot be noted, as nothing can be written: it shows later, and what was there stays.
if command -v prlimit >/dev/null; then
	mkdir -p "$mnt"
	scenario_mounts+=("$mnt")
	(trap '' XFSZ && expect_status 0 "$VARVE" mount -o refresh=1 "$mnt")
	daemon=$(pgrep -f "varvefs.*$mnt" | head -n 1)
	prlimit --pid "$daemon" --fsize=0:
	VARVE_CACHE_DIR=$WORK/other backup --time '2024-04-01 00:00:00'
	sleep 3
	expect_equal "while nothing can be written" "$(readlink "$mnt/latest")" snapshots/2024-03-01T00:00
	prlimit --pid "$daemon" --fsize=unlimited:
	for _ in $(seq 50); do
		[ "$(readlink "$mnt/latest")" = snapshots/2024-04-01T00:00 ] && break
		sleep 0.2
	done
	expect_equal "the newest" "$(readlink "$mnt/latest")" snapshots/2024-04-01T00:00
	umount_varve "$mnt"
	ok "a full disk does not end a mount"
fi
