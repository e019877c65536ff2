#!/usr/bin/env bash
# A remote store on bad days: what passes is tried again, what does not ends in time; sync goes on; a replica takes over in
# mid-copy and the store is preferred again when it answers.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need python3
need_service s3rver
start_service s3rver
start_proxy s3 "$S3_PORT" --http --sigv4 AKEXAMPLE:secret/Key+1
export AWS_ACCESS_KEY_ID=AKEXAMPLE AWS_SECRET_ACCESS_KEY=secret/Key+1
remote="s3://varve/faults?endpoint=http://127.0.0.1:$proxy_port&region=us-east-1"

new_repo "$WORK/repo" --pack-size 1M
repo=$VARVE_REPOSITORY
src=$WORK/src
mkdir -p "$src/d"
for i in $(seq 40); do head -c 1000000 /dev/urandom >"$src/d/$i"; done
cd "$src"
expect_status 0 "$VARVE" backup .

# Every seventh request fails, in one way after the other.
proxy s3 rule status=503 code=SlowDown every=7
proxy s3 rule reset=1 every=11
expect_status 0 "$VARVE" sync "$remote"
proxy s3 clear
expect_status 0 "$VARVE" sync --json "$remote"
expect_match '"copied":0,' "$WORK/out"
proxy s3 rule truncate=1000 every=9
expect_status 0 "$VARVE" sync -r "$remote" "$WORK/back"
proxy s3 clear
for kind in packs trees index keys snapshots config; do diff -r "$repo/$kind" "$WORK/back/$kind"; done
ok "sync there and back, with failures"

# The server wants to be left alone for two seconds.
proxy s3 rule status=503 retry_after=2 times=1
start=$(date +%s%3N)
expect_status 0 "$VARVE" -r "$remote" snapshots
[ $(($(date +%s%3N) - start)) -ge 2000 ] || die "Retry-After was not heeded"
proxy s3 clear
ok "Retry-After"

# It is gone: an error at the deadline, which says what was tried.
proxy s3 set refuse=1
rm -rf "$VARVE_CACHE_DIR"
start=$SECONDS
expect_status 1 "$VARVE" -r "$remote" --deadline 3 snapshots
[ $((SECONDS - start)) -le 10 ] || die "it took $((SECONDS - start)) s to give up after 3"
expect_match 'config: get: .*\(tried [0-9]+ times in [0-9.]+ s\)' "$WORK/err"
expect_no_match "secret/Key" "$WORK/err"
expect_status 1 "$VARVE" sync -r "$remote" --deadline 3 "$WORK/none"
proxy s3 set refuse=0
ok "given up"

# Gone while somebody copies out, with a replica at hand; then back.
need_fuse
mkdir "$WORK/mnt" "$WORK/out1"
scenario_mounts+=("$WORK/mnt")
rm -rf "$VARVE_CACHE_DIR"
"$VARVE" mount -f -r "$remote" -o "replica=$repo,cache_mem=4M,nopush,refresh=1" "$WORK/mnt" >"$WORK/log" 2>&1 &
mounting=$!
for _ in $(seq 600); do
	! mountpoint -q "$WORK/mnt" || break
	sleep 0.05
done
cp -a "$WORK/mnt/latest/d" "$WORK/out1/" &
copying=$!
for _ in $(seq 2000); do
	[ "$(find "$WORK/out1" -type f | wc -l)" -lt 5 ] || break
	sleep 0.005
done
proxy s3 set refuse=1
wait "$copying"
diff -r "$src/d" "$WORK/out1/d"
expect_match 's3://varve/faults.*passed over until it answers again' "$WORK/log"
expect_equal "messages about that" "$(grep -c 'passed over until' "$WORK/log")" 1
proxy s3 set refuse=0
for _ in $(seq 100); do
	! grep -q ': answers again$' "$WORK/log" || break
	ls "$WORK/mnt/snapshots" >/dev/null
	sleep 0.3
done
expect_match 's3://varve/faults.*: answers again$' "$WORK/log"
umount_varve "$WORK/mnt"
wait "$mounting"
ok "a replica takes over"

# Two dozen readers wait for a network that has gone: what has been fetched before can be read meanwhile.
rm -rf "$VARVE_CACHE_DIR"
mount_varve "$WORK/mnt" -r "$remote" -o deadline=20
cat "$WORK/mnt/latest/d/1" >"$WORK/1"
umount_varve "$WORK/mnt"
mount_varve "$WORK/mnt" -r "$remote" -o deadline=20
ls -l "$WORK/mnt/latest/d" >/dev/null
proxy s3 set gone=1
readers=()
for i in $(seq 11 34); do
	head -c 1 "$WORK/mnt/latest/d/$i" >/dev/null 2>&1 &
	readers+=($!)
done
sleep 1
timeout 10 cat "$WORK/mnt/latest/d/1" >"$WORK/1" || die "what is at hand could not be read: $?"
cmp "$WORK/1" "$src/d/1"
proxy s3 set gone=0
for i in "${readers[@]}"; do
	wait "$i" || true
done
umount_varve "$WORK/mnt"
ok "who waits for a network keeps nobody from what is at hand"
