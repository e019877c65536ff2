#!/usr/bin/env bash
# The suite over S3 on a real cluster (Ceph: three OSDs, replicated), and what a small server cannot show: two that make the
# same repository at once, object lock, disks that are lost while backups and readers are at work, and all of it well again.
#
#   BUILD=build tests/long/ceph.sh
#
# Its directory is below ${TMPDIR:-/var/tmp}: a few GiB.  Takes some minutes, and 1.5 GiB of memory.
set -euo pipefail
# shellcheck source=tests/lib/long.sh
. "$(dirname "$0")/../lib/long.sh"
long_begin ceph
# shellcheck source=tests/lib/services.sh
. "$top/tests/lib/services.sh"
# shellcheck source=tests/lib/store_suite.sh
. "$top/tests/lib/store_suite.sh"

rgw() {
	"$services/ceph-rgw.sh" "$1" "$WORK/ceph-rgw" "${@:2}"
}

# s3 CURL-ARGUMENT...: a request of our own.
s3() {
	curl -sS --aws-sigv4 "aws:amz:$S3_REGION:s3" --user "$S3_ACCESS_KEY:$S3_SECRET_KEY" \
		-H x-amz-content-sha256:UNSIGNED-PAYLOAD "$@"
}

# at BUCKET/PREFIX [OPTIONS]: the URL of a repository there, over the proxy.
at() {
	echo "s3://$1?endpoint=http://127.0.0.1:$proxy_port&region=$S3_REGION${2:-}"
}

# within SECONDS COMMAND...: it takes no longer.
within() {
	local limit=$1 start=$SECONDS status=0

	shift
	"$@" || status=$?
	[ $((SECONDS - start)) -le "$limit" ] || die "$((SECONDS - start)) s where $limit were allowed: $*"
	return $status
}

need curl
need_fuse
start_service ceph-rgw
start_proxy s3 "$S3_PORT" --http
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY
ok "a cluster, $SECONDS s"

# --- The suite ----------------------------------------------------------------------------------------------------------
VARVE_REPOSITORY=$(at varve/some/repo)
export VARVE_REPOSITORY
store_suite

# --- Wrong credentials --------------------------------------------------------------------------------------------------
suite_forget_caches
expect_status 1 env AWS_SECRET_ACCESS_KEY=wrong-one "$VARVE" snapshots
expect_match 'the signature does not match' "$WORK/err"
expect_status 1 env AWS_ACCESS_KEY_ID=AKOTHER "$VARVE" snapshots
expect_match 'does not know the access key' "$WORK/err"
expect_status 10 "$VARVE" -r "$(at none/repo)" snapshots
expect_match 'the bucket "none" does not exist' "$WORK/err"
expect_status 0 env VARVE_CA_FILE="$S3_CA_FILE" "$VARVE" \
	-r "s3://varve/some/repo?endpoint=$S3_TLS_ENDPOINT&region=$S3_REGION" snapshots
ok "wrong credentials, no bucket, TLS"

# --- Object lock --------------------------------------------------------------------------------------------------------
locked=$(at varve-lock/repo '&lock=compliance&lock-days=1')
expect_status 0 "$VARVE" -r "$locked" init
(cd "$WORK/victim" 2>/dev/null || { mkdir "$WORK/victim" && cd "$WORK/victim"; } && head -c 2000000 /dev/urandom >locked &&
	expect_status 0 "$VARVE" -r "$locked" backup .)
s3 "$S3_ENDPOINT/varve-lock?versions=" >"$WORK/versions"
grep -oE '<Key>[^<]*</Key>|<VersionId>[^<]*</VersionId>' "$WORK/versions" | sed 's/<[^>]*>//g' | paste - - >"$WORK/list"
grep -q 'packs/' "$WORK/list" || die "no pack: $(cat "$WORK/versions")"
while read -r key version; do
	case $key in *packs/* | *trees/* | *snapshots/*) ;; *) continue ;; esac
	s3 -I "$S3_ENDPOINT/varve-lock/$key" | tr -d '\r' >"$WORK/head"
	expect_match '^x-amz-object-lock-mode: COMPLIANCE$' "$WORK/head"
	expect_equal "deleting $key" "$(s3 -X DELETE -o /dev/null -w '%{http_code}' "$S3_ENDPOINT/varve-lock/$key?versionId=$version")" 403
done <"$WORK/list"
ok "what is locked cannot be deleted"

# --- An OSD is lost -----------------------------------------------------------------------------------------------------
mkdir "$WORK/much"
for i in 1 2 3 4 5 6; do head -c 40000000 /dev/urandom >"$WORK/much/$i"; done
proxy s3 set rate=200M
(cd "$WORK/much" && exec "$VARVE" backup --tag much .) >"$WORK/backup.out" 2>"$WORK/backup.err" &
pid=$!
sleep 3
kill -0 $pid || die "the backup is done too early"
rgw kill-osd 0
wait $pid || die "the backup failed: $(cat "$WORK/backup.err")"
ok "a backup goes on without an OSD"

suite_forget_caches
mount_varve "$suite_mnt" -o deadline=10
rgw start-osd 0
rgw wait-clean
cp -a "$suite_mnt/latest/." "$WORK/copied" &
pid=$!
sleep 3
kill -0 $pid || die "the copy is done too early"
rgw kill-osd 1
wait $pid || die "cp failed"
suite_same "a copy goes on without an OSD" "$WORK/much" "$WORK/copied"
rm -rf "$WORK/copied"
umount_varve "$suite_mnt"

# --- Two are ------------------------------------------------------------------------------------------------------------
# Requests hang, with no answer at all.
suite_forget_caches
mount_varve "$suite_mnt" -o deadline=10
cp -a "$suite_mnt/latest/." "$WORK/copied" 2>"$WORK/cp.err" &
pid=$!
sleep 3
kill -0 $pid || die "the copy is done too early"
rgw kill-osd 2
start=$SECONDS
wait $pid && die "a copy out of nowhere"
[ $((SECONDS - start)) -lt 90 ] || die "cp took $((SECONDS - start)) s to fail"
expect_match 'Input/output error|timed out' "$WORK/cp.err"
expect_no_match 'No such file' "$WORK/cp.err"
ok "a copy fails after $((SECONDS - start)) s"
within 3 timeout -s KILL 1 cat "$suite_mnt/latest/6" >/dev/null && die "read what is not there"
mkdir "$WORK/more"
head -c 1000000 /dev/urandom >"$WORK/more/7"
start=$SECONDS
within 60 expect_status 1 "$VARVE" --deadline 10 backup "$WORK/more"
ok "a backup fails after $((SECONDS - start)) s: $(tail -n 1 "$WORK/err")"

# --- And come back ------------------------------------------------------------------------------------------------------
rgw start-osd 1
rgw start-osd 2
rgw wait-clean
rm -rf "$WORK/copied"
cp -a "$suite_mnt/latest/." "$WORK/copied"
suite_same "the same mount, all well again" "$WORK/much" "$WORK/copied"
umount_varve "$suite_mnt"
(cd "$WORK/much" && expect_status 0 "$VARVE" backup --tag much .)
proxy s3 set rate=0
suite_forget_caches
expect_status 0 "$VARVE" check --read-data
ok "check, $SECONDS s in all"
