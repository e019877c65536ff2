#!/usr/bin/env bash
# Rate limits, from end to end: what may not be exceeded is not, by all requests of a command together.  The contents do not
# compress, so that at least so many bytes have to go; how much longer it takes is the machine's matter.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need python3
need_service s3rver sftp
start_service s3rver
start_proxy net "$S3_PORT" --http
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_EC2_METADATA_DISABLED=true
export VARVE_REPOSITORY="s3://varve/repo?endpoint=http://127.0.0.1:$proxy_port&region=us-east-1" VARVE_KEY_FILE=$WORK/key
(umask 077 && head -c 64 /dev/urandom >"$WORK/key")
KiB=1024
bytes=$((3000 * KiB))
rate=$((1000 * KiB))
mkdir "$WORK/src"
for i in 1 2 3 4 5 6; do head -c $((bytes / 6)) /dev/urandom >"$WORK/src/$i"; done
cd "$WORK/src"

now_ms() {
	python3 -S -c 'import time; print(time.monotonic_ns() // 1000000)'
}

# not_faster STATUS COMMAND...: than ${rate}, but for what may go at once: a tenth of a second's, and the buffer on top of it.
not_faster() {
	local start least=$(((bytes - rate / 10 - 64 * KiB) * 1000 / rate)) took

	start=$(now_ms)
	expect_status "$@"
	took=$(($(now_ms) - start))
	[ $took -ge $least ] || die "$bytes bytes in $took ms, where $least are the least: $*"
}

expect_status 0 "$VARVE" init --pack-size 1M
# Many at a time, none of which is taken for stalled while it waits for its turn.
not_faster 0 "$VARVE" --limit-upload ${rate} --deadline 3 backup .
[ "$(proxy_count net up_bytes)" -ge "$bytes" ] || die "it has not all gone by the network"
expect_equal "faults" "$(grep -c '"status": null' "$WORK/net.log" || true)" 0
rm -rf "$VARVE_CACHE_DIR"
not_faster 0 "$VARVE" --limit-download 1000K --deadline 3 restore latest --target "$WORK/got"
diff -r "$WORK/src" "$WORK/got"
rm -rf "$WORK/got"
ok "backup and restore by S3"

# The other direction is free: this would take three seconds more.
not_faster 0 env VARVE_LIMIT_DOWNLOAD=1000K "$VARVE" sync "$WORK/copy"
ok "sync from S3, the limit in the environment"

if { : <>/dev/fuse; } 2>/dev/null; then
	rm -rf "$VARVE_CACHE_DIR"
	mount_varve "$WORK/mnt" -o limit_download=1000K,deadline=3,cache_mem=4M
	# What is read ahead counts as well.
	not_faster 0 cat "$WORK/mnt/latest/1" "$WORK/mnt/latest/2" "$WORK/mnt/latest/3" "$WORK/mnt/latest/4" \
		"$WORK/mnt/latest/5" "$WORK/mnt/latest/6"
	cat 1 2 3 4 5 6 | cmp - "$WORK/out"
	umount_varve "$WORK/mnt"
	ok "a mount"
fi

start_service sftp
sftp=sftp://$SFTP_USER@$SFTP_HOST:$SFTP_PORT$SFTP_ROOT/repo
export VARVE_SSH_KEY=$SFTP_KEY VARVE_KNOWN_HOSTS=$SFTP_KNOWN_HOSTS
not_faster 0 "$VARVE" -r "$WORK/copy" --limit-upload 1000K sync "$sftp"
rm -rf "$VARVE_CACHE_DIR"
not_faster 0 "$VARVE" -r "$sftp" --limit-download 1000K restore latest --target "$WORK/got"
diff -r "$WORK/src" "$WORK/got"
ok "SFTP, both ways"
