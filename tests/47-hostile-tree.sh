#!/usr/bin/env bash
# A user who changes his files while root backs them up or restores them: nothing outside of the tree is read or touched.  And
# what is in a snapshot gives nobody rights through a mount.
. "$(dirname "$0")/lib/scenario.sh"

as_root
need setpriv
seconds=${TEST_HOSTILE_SECONDS:-3} # for each of the two
user=12345

as_user() {
	setpriv --reuid=$user --regid=$user --clear-groups "$@"
}

chmod 755 "$WORK"
new_repo "$WORK/repo" --pack-size 1M
outside=$WORK/outside
mkdir -p "$outside/sub/deep"
printf 'OUTSIDE-MARK\n' >"$outside/secret"
printf 'OUTSIDE-MARK\n' >"$outside/sub/outside-only"
printf 'OUTSIDE-MARK\n' >"$outside/sub/deep/inner"
printf 'OUTSIDE-MARK\n' >"$outside/sub/1"
chmod 600 "$outside/secret"
touch -d 2001-02-03 "$outside"/secret "$outside"/sub/*

# swap PATH...: let the user do that, until swap_end.
swap() {
	mkfifo "$WORK/swap.stdin"
	as_user "$TOOLS/swapper" "$@" <"$WORK/swap.stdin" >"$WORK/swap.count" &
	swapper=$!
	exec 9>"$WORK/swap.stdin"
	rm "$WORK/swap.stdin"
}

swap_end() {
	local status=0

	exec 9>&-
	wait $swapper || status=$?
	[ "$status" -ne 77 ] || skip "the filesystem cannot exchange two names"
	expect_equal "status of the swapper" "$status" 0
	[ "$(cat "$WORK/swap.count")" -gt 100 ] || die "only $(cat "$WORK/swap.count") exchanges"
}

# run_for SECONDS STATUSES COMMAND...: again and again; each ends in time with one of these statuses.
run_for() {
	local end=$((SECONDS + $1)) statuses=$2 status

	shift 2
	rounds=0
	while [ $SECONDS -lt $end ] || [ $rounds -lt 3 ]; do
		status=0
		timeout -k 5 60 "$@" >"$WORK/out" 2>"$WORK/err" || status=$?
		[[ " $statuses " = *" $status "* ]] || die "status $status: $*: $(tail -n 5 "$WORK/err")"
		rounds=$((rounds + 1))
	done
}

# --- Backups ---------------------------------------------------------------------------------------------------------------

src=$WORK/src
mkdir -p "$src"/{d1,d2/deep,d2/x/y}
for i in $(seq 40); do
	printf 'inside %s\n' "$i" | tee "$src/d1/$i" "$src/d2/$i" "$src/d2/deep/$i" >"$src/d2/x/y/$i"
done
printf 'inside\n' | tee "$src/f1" "$src/f2" >"$src/f3.swap"
printf 'inside, inner\n' >"$src/d2/deep/inner"
head -c 5000000 /dev/zero | tr '\0' 'i' >"$src/large"
ln -s "$outside/secret" "$src/f1.swap"         # a file and a link to a file
mkdir "$src/f2.swap"                           # a file and a directory
mkfifo "$src/f3"                               # a file and a FIFO
ln -s "$outside/secret" "$src/large.swap"      # what takes long to read
ln -s "$outside/sub" "$src/d1.swap"            # a directory and a link to one
ln -s "$outside/sub" "$src/d2.swap"            # ... where the same names are
ln -s "$outside/sub/deep" "$src/d2/deep.swap"
ln -s ../../outside/sub "$src/d2/x/y.swap"
chown -hR $user:$user "$src"
swap "$src"/{f1,f2,f3,large,d1,d2,d2/deep,d2/x/y}
run_for "$seconds" "0 3" "$VARVE" backup -t race "$src"
backups=$rounds
swap_end
expect_status 0 "$VARVE" check --read-data
"$VARVE" snapshots --json -t race | grep -o '"id": *"[0-9a-f]*"' | grep -o '[0-9a-f]\{64\}' >"$WORK/ids"
expect_equal "snapshots" "$(wc -l <"$WORK/ids")" "$backups"
while read -r id; do
	# With the sandbox off, as always here: it must not be what keeps things in.
	VARVE_NO_SANDBOX=1 expect_status 0 "$VARVE" restore "$id" --target "$WORK/restored"
	! grep -rlF OUTSIDE-MARK "$WORK/restored" || die "what is outside of the source is in the backup"
	expect_equal "names from outside" "$(find "$WORK/restored" -name 'outside-only')" ''
	rm -rf "$WORK/restored"
done <"$WORK/ids"
ok "$backups backups, $(cat "$WORK/swap.count") exchanges"

# --- Restores --------------------------------------------------------------------------------------------------------------

# look: everything about what is outside, but that files were read, and what links to them.
look() {
	find "$outside" -printf '%P %y %m %U %G %s %T@ %l\n' | sort
	find "$outside" -type f -exec sha256sum {} + | sort
}

rm -rf "$src"/*.swap "$src"/d2/*.swap "$src"/d2/x/*.swap "$src"/{f1,f2,f3,large,d1,d2}
mkdir -p "$src"/d1/{a,b}/c "$src"/d2/deep
for i in $(seq 40); do
	printf 'inside %s\n' "$i" | tee "$src/d1/$i" "$src/d1/a/$i" "$src/d1/a/c/$i" "$src/d1/b/c/$i" >"$src/d2/deep/$i"
done
printf 'inside, secret' | tee "$src/f1" "$src/d1/secret" >"$src/hard"
head -c "$(stat -c %s "$outside/secret")" /dev/zero >"$src/hard"
touch -d 2001-02-03 "$src/hard"
mkfifo "$src/pipe"
chown -hR $user:$user "$src"
(cd "$src" && expect_status 0 "$VARVE" backup -t restore .)
target=$WORK/target
mkdir "$target"
cp -a "$src/." "$target"
ln -s "$outside/sub" "$target/d1.swap"
ln -s "$outside" "$target/d1/a.swap"
ln -s "$outside/sub/deep" "$target/d1/a/c.swap"
ln -s ../outside "$target/d2.swap"
ln -s "$outside/secret" "$target/f1.swap"
ln -s "$outside/secret" "$target/d1/secret.swap"
# A file of root's, which has the size and the time of the one to be restored: as if it had been restored already.
rm "$target/hard"
ln "$outside/secret" "$target/hard"
chown -h $user:$user "$target" "$target"/*.swap "$target"/d1/*.swap "$target"/d1/a/*.swap
look >"$WORK/before"
for how in always if-changed; do
	swap "$target"/{d1,d1/a,d1/a/c,d2,f1,d1/secret}
	run_for "$seconds" "0 1" env VARVE_NO_SANDBOX=1 "$VARVE" restore latest --overwrite $how --target "$target"
	swap_end
	look >"$WORK/after"
	diff "$WORK/before" "$WORK/after" || die "a restore has changed what is outside of its target"
	ok "$rounds restores, $how, $(cat "$WORK/swap.count") exchanges"
done

# And once nobody is at it, everything is right again.
rm -rf "$target"
expect_status 0 "$VARVE" restore latest --target "$target"
diff -r --no-dereference "$src/d1" "$target/d1"

# --- Mounts ----------------------------------------------------------------------------------------------------------------

need_fuse
cp /usr/bin/id "$src/set-id"
chown root:root "$src/set-id"
chmod 6755 "$src/set-id"
mknod -m 666 "$src/null" c 1 3
(cd "$src" && expect_status 0 "$VARVE" backup .)
mnt=$WORK/mnt
mount_varve "$mnt" -o allow_other
expect_equal "recorded" "$(stat -c '%a %F' "$mnt/latest/set-id" "$mnt/latest/null")" \
	"$(stat -c '%a %F' "$src/set-id" "$src/null")"
expect_equal "who a program is" "$(as_user "$mnt/latest/set-id" -u)" $user
! { : >"$mnt/latest/null"; } 2>/dev/null || die "a device can be opened through the mount"
! { : <"$mnt/latest/null"; } 2>/dev/null || die "a device can be read through the mount"
umount_varve "$mnt"
mount_varve "$mnt" -o allow_other,suid,dev
expect_equal "who a program is, as asked for" "$(as_user "$mnt/latest/set-id" -u)" 0
{ : <"$mnt/latest/null"; } || die "devices were asked for"
umount_varve "$mnt"
ok "mounts"
