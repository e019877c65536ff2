#!/usr/bin/env bash
# Pushed pages are right: readers of all habits at once, with the kernel's cache thrown away under them, and a daemon that
# is killed in the midst of it.
. "$(dirname "$0")/lib/scenario.sh"

need_fuse
need python3 getfattr
new_repo
src=$WORK/src
mnt=$WORK/mnt

# Sizes around pages, segments and what is pushed whole; text, holes, noise.
python3 - "$src" <<'P'
import os, random, sys
src = sys.argv[1]
r = random.Random(11)
sizes = [0, 1, 4095, 4096, 4097, 131071, 131072, 131073, 262144, 262145, 1 << 20, (1 << 20) + 1, 3 << 20]
for d in range(30):
    path = f"{src}/{d % 6}/{d}"
    os.makedirs(path)
    for f in range(40):
        n = r.choice(sizes) if f % 20 == 0 else r.randrange(30000)
        with open(f"{path}/{f:02}", "wb") as out:
            kind = r.randrange(4)
            if kind == 0:
                out.write(r.randbytes(n))
            elif kind == 1:
                out.write((b"%d %d\n" % (d, f)) * (n // 6))
            elif kind == 2:
                out.truncate(n)
            else:
                out.write(r.randbytes(n // 3))
                out.truncate(n // 3 * 2)
                out.seek(0, 2)
                out.write(r.randbytes(n // 3))
with open(f"{src}/big", "wb") as out:
    for _ in range(12):
        out.write(r.randbytes(1 << 20))
P
cd "$src"
expect_status 0 "$VARVE" backup .
find . -type f -print0 | LC_ALL=C sort -z >"$WORK/list"

# With little memory, so that segments go while they are wanted.
mount_varve "$mnt" -o cache_mem=4M
for seed in 1 2; do
	"$TOOLS/readstorm" -t 7 -r 7 -s $seed "$src" "$mnt/latest" <"$WORK/list"
done
pushed=$(getfattr --absolute-names --only-values -n user.varve.requests "$mnt" | sed -n 's/^pushed_files //p')
[ "$pushed" -gt 0 ] || die "nothing was pushed"
ok "nothing wrong with $pushed files pushed"

# Of files that nobody read nothing is said, of others one line.
mkdir "$WORK/one"
for i in $(seq 100 199); do head -c 6000 /dev/urandom >"$WORK/one/$i"; done
new_repo "$WORK/damaged"
expect_status 0 "$VARVE" backup "$WORK/one"
pack=$(find "$WORK/damaged/packs" -type f -size +400k | head -n 1)
printf 'garbled' | dd of="$pack" bs=1 seek=300000 conv=notrunc status=none
mkdir "$WORK/mnt2"
scenario_mounts+=("$WORK/mnt2")
"$VARVEFS" "$WORK/damaged" "$WORK/mnt2" -f 2>"$WORK/log" &
for _ in $(seq 100); do ! mountpoint -q "$WORK/mnt2" || break; sleep 0.1; done
dir=$WORK/mnt2/latest/one
[ -d "$dir" ] || dir=$WORK/mnt2/latest$WORK/one
ls -l "$dir" >/dev/null
for i in $(seq 100 120); do cmp "$dir/$i" "$WORK/one/$i"; sleep 0.01; done
expect_no_match '/1[0-9][0-9]: read' "$WORK/log"
bad=0
for i in $(seq 100 199); do
	if cat "$dir/$i" >"$WORK/got" 2>/dev/null; then cmp "$WORK/got" "$WORK/one/$i"; else bad=$((bad + 1)); fi
done
[ $bad -gt 0 ] && [ $bad -lt 60 ] || die "$bad of 100 files cannot be read"
expect_equal "lines about files" "$(grep -c '/1[0-9][0-9]: read' "$WORK/log")" $bad
[ "$(wc -l <"$WORK/log")" -le $((bad + 5)) ] || die "$(wc -l <"$WORK/log") lines for $bad files"
umount_varve "$WORK/mnt2"
wait
new_repo "$WORK/again"
expect_status 0 "$VARVE" backup .
ok "what is damaged is told once, and only of what was read"

# A daemon that is killed leaves nobody hanging: readers get an error, and the mount can be ended.
pid=$(pgrep -f "varvefs.*$mnt" | head -n 1)
for _ in 1 2 3 4; do tar -cf - -C "$mnt/latest" . 2>/dev/null | cat >/dev/null & done
sleep 0.3
kill -9 "$pid"
wait
for _ in $(seq 100); do
	[ -e "/proc/$pid" ] || break
	sleep 0.1
done
[ ! -e "/proc/$pid" ] || die "the killed daemon is still there"
umount_varve "$mnt"
ok "killed"

# One that is told to end does so in the midst of reading.
mount_varve "$mnt"
pid=$(pgrep -f "varvefs.*$mnt" | head -n 1)
for _ in 1 2 3 4; do tar -cf - -C "$mnt/latest" . 2>/dev/null | cat >/dev/null & done
sleep 0.3
kill -TERM "$pid"
wait
for _ in $(seq 100); do
	[ -e "/proc/$pid" ] || break
	sleep 0.1
done
[ ! -e "/proc/$pid" ] || die "the daemon does not end"
! mountpoint -q "$mnt" || umount_varve "$mnt"

# The daemon is told to end while it pushes a file: the push waits for a page that somebody has just asked for.  It comes late
# here, so that it is so.
if [ -z "${SANITIZE:-}" ]; then
	mkdir "$WORK/even" "$WORK/mnt3"
	for i in $(seq 100 160); do head -c 20000 /dev/urandom >"$WORK/even/$i"; done
	new_repo "$WORK/third"
	cd "$WORK/even"
	expect_status 0 "$VARVE" backup .
	scenario_mounts+=("$WORK/mnt3")
	LD_PRELOAD=${TOOLS%tools}preload/late.so LATE_MS=5000 "$VARVEFS" "$VARVE_REPOSITORY" "$WORK/mnt3"
	daemon=$(pgrep -f "varvefs.*$WORK/mnt3" | head -n 1)
	dir=$WORK/mnt3/latest
	ls -l "$dir/" >/dev/null
	for i in $(seq 100 104); do cat "$dir/$i" >/dev/null; done
	sleep 0.5
	kill -TERM "$daemon"
	sleep 0.3
	for i in $(seq 105 160); do timeout -s KILL 30 cat "$dir/$i" >/dev/null 2>&1 & done
	for _ in $(seq 300); do
		[ -d "/proc/$daemon" ] || break
		sleep 0.1
	done
	[ ! -d "/proc/$daemon" ] || {
		umount -f "$WORK/mnt3"
		kill -KILL "$daemon"
		die "a daemon that was told to end waits for ever"
	}
	! mountpoint -q "$WORK/mnt3" || die "still mounted after SIGTERM"
	wait
	ok "ended while a push waits"

	# And it is killed, when the push waits for a page that was asked for by somebody who had to wait himself.
	mkdir "$WORK/mnt4"
	scenario_mounts+=("$WORK/mnt4")
	LD_PRELOAD=${TOOLS%tools}preload/late.so LATE_MS=4000 LATE_WHEN=$WORK/now "$VARVEFS" "$VARVE_REPOSITORY" "$WORK/mnt4"
	daemon=$(pgrep -f "varvefs.*$WORK/mnt4" | head -n 1)
	dir=$WORK/mnt4/latest
	ls -l "$dir/" >/dev/null
	for i in $(seq 100 104); do cat "$dir/$i" >/dev/null; done
	touch "$WORK/now"
	for i in $(seq 130 160); do timeout -s KILL 30 cat "$dir/$i" >/dev/null 2>&1 & done
	sleep 1
	for i in $(seq 105 129); do timeout -s KILL 30 cat "$dir/$i" >/dev/null 2>&1 & done
	for _ in $(seq 100); do
		! grep -qs filemap "/proc/$daemon/task"/*/wchan || break
		sleep 0.1
	done
	kill -KILL "$daemon"
	for _ in $(seq 100); do
		[ -d "/proc/$daemon" ] || break
		sleep 0.1
	done
	[ ! -d "/proc/$daemon" ] || {
		umount -f "$WORK/mnt4"
		die "a daemon that was killed waits for ever"
	}
	wait
	ok "killed while a push waits"
fi
