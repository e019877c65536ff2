#!/usr/bin/env bash
# restore: onto what exists, into what was planted, in parts, interrupted, onto full and read-only disks, out of damage.
. "$(dirname "$0")/lib/scenario.sh"

need setpriv
new_repo
src=$WORK/src
out=$WORK/target
mkdir -p "$src/dir/sub" "$src/empty"
echo one >"$src/dir/one.c"
echo two >"$src/dir/sub/two.o"
echo three >"$src/three"
ln "$src/three" "$src/dir/sub/three"
ln -s three "$src/link"
chmod 750 "$src/dir"
touch -d @1000000000.123456789 "$src/three" "$src/dir/one.c"
touch -d @1000000001.5 "$src/dir/sub"
(cd "$src" && expect_status 0 "$VARVE" backup .)

same() {
	"$TOOLS/treecmp" --nlink "$src" "$out" >"$WORK/diff" || { cat "$WORK/diff" >&2; die "$1"; }
	expect_equal "temporary files" "$(find "$out" -name '.varve-restore-*' | wc -l)" 0
	ok "$1"
}

# --- What it says -------------------------------------------------------------------------------------------------------
expect_status 0 "$VARVE" restore latest --target "$WORK/new/out" --dry-run
expect_match '^/dir/sub/two.o$' "$WORK/out"
expect_match '^4 files, 4 directories, 1 others, .* would be restored$' "$WORK/out"
[ ! -e "$WORK/new" ] || die "a dry run has made something"
expect_status 0 "$VARVE" restore latest --target "$out" --json
expect_match '"files": ?4,.*"errors": ?0' "$WORK/out"
same "restore"
expect_status 0 "$VARVE" restore latest --target "$out"
expect_match '^0 files, .*; 5 left as they were$' "$WORK/out"
same "again"
expect_status 2 "$VARVE" restore latest
expect_status 2 "$VARVE" restore latest -T "$out" --overwrite sometimes
expect_status 1 "$VARVE" restore latest:/none -T "$out"
expect_match 'none: no such path' "$WORK/err"
expect_status 1 "$VARVE" restore latest -T "$out/three"
expect_match 'Not a directory' "$WORK/err"
ok "what it says"

# --- Not among our own files --------------------------------------------------------------------------------------------
before=$(find "$VARVE_REPOSITORY" "$VARVE_CACHE_DIR" | sort)
ln -s "$VARVE_REPOSITORY" "$WORK/othername"
for inside in "$VARVE_REPOSITORY" "$VARVE_REPOSITORY/packs" "$VARVE_REPOSITORY/new/er" "$WORK/othername/new" \
	"$WORK/othername/../repo/new"; do
	expect_status 1 "$VARVE" restore latest -T "$inside"
	expect_match ': lies in the repository' "$WORK/err"
done
expect_status 1 "$VARVE" restore latest -T "$VARVE_REPOSITORY/new" --dry-run
(cd "$VARVE_REPOSITORY" && expect_status 1 "$VARVE" restore latest -T new)
expect_status 1 "$VARVE" restore latest -T "$VARVE_CACHE_DIR/new"
expect_match ': lies in the directory of local indexes' "$WORK/err"
# A bind mount of what is below: ".." in it does not lead into the repository.
bound="$WORK/bo und"
mkdir "$bound"
if [ "$(id -u)" -eq 0 ] && mount --bind "$VARVE_REPOSITORY/packs" "$bound" 2>/dev/null; then
	expect_status 1 "$VARVE" restore latest -T "$bound/new"
	expect_match ': lies in the repository' "$WORK/err"
	expect_status 1 "$VARVE" restore latest -T "$bound"
	umount "$bound"
	mount --bind "$WORK" "$bound"
	expect_status 1 "$VARVE" restore latest -T "$bound/${VARVE_REPOSITORY#"$WORK"/}/new"
	expect_status 0 "$VARVE" restore latest -T "$bound/beside"
	umount "$bound"
fi
expect_equal "files of ours" "$(find "$VARVE_REPOSITORY" "$VARVE_CACHE_DIR" | sort)" "$before"
expect_status 0 "$VARVE" restore latest -T "${VARVE_REPOSITORY}sitory"
ok "not among our own files"

# --- Patterns -----------------------------------------------------------------------------------------------------------
rm -rf "$WORK/some"
expect_status 0 "$VARVE" restore latest -T "$WORK/some" -i ./dir/one.c -i nothing
expect_equal "with a dot in front" "$(find "$WORK/some" -type f)" "$WORK/some/dir/one.c"
expect_match '^varve: include pattern matched nothing: nothing$' "$WORK/err"
expect_equal "patterns told" "$(grep -c 'matched nothing' "$WORK/err")" 1
expect_status 0 "$VARVE" restore latest -T "$WORK/some" -i dir -i '*.o' -e '*.c'
expect_no_match 'matched nothing' "$WORK/err"
for nothing in '-i nothing' '-i three -e three' '-e *' '-n -i nothing'; do
	set -f
	# shellcheck disable=SC2086 # words
	expect_status 1 "$VARVE" restore latest -T "$WORK/none" $nothing
	set +f
	expect_match 'nothing restored: nothing in the snapshot is left' "$WORK/err"
done
expect_status 1 "$VARVE" restore latest:three -T "$WORK/none" -i nothing
expect_status 0 "$VARVE" restore latest:empty -T "$WORK/none" -e nothing
ok patterns

# --- Onto existing files ------------------------------------------------------------------------------------------------
change() {
	echo ONE >"$out/dir/one.c"
	touch -d @1000000000.123456789 "$out/dir/one.c"
	echo longer than before >"$out/dir/sub/two.o"
	rm "$out/link"
	chmod 600 "$out/three"
	echo extra >"$out/extra"
}
change
expect_status 0 "$VARVE" restore latest -T "$out" --overwrite never
expect_equal "a changed file" "$(cat "$out/dir/sub/two.o")" "longer than before"
expect_equal "a missing link" "$(readlink "$out/link")" three
expect_equal "mode" "$(stat -c %a "$out/three")" 600
expect_status 0 "$VARVE" restore latest -T "$out"
expect_equal "of the same size and time" "$(cat "$out/dir/one.c")" ONE
expect_equal "a changed file" "$(cat "$out/dir/sub/two.o")" two
expect_equal "mode" "$(stat -c %a "$out/three")" 644
expect_status 0 "$VARVE" restore latest -T "$out" --overwrite always
expect_equal "extra" "$(cat "$out/extra")" extra
rm "$out/extra"
touch -d "$(stat -c %y "$src")" "$out"
same "overwrite always"
change
rm "$out/extra"
expect_status 0 "$VARVE" restore latest -T "$out" --verify
same "verify sees what size and time do not tell"

rm -r "$out/dir/sub" "$out/three" "$out/empty"
mkdir -p "$out/three/inside" "$out/dir/sub/two.o"
echo file >"$out/empty"
expect_status 1 "$VARVE" restore latest -T "$out"
expect_match 'three: a directory that is not empty is in its place' "$WORK/err"
[ -d "$out/three/inside" ] || die "a directory with something in it was deleted"
rmdir "$out/three/inside"
expect_status 0 "$VARVE" restore latest -T "$out"
same "other types in the way"

# --- Planted things -----------------------------------------------------------------------------------------------------
outside=$WORK/outside
mkdir -p "$outside/sub"
echo precious >"$outside/one.c"
echo precious >"$outside/sub/two.o"
state() {
	(cd "$outside" && find . -printf '%p %m %U %T@ %s %n\n' | sort && cat one.c sub/two.o)
}
was=$(state)
for how in if-changed always never; do
	rm -rf "$out"
	mkdir "$out"
	ln -s "$outside" "$out/dir"
	ln -s "$outside/one.c" "$out/three"
	ln -s "$outside" "$out/empty"
	status=0
	[ "$how" != never ] || status=1
	expect_status "$status" "$VARVE" restore latest -T "$out" --overwrite "$how"
	expect_equal "what is outside ($how)" "$(state)" "$was"
	[ "$how" = never ] || same "planted symlinks, overwrite $how"
done
expect_match 'target/dir: something else is in the place of the directory' "$WORK/err"
# The same with another name of a file that is outside.
rm -rf "$out"
mkdir -p "$out/dir"
touch -d @1000000000.123456789 "$outside/one.c"
truncate -s 4 "$outside/one.c"
touch -d @1000000000.123456789 "$outside/one.c"
chmod 400 "$outside/one.c"
ln "$outside/one.c" "$out/dir/one.c"
expect_status 0 "$VARVE" restore latest -T "$out"
expect_equal "a file outside" "$(cat "$outside/one.c" && stat -c '%a %h' "$outside/one.c")" "prec400 1"
same "a planted hard link"

# --- Parts --------------------------------------------------------------------------------------------------------------
names() {
	(cd "$out" && find . -mindepth 1 -printf '%P ' | xargs -n 1 | sort | tr '\n' ' ')
}
part() {
	local want=$1

	shift
	rm -rf "$out"
	expect_status 0 "$VARVE" restore -T "$out" "$@"
	expect_equal "$*" "$(names)" "$want"
}
part "dir dir/one.c " latest --include '*.c'
expect_equal "mode of a directory on the way" "$(stat -c %a "$out/dir")" 750
part "dir dir/sub dir/sub/three dir/sub/two.o " latest --include /dir/sub
expect_equal "time of a directory" "$(stat -c %Y "$out/dir/sub")" 1000000001
part "dir dir/one.c " latest --include dir --exclude sub/
part "empty " latest --include /empty --include /dir/none
part "one.c sub sub/three sub/two.o " latest:/dir
part "two.o " latest:dir/sub/two.o
part "sub sub/three " latest:/dir --include nothing --include sub/three --exclude two.o
ok "parts"

# --- Interrupted --------------------------------------------------------------------------------------------------------
many=$WORK/many
mkdir "$many"
(cd "$many" && seq 3000 | split -l 1 -a 4 - f && mkdir big && head -c 40000000 /dev/urandom >big/file && cp big/file big/again && echo x >>big/again)
(cd "$many" && expect_status 0 "$VARVE" backup --tag many .)
interrupt() {
	local pid status=0

	"$VARVE" restore --tag many latest -T "$WORK/again" >"$WORK/out" 2>"$WORK/err" &
	pid=$!
	while [ ! -e "$WORK/again/$2" ] && kill -0 $pid 2>/dev/null; do :; done
	kill "-$1" $pid 2>/dev/null || true
	wait $pid || status=$?
	# It may have been done before.
	[ $status -eq 0 ] || expect_equal "status" "$status" "$3"
}
for round in big/again fbzz; do
	rm -rf "$WORK/again"
	interrupt INT $round 130
	expect_equal "temporary files" "$(find "$WORK/again" -name '.varve-restore-*' | wc -l)" 0
	interrupt KILL $round 137
	# What is half written is replaced, also where it is that of a replacement.
	[ ! -e "$WORK/again/big/file" ] || echo changed >"$WORK/again/big/file"
	interrupt KILL $round 137
	expect_status 0 "$VARVE" restore --tag many latest -T "$WORK/again"
	"$TOOLS/treecmp" "$many" "$WORK/again" >"$WORK/diff" || { cat "$WORK/diff" >&2; die "after interruption"; }
	expect_equal "temporary files" "$(find "$WORK/again" -name '.varve-restore-*' | wc -l)" 0
done
ok "interrupted and continued"

# --- Without permission -------------------------------------------------------------------------------------------------
if [ "$(id -u)" -eq 0 ]; then
	mkdir "$WORK/user"
	mknod "$src/node" c 1 3
	cp /bin/true "$src/setuid"
	chown 12345:12345 "$src/setuid" "$src/three"
	chmod 4755 "$src/setuid"
	mkdir "$src/locked"
	echo x >"$src/locked/x"
	chmod 500 "$src/locked"
	(cd "$src" && expect_status 0 "$VARVE" backup .)
	chmod 755 "$WORK"
	chown -R 65534:65534 "$WORK/user" "$VARVE_REPOSITORY" "$VARVE_KEY_FILE"
	as_user() {
		setpriv --reuid 65534 --regid 65534 --clear-groups env VARVE_CACHE_DIR="$WORK/user/cache" "$@"
	}
	for round in 1 2; do
		expect_status 0 as_user "$VARVE" restore latest -T "$WORK/user/out"
		expect_match 'not permitted to this user.* 1 device' "$WORK/err"
		expect_equal "lines of warning" "$(wc -l <"$WORK/err")" 1
		expect_equal "mode without its owner" "$(stat -c '%a %u' "$WORK/user/out/setuid")" "755 65534"
		expect_equal "mode of a directory" "$(stat -c %a "$WORK/user/out/locked")" 500
		[ ! -e "$WORK/user/out/node" ] || die "a device node"
		cmp "$src/three" "$WORK/user/out/three"
		as_user rm "$WORK/user/out/three"
		ok "as a user, round $round"
	done
	mkdir -m 755 "$WORK/user/roots"
	chown 0:0 "$WORK/user/roots"
	expect_status 1 as_user "$VARVE" restore latest -T "$WORK/user/roots"
	expect_match 'three: cannot create: Permission denied' "$WORK/err"
	chown -R 0:0 "$VARVE_REPOSITORY" "$VARVE_KEY_FILE"
	expect_status 0 "$VARVE" restore latest -T "$WORK/root"
	expect_equal "as root" "$(stat -c '%a %u' "$WORK/root/setuid")" "4755 12345"
	rm -r "$src/node" "$src/setuid" "$src/locked"
	ok "without permission"
fi

# --- Full and read-only disks -------------------------------------------------------------------------------------------
disk=$WORK/disk
mkdir "$disk"
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=20m tmpfs "$disk" 2>/dev/null; then
	expect_status 1 "$VARVE" restore --tag many latest -T "$disk/out"
	expect_match '^varve: .*/out/big/(file|again): cannot write: No space left on device$' "$WORK/err"
	expect_equal "files on a full disk" "$(find "$disk/out/big" -type f | wc -l)" 0
	mount -o remount,size=200m "$disk"
	expect_status 0 "$VARVE" restore --tag many latest -T "$disk/out"
	"$TOOLS/treecmp" "$many" "$disk/out" >"$WORK/diff" || { cat "$WORK/diff" >&2; die "after a full disk"; }
	rm "$disk/out/faaaa" "$disk/out/faaab"
	mount -o remount,ro "$disk"
	expect_status 1 "$VARVE" restore --tag many latest -T "$disk/out"
	expect_match 'Read-only file system' "$WORK/err"
	expect_status 1 "$VARVE" restore --tag many latest -T "$disk/other"
	expect_match 'other: .*Read-only file system' "$WORK/err"
	umount "$disk"
	ok "full and read-only disks"
fi

# --- Damage -------------------------------------------------------------------------------------------------------------
# The large file's pack is damaged in its middle: that file, and nothing else.
pack=$(find "$VARVE_REPOSITORY/packs" -type f -size +10M -print -quit)
chmod u+w "$pack"
printf '\377\376\375\374' | dd of="$pack" bs=1 seek=5000000 conv=notrunc status=none
rm -rf "$WORK/again"
expect_status 5 "$VARVE" restore --tag many latest -T "$WORK/again"
expect_match 'again/big/(file|again): its contents are damaged in the repository' "$WORK/err"
expect_equal "small files" "$(find "$WORK/again" -maxdepth 1 -type f | wc -l)" 3000
left=$(find "$WORK/again/big" -type f | wc -l)
[ "$left" -lt 2 ] || die "a damaged file was restored"
expect_status 5 "$VARVE" restore --tag many latest -T "$WORK/again" --json
expect_match '"damaged": ?[12]' "$WORK/out"
(cd "$src" && expect_status 0 "$VARVE" backup .)
rm -rf "$out"
expect_status 0 "$VARVE" restore latest -T "$out"
same "damage"
