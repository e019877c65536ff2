#!/usr/bin/env bash
# Mountpoints that are not fit, repositories that are not there, mounts that are busy or dead.
. "$(dirname "$0")/lib/scenario.sh"

need_fuse
new_repo
mkdir "$WORK/src"
echo data >"$WORK/src/file"
cd "$WORK/src"
expect_status 0 "$VARVE" backup .
mkdir "$WORK/empty" "$WORK/full"
touch "$WORK/full/file" "$WORK/plain"

expect_status 1 "$VARVE" mount "$WORK/missing"
expect_match 'missing: No such file' "$WORK/err"
expect_status 1 "$VARVE" mount "$WORK/plain"
expect_match 'plain: Not a directory' "$WORK/err"
expect_status 1 "$VARVE" mount "$WORK/full"
expect_match 'full: the mountpoint is not empty' "$WORK/err"
mkdir "$VARVE_REPOSITORY/inside"
expect_status 1 "$VARVE" mount "$VARVE_REPOSITORY/inside"
expect_match 'overlap' "$WORK/err"
rmdir "$VARVE_REPOSITORY/inside"
expect_status 1 "$VARVE" mount "$WORK"
expect_match 'overlap' "$WORK/err"
ok "unfit mountpoints"

expect_status 2 "$VARVE" mount
expect_status 2 "$VARVE" mount -o nonsense "$WORK/empty"
expect_match 'nonsense: unknown mount option' "$WORK/err"
expect_status 2 "$VARVE" mount -o cache_mem=much "$WORK/empty"
expect_status 2 "$VARVE" mount -o cache_mem=4095k "$WORK/empty"
expect_match 'cache_mem=4095k: at least 4M is needed' "$WORK/err"
expect_status 2 "$VARVE" mount -o utc=1 "$WORK/empty"
expect_status 2 "$VARVE" mount -o uid=4294967295 "$WORK/empty"
expect_status 10 "$VARVE" mount -r "$WORK/nowhere" "$WORK/empty"
expect_status 10 "$VARVE" mount -r "$WORK/full" "$WORK/empty"
head -c 64 /dev/urandom >"$WORK/otherkey"
expect_status 12 "$VARVE" mount --key-file "$WORK/otherkey" "$WORK/empty"
expect_status 1 "$VARVE" mount --snapshot nonsense "$WORK/empty"
expect_status 1 "$VARVE" mount --snapshot latest:nothing "$WORK/empty"
expect_status 1 "$VARVE" mount --snapshot latest:file "$WORK/empty"
! mountpoint -q "$WORK/empty" || die "something is mounted after errors"
ok "options, repositories, keys"

scenario_mounts+=("$WORK/empty")
expect_status 0 "$VARVE" mount -o rw "$WORK/empty"
expect_match '^varvefs: .*/empty: snapshots cannot be written to, mounted read-only$' "$WORK/err"
umount_varve "$WORK/empty"
expect_status 0 "$VARVE" mount -o rw,ro "$WORK/empty"
expect_equal "nothing to say of ro" "$(cat "$WORK/err")" ""
expect_status 1 "$VARVE" cache --clear
expect_match "^varve: $VARVE_CACHE_DIR/[^/]+: cannot be removed: a mount or another command is using it\$" "$WORK/err"
umount_varve "$WORK/empty"
expect_status 1 "$VARVE" mount --snapshot 9999-01-01 "$WORK/empty"
expect_match 'out of range' "$WORK/err"
ok "read-only, out of range"

# Unmounting by who is not root: by fusermount3, and what comes of that is told.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	as_user() {
		setpriv --reuid=12345 --clear-groups "$@"
	}
	expect_status 1 as_user "$VARVE" unmount "$WORK/empty"
	expect_match '^varve: .*/empty: not unmounted: fusermount3 ended with status 1$' "$WORK/err"
	expect_status 1 as_user env PATH=/nonexistent "$VARVE" unmount "$WORK/empty"
	expect_match '^varve: fusermount3: No such file' "$WORK/err"
	printf '#!/bin/sh\nkill -TERM $$\n' >"$WORK/fusermount3"
	chmod 755 "$WORK/fusermount3" "$WORK"
	expect_status 1 as_user env PATH="$WORK:$PATH" "$VARVE" unmount "$WORK/empty"
	expect_match 'not unmounted: fusermount3 was ended by signal 15' "$WORK/err"
	# The search for leaks at the end would want a thread.
	if [ -z "${SANITIZE:-}" ] && command -v prlimit >/dev/null; then
		expect_status 1 as_user prlimit --nproc=0 "$VARVE" unmount "$WORK/empty"
		expect_match '^varve: fusermount3: cannot be started: Resource temporarily unavailable' "$WORK/err"
	fi
	rm "$WORK/fusermount3"
fi
ok "unmounting by a user"

# The other ways in: mount(8) and varvefs itself.
scenario_mounts+=("$WORK/empty")
expect_status 0 "$VARVEFS" "$VARVE_REPOSITORY" "$WORK/empty" -o "key_file=$VARVE_KEY_FILE,noatime,_netdev,owner,group,lazytime"
expect_equal "contents" "$(cat "$WORK/empty/latest/file")" data
expect_status 1 "$VARVE" mount "$WORK/empty"
expect_match 'something is mounted here already' "$WORK/err"

# A second mount of the same repository at the same time.
mount_varve "$WORK/second"
expect_equal "contents of the second" "$(cat "$WORK/second/latest/file")" data
umount_varve "$WORK/second"

# Busy.
exec 7<"$WORK/empty/latest/file"
expect_status 1 "$VARVE" unmount "$WORK/empty"
expect_equal "still usable" "$(cat "$WORK/empty/latest/file")" data
exec 7<&-
umount_varve "$WORK/empty"
expect_status 1 "$VARVE" unmount "$WORK/empty"
ok "busy and second mounts"

# A daemon that dies leaves an error, not an empty directory; and is cleaned up by unmount.
mount_varve "$WORK/empty"
pid=$(pgrep -f "varvefs.*$WORK/empty" | head -n 1)
kill -9 "$pid"
for _ in $(seq 50); do
	# A request on its way is cut off (ECONNABORTED); those that come later are what counts.
	ls "$WORK/empty" >/dev/null 2>"$WORK/err" || ! grep -q "not connected" "$WORK/err" || break
	sleep 0.1
done
expect_match 'Transport endpoint is not connected' "$WORK/err"
expect_status 1 "$VARVE" mount "$WORK/empty"
expect_match 'unmount it first' "$WORK/err"
umount_varve "$WORK/empty"
mount_varve "$WORK/empty"
expect_equal "after all that" "$(cat "$WORK/empty/latest/file")" data
umount_varve "$WORK/empty"
ok "killed daemon"

# With no standard descriptors, as some service managers start programs.
scenario_mounts+=("$WORK/empty")
timeout 20 "$VARVE" mount "$WORK/empty" 0<&- 1>&- 2>&- || die "mount without standard descriptors: $?"
expect_equal "mounted without standard descriptors" "$(cat "$WORK/empty/latest/file")" data
umount_varve "$WORK/empty"
(exec 2>&- && "$VARVE" backup . "$WORK/nothing" >/dev/null) || true
expect_status 0 "$VARVE" check --read-data

# SIGUSR1 does no harm; SIGTERM ends a mount in good order.
mount_varve "$WORK/empty"
pkill -USR1 -f "varvefs.*$WORK/empty"
sleep 0.3
expect_equal "after SIGUSR1" "$(cat "$WORK/empty/latest/file")" data
pid=$(pgrep -f "varvefs.*$WORK/empty" | head -n 1)
kill -TERM "$pid"
for _ in $(seq 50); do
	mountpoint -q "$WORK/empty" || break
	sleep 0.1
done
! mountpoint -q "$WORK/empty" || die "still mounted after SIGTERM"

# Whoever waits for the end of the output gets it: a daemon holds on to no descriptor of its caller.
mkdir -p "$WORK/held"
scenario_mounts+=("$WORK/held")
# shellcheck disable=SC2016 # the inner shell expands them
timeout 60 bash -c 'exec 2>&1; "$1" mount "$2" | cat; find "$2/latest/" -type f -exec cat {} + >/dev/null' - "$VARVE" "$WORK/held" ||
	die "varve mount into a pipe does not end"
umount_varve "$WORK/held"
ok "output ends"

# What waits on the mountpoint for a mount to come, as systemd's automounts and direct maps of autofs do, is not in the way.
# This script is of the group that such a thing lets through, as what systemd starts for it is.
if [ "$(id -u)" -eq 0 ] && grep -qw autofs /proc/filesystems; then
	mkfifo "$WORK/requests"
	exec 8<>"$WORK/requests"
	at_exit umount -lq "$WORK/empty"
	mount -t autofs -o "fd=8,pgrp=$(ps -o pgid= -p $$ | tr -d ' '),minproto=5,maxproto=5,direct" trigger "$WORK/empty"
	expect_status 0 "$VARVE" mount "$WORK/empty"
	expect_equal "on a trigger" "$(cat "$WORK/empty/latest/file")" data
	expect_status 1 "$VARVE" mount "$WORK/empty"
	expect_match 'something is mounted here already' "$WORK/err"
	expect_status 0 "$VARVE" unmount "$WORK/empty"
	umount "$WORK/empty"
	exec 8>&-
	ok "automounts"
fi
