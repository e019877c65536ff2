#!/usr/bin/env bash
# A writer who means harm (tests/tools/hostile.c): well sealed and signed objects that say what no honest writer says.  Whoever
# reads them complains of the object or the path, writes nothing elsewhere, and is done in time and with little memory.
. "$(dirname "$0")/lib/scenario.sh"

memory_kb=1500000 # of address space, for each command

new_repo "$WORK/repo" --pack-size 1M
mkdir "$WORK/src" "$WORK/outside"
printf 'good\n' >"$WORK/src/good"
printf 'outside\n' >"$WORK/outside/file"
(cd "$WORK/src" && expect_status 0 "$VARVE" backup .)
good=$("$VARVE" snapshots --json | grep -o '"id": *"[0-9a-f]*"' | grep -o '[0-9a-f]\{64\}')
"$TOOLS/hostile" "$WORK/outside" >"$WORK/cases"
[ "$(wc -l <"$WORK/cases")" -gt 30 ] || die "too few cases"
look() {
	find "$WORK/outside" -printf '%P %y %m %U %s %T@\n' | sort
	ls -a "$WORK" "$WORK/targets"
}

# bounded COMMAND...: with little memory and time; its status in $status.  What it prints is cut.
bounded() {
	echo 0 >"$WORK/status"
	{
		(
			[ -n "${SANITIZE:-}" ] || ulimit -v $memory_kb
			timeout -k 5 60 "$@"
		) 2>"$WORK/err" || echo $? >"$WORK/status"
	} | head -c 1000000 >"$WORK/out"
	status=$(cat "$WORK/status")
	[ "$status" -le 12 ] || [ "$status" -eq 141 ] || die "status $status: $*: $(tail -n 5 "$WORK/err")"
	# From the store to a terminal: nothing that it would obey.
	! grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$WORK/err" || die "control characters in a message of: $*"
}

# names_object: a message says which.
names_object() {
	expect_match '(tree object [0-9a-f]{64}|(packs|trees|snapshots)/[0-9a-f]{2}|^varve: /[a-z]|chunk [0-9a-f]{8})' "$WORK/err"
}

# --- Commands ------------------------------------------------------------------------------------------------------------

mkdir "$WORK/targets"
: >"$WORK/before" && : >"$WORK/after" && : >"$WORK/out" && : >"$WORK/err" && : >"$WORK/status"
look >"$WORK/before"
bounded "$VARVE" snapshots
expect_equal "status of snapshots" "$status" 0
while read -r name id fault; do
	bounded "$VARVE" ls "$id"
	bounded "$VARVE" restore "$id" --target "$WORK/targets/$name" --exclude '/a/a' --exclude '/a/b' --exclude '/b/*'
	if [ "$fault" = bad ]; then
		[ "$status" -ne 0 ] || die "$name: restored as if nothing were wrong"
		names_object
	fi
	! grep -rqsF PLANTED "$WORK/targets/$name" || [ "$name" = linked ] || die "$name: something of a damaged directory was made"
	chmod -R u+rwX "$WORK/targets/$name" 2>/dev/null || true
	rm -rf "$WORK/targets/$name"
	look >"$WORK/after"
	diff "$WORK/before" "$WORK/after" || die "$name: something was written outside of the target"
	bounded "$VARVE" dump "$id:/"
	[ "$fault" = odd ] || [ "$status" -ne 0 ] || die "$name: dumped as if nothing were wrong"
	# A thousand million names take their time, for who wants all of them.
	[ "$name" != doubled ] || continue
	bounded "$VARVE" find --snapshot "$id" '*'
	bounded "$VARVE" diff "$good" "$id"
	bounded "$VARVE" stats "$id"
done <"$WORK/cases"
ok "commands"

# --- A mount -------------------------------------------------------------------------------------------------------------

need_fuse
mnt=$WORK/mnt
mount_varve "$mnt"
# Of its two processes, the one that serves.
pid=$(pgrep -f "varvefs .* $mnt( |\$)" | while read -r p; do
	[ "$(cat "/proc/$p/comm")" = varvefs-keeper ] || echo "$p"
done)
timeout 60 ls -la "$mnt/snapshots" "$mnt/hosts" "$mnt/tags" "$mnt/ids" >/dev/null
timeout 60 find "$mnt/hosts" "$mnt/tags" "$mnt/ids" -printf '%P\n' >/dev/null
while read -r name id fault; do
	dir=$mnt/ids/$id
	[ -e "$dir/." ] || die "$name: not to be seen in the mount"
	status=0
	timeout 60 find -L "$dir" -maxdepth 12 -name '?*' -type f -size -2G -exec cat {} + >"$WORK/out" 2>"$WORK/err" || status=$?
	[ "$status" -ne 124 ] || [ "$name" = doubled ] || die "$name: reading the mount takes too long"
	timeout 20 ls -la "$dir/" >"$WORK/out" 2>"$WORK/err" || true
	[ "$name" != huge-file ] || expect_equal "end of a huge file" "$(tail -c 5 "$dir/file" | od -An -tx1 | tr -d ' ')" 0000000000
done <"$WORK/cases"
expect_equal "what is good" "$(cat "$mnt/ids/$good/good")" good
[ -e "/proc/$pid" ] || die "the daemon has ended"
resident=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status")
[ -n "${SANITIZE:-}" ] || [ "$resident" -lt 400000 ] || die "the daemon took $resident kB"
umount_varve "$mnt"
look >"$WORK/after"
ok "mount, $resident kB"

# --- check ---------------------------------------------------------------------------------------------------------------

# Not what is large only by counting.
doubled=$(awk '$1 == "doubled" { print $2 }' "$WORK/cases")
rm "$WORK/repo/snapshots/$doubled"
bounded "$VARVE" check --read-data
expect_equal "status of check" "$status" 5
cat "$WORK/out" >>"$WORK/err"
names_object
ok "check"

# --- A directory that is not what it was ---------------------------------------------------------------------------------

# Objects that became something else, as whoever owns the disk can make them; nobody waits for a FIFO, or reads without end.
cp -a "$WORK/repo" "$WORK/spare"
find "$WORK/repo" -type f -printf '%P\n' | sort >"$WORK/objects"
for kind in fifo zero directory huge empty link other; do
	n=0
	while read -r object; do
		n=$((n + 1))
		# Each fourth of them, but one way or the other all.
		[ $((n % 4)) -eq $((${#kind} % 4)) ] || continue
		rm -f "$WORK/repo/$object"
		case $kind in
		fifo) mkfifo "$WORK/repo/$object" ;;
		zero) ln -s /dev/zero "$WORK/repo/$object" ;;
		directory) mkdir "$WORK/repo/$object" ;;
		huge) truncate -s 1T "$WORK/repo/$object" ;;
		empty) : >"$WORK/repo/$object" ;;
		link) ln -s "$WORK/outside/file" "$WORK/repo/$object" ;;
		other) cp "$WORK/spare/$(sort -R "$WORK/objects" | head -n 1)" "$WORK/repo/$object" ;;
		esac
	done < <(cat "$WORK/objects")
	rm -rf "$VARVE_CACHE_DIR"
	for command in "snapshots" "ls $good" "restore $good --target $WORK/targets/good" "check"; do
		# shellcheck disable=SC2086 # words
		bounded "$VARVE" $command
		[ "$status" -eq 0 ] || [ -s "$WORK/err" ] || die "$kind: $command: status $status without a word"
	done
	[ "$status" -ne 0 ] || die "$kind: check has nothing to say"
	[ ! -e "$WORK/targets/good/good" ] || expect_equal "restored" "$(cat "$WORK/targets/good/good")" good
	rm -rf "$WORK/targets/good" "$WORK/repo"
	cp -a "$WORK/spare" "$WORK/repo"
done
ok "directory"
