#!/usr/bin/env bash
# The cache of an S3 store after mounts were killed (-9) while they filled it: what is in it is right and not asked for again,
# what is not is fetched, and it takes no more room than it may.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need_fuse
need python3
start_service s3rver
start_proxy net "$S3_PORT" --http
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_EC2_METADATA_DISABLED=true
export VARVE_REPOSITORY="s3://varve/repo?endpoint=http://127.0.0.1:$proxy_port&region=us-east-1" VARVE_KEY_FILE=$WORK/key
(umask 077 && head -c 64 /dev/urandom >"$WORK/key")
mnt=$WORK/mnt
MiB=$((1 << 20))
limit=$((128 * MiB)) # the least that a cache may have
mkdir -p "$WORK/src"
# One that fits, and more than fits.
head -c $((16 * MiB)) /dev/urandom >"$WORK/src/small"
for i in 0 1 2 3 4 5 6 7 8 9; do head -c $((14 * MiB)) /dev/urandom >"$WORK/src/$i"; done
expect_status 0 "$VARVE" init
(cd "$WORK/src" && expect_status 0 "$VARVE" backup .)
export VARVE_CACHE_DIR=$WORK/cache-mount

mount_here() {
	mount_varve "$mnt" -o "cache_disk=$limit,deadline=120"
}

# What the cache's pieces take on the disk.
held() {
	find "$VARVE_CACHE_DIR" -path '*/sealed/*/[0-9a-f]/*' -type f -printf '%b\n' | awk '{ n += $1 } END { print n * 512 }'
}

bounded() {
	local n

	n=$(held)
	[ "$n" -le $limit ] || die "the cache has $n bytes, and may have $limit"
}

# killed N FILE...: these are read, until the answer to the Nth request for a part of a pack stops half way; then the mount is
# killed, with others in flight.
killed() {
	local nth=$1 pids pid reader i

	shift
	mount_here
	proxy net zero
	proxy net rule stall=100 method=GET path=/packs/ "nth=$nth"
	(cd "$mnt/latest" && cat "$@") >/dev/null 2>&1 &
	reader=$!
	for ((i = 0; ; i++)); do
		[ "$(proxy_count net faults)" -eq 0 ] || break
		[ $i -lt 2000 ] || die "less than $nth parts of packs are asked for"
		sleep 0.02
	done
	# Also the process that would unmount for it.
	pids=$(pgrep -f "varvefs.*$mnt")
	# shellcheck disable=SC2086 # numbers
	kill -9 $pids
	wait $reader || true
	for pid in $pids; do
		while grep -qa . "/proc/$pid/cmdline" 2>/dev/null; do sleep 0.02; done
	done
	fusermount3 -uz "$mnt"
	proxy net clear
	bounded
}

# While it is empty, while it fills, and when it is full and makes room.
killed 3 small
kept=$(held)
[ "$kept" -gt 0 ] || die "nothing is kept of what was read"
killed 4 small
kept=$(held)
mount_here
proxy net zero
cmp "$WORK/src/small" "$mnt/latest/small"
# Trees and index are among what is kept, and a table for each piece.
fetched=$(proxy_count net range_bytes)
[ "$fetched" -le $((17 * MiB - kept)) ] || die "$fetched bytes are fetched, though $kept were kept"
proxy net zero
umount_varve "$mnt"
mount_here
cmp "$WORK/src/small" "$mnt/latest/small"
expect_equal "ranges of what is cached" "$(proxy_count net ranges)" 0
umount_varve "$mnt"
ok "killed while it was filled"

for ranges in 20 50 40; do
	killed "$ranges" 0 1 2 3 4 5 6 7 8 9
done
killed 30 9 8 7 6 5 4 3 2 1 0
ok "killed while it made room"

mount_here
diff -r "$WORK/src" "$mnt/latest"
bounded
diff -r "$WORK/src" "$mnt/latest"
bounded
umount_varve "$mnt"
expect_status 0 "$VARVE" cache --json
python3 - "$WORK/out" $limit <<'P'
import json, sys
usage = json.loads(open(sys.argv[1]).readline())
assert int(sys.argv[2]) // 2 < usage["sealed_bytes"] <= int(sys.argv[2]), usage
P
ok "all is right, and no more than may be"
