#!/usr/bin/env bash
# Random system calls on a mount, by many processes at once (tests/tools/fsfuzz.c), for SECONDS_TO_RUN (3600): nothing is changed,
# nobody hangs, the daemon lives on with about the memory that it had, and what it shows then is still right.
# Needs root, as the processes are shut into the mount: the tree has symlinks that lead out of it.
# BUILD says where the programs are.  MOUNT_OPTIONS go to varve mount; SEED to have a run again.
set -euo pipefail
[ "$(id -u)" -eq 0 ] || { echo 'needs root'; exit 1; }

build=$(cd "${BUILD:-build}" && pwd)
seconds=${SECONDS_TO_RUN:-3600}
work=$(mktemp -d "${TMPDIR:-/tmp}/varve-fuzz-mount.XXXXXX")
export VARVE_REPOSITORY=$work/repo VARVE_KEY_FILE=$work/key VARVE_CACHE_DIR=$work/cache

finish() {
	fusermount3 -uz "$work/mnt" 2>/dev/null || true
	rm -rf -- "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

head -c 64 /dev/urandom >"$work/key"
"$build/varve" init >/dev/null
"$build/tests/tools/mktree" --seed 46 --skip unreadable,reserved,long "$work/src" 2>/dev/null
head -c 30000000 /dev/urandom >"$work/src/a-large"
truncate -s 5G "$work/src/a-sparse"
mkdir "$work/src/a-many"
(cd "$work/src/a-many" && seq -f 'file%06g' 20000 | xargs touch)
for tag in one two three; do
	printf '%s\n' $tag >"$work/src/a-changing"
	(cd "$work/src" && "$build/varve" -q backup -t $tag . >/dev/null)
done
mkdir "$work/mnt"
"$build/varve" mount ${MOUNT_OPTIONS:+-o "$MOUNT_OPTIONS"} "$work/mnt"
daemon=$(pgrep -f "varvefs .* $work/mnt( |\$)" | sort -n | head -n 1)

memory() {
	awk '/^RssAnon/ { print $2 }' "/proc/$daemon/status"
}

echo "anonymous memory of the daemon before: $(memory) kB"
"$build/tests/tools/fsfuzz" "$work/mnt" "$seconds" 12 ${SEED:+"$SEED"}
[ -e "/proc/$daemon" ] || { echo "the daemon has ended"; exit 1; }
echo "anonymous memory of the daemon after: $(memory) kB, threads: $(find "/proc/$daemon/task" -mindepth 1 -maxdepth 1 | wc -l)"
[ "$(memory)" -lt 600000 ] || { echo "that is too much"; exit 1; }
"$build/tests/tools/treecmp" "$work/src" "$work/mnt/latest/"
timeout 60 "$build/varve" unmount "$work/mnt" || { sleep 5; timeout 60 "$build/varve" unmount "$work/mnt"; }
echo ok
