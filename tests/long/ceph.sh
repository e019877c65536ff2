#!/usr/bin/env bash
# The suite over S3 on a real cluster (Ceph: three OSDs, replicated), and what a small server cannot show: two that make the
# same repository at once, users with a policy, classes, object lock, disks that are lost while backups and readers are at work,
# and all of it well again.
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
# shellcheck source=tests/lib/s3_roles.sh
. "$top/tests/lib/s3_roles.sh"

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

# --- Roles --------------------------------------------------------------------------------------------------------------
enforce() {
	expect_equal "status of a policy" "$(s3 -X PUT --data-binary "@$1" -H 'Content-Type: application/json' \
		-o /dev/null -w '%{http_code}' "$S3_ENDPOINT/varve?policy=")" 204
}

login() {
	[ "$1" != owner ] || return 0
	export AWS_ACCESS_KEY_ID=AK$1 AWS_SECRET_ACCESS_KEY=secretof$1
}

for user in writer reader auditor pruner; do
	rgw add-user $user AK$user secretof$user
done
VARVE_REPOSITORY=$(at varve/some/roles)
s3_roles varve some/roles

# --- Classes ------------------------------------------------------------------------------------------------------------
# What Ceph calls GLACIER is a pool that is read at once.
VARVE_REPOSITORY=$(at varve/cold '&storage-class=GLACIER')
mkdir "$WORK/cold"
head -c 300000 /dev/urandom >"$WORK/cold/file"
expect_status 0 "$VARVE" init
(cd "$WORK/cold" && expect_status 0 "$VARVE" backup .)
s3 "$S3_ENDPOINT/varve?list-type=2&prefix=cold%2F" | grep -oE '<Key>[^<]*' | cut -d '>' -f 2 >"$WORK/list"
grep -q '^cold/packs/' "$WORK/list" && grep -q '^cold/trees/' "$WORK/list" || die "no packs: $(cat "$WORK/list")"
while read -r key; do
	case $key in cold/packs/*) class=GLACIER ;; *) class=STANDARD ;; esac
	# It may be silent of the one that is the bucket's.
	got=$(s3 -I "$S3_ENDPOINT/varve/$key" | tr -d '\r' | sed -n 's/^[xX]-[aA]mz-[sS]torage-[cC]lass: //p')
	expect_equal "class of $key" "${got:-STANDARD}" $class
done <"$WORK/list"
expect_status 0 "$VARVE" restore --thaw latest --target "$WORK/restored"
diff -r "$WORK/cold" "$WORK/restored"
rm -rf "$WORK/restored"
ok "packs in a class of their own, which need not be thawed"

# The rules that docs/stores.md has for the bucket, as the XML that aws makes of them.
stores_json 'Rules for the bucket' | python3 -c '
import json, sys
def xml(name, value):
	if isinstance(value, list):
		return "".join(xml(name, item) for item in value)
	if isinstance(value, dict):
		value = "".join(xml(*pair) for pair in value.items())
	return f"<{name}>{str(value).lower() if isinstance(value, bool) else value}</{name}>"
rules = json.load(sys.stdin)["Rules"]
print(xml("LifecycleConfiguration", {"Rule": [{k.replace("Transitions", "Transition"): v for k, v in r.items()}
                                              for r in rules]}))' >"$WORK/rules"
expect_equal "status of the rules" "$(s3 -X PUT --data-binary "@$WORK/rules" -H 'Content-Type: application/xml' -o /dev/null \
	-H "Content-MD5: $(openssl md5 -binary "$WORK/rules" | base64)" -w '%{http_code}' "$S3_ENDPOINT/varve?lifecycle=")" 200
s3 "$S3_ENDPOINT/varve?lifecycle=" >"$WORK/out"
expect_equal "rules that it has" "$(grep -o '<Rule>' "$WORK/out" | wc -l)" 3
expect_match '<Days>30</Days><StorageClass>GLACIER<' "$WORK/out"
ok "rules for the bucket"

# --- Object lock --------------------------------------------------------------------------------------------------------
# versions [DeleteMarker]: "KEY VERSION" of all versions in the bucket with locks, or of all that hide one.
versions() {
	s3 "$S3_ENDPOINT/varve-lock?versions=" | python3 -c '
import sys, xml.etree.ElementTree as tree
for item in tree.parse(sys.stdin).getroot():
	of = {field.tag.rpartition("}")[2]: field.text for field in item}
	if item.tag.rpartition("}")[2] == sys.argv[1]:
		print(of["Key"], of["VersionId"])' "${1:-Version}"
}

# removed KEY VERSION [CURL-ARGUMENT...]: what the server answers to that.
removed() {
	s3 -X DELETE -o /dev/null -w '%{http_code}' "$S3_ENDPOINT/varve-lock/$1?versionId=$2" "${@:3}"
}

# locked_until KEY MODE: the second until which it is locked, in that way.
locked_until() {
	local until

	s3 -I "$S3_ENDPOINT/varve-lock/$1" | tr -d '\r' >"$WORK/head"
	expect_match "^x-amz-object-lock-mode: $2\$" "$WORK/head"
	until=$(sed -n 's/^x-amz-object-lock-retain-until-date: //p' "$WORK/head")
	date -d "$until" +%s
}

# all_locked PREFIX MODE: but for what is doomed.
all_locked() {
	versions >"$WORK/list"
	grep -q "^$1/packs/" "$WORK/list" && grep -q "^$1/trees/" "$WORK/list" && grep -q "^$1/snapshots/" "$WORK/list" ||
		die "not all is there: $(cat "$WORK/list")"
	while read -r key version; do
		case $key in "$1"/doomed/*) continue ;; "$1"/*) ;; *) continue ;; esac
		locked_until "$key" "$2" >/dev/null
		expect_equal "deleting $key" "$(removed "$key" "$version")" 403
	done <"$WORK/list"
}

# The first has a pack that goes up in parts, the second one of its own.
locked=$(at varve-lock/repo '&lock=compliance&part-size=5M&lock-days=')
mkdir "$WORK/first" "$WORK/second"
head -c 7000000 /dev/urandom >"$WORK/first/file"
head -c 2000000 /dev/urandom >"$WORK/second/file"
expect_status 0 "$VARVE" -r "${locked}2" init --grace 8s
(cd "$WORK/first" && expect_status 0 "$VARVE" -r "${locked}2" backup --tag first .)
all_locked repo COMPLIANCE
versions | grep '^repo/packs/' >"$WORK/first.packs"
(cd "$WORK/second" && expect_status 0 "$VARVE" -r "${locked}2" backup --tag second .)
versions | grep '^repo/packs/' | grep -vFf "$WORK/first.packs" >"$WORK/second.packs"
read -r first _ <"$WORK/first.packs"
read -r second _ <"$WORK/second.packs"
before=$(locked_until "$first" COMPLIANCE)
expect_equal "days of a lock" $(((before - $(date +%s) + 43200) / 86400)) 2
before_second=$(locked_until "$second" COMPLIANCE)
(cd "$WORK/first" && expect_status 0 "$VARVE" -r "${locked}4" backup --json --tag first .)
expect_match '"data_added":0,' "$WORK/out"
expect_equal "days that the lock is renewed by" $((($(locked_until "$first" COMPLIANCE) - before + 43200) / 86400)) 4
expect_equal "the lock of what that does not need" "$(locked_until "$second" COMPLIANCE)" "$before_second"
ok "locked, and renewed for what a new snapshot relies on"

# Prune hides what it deletes, and says that it is still there.
expect_status 0 "$VARVE" -r "${locked}2" forget --tag second latest
expect_match 'the bucket keeps versions: what is deleted takes up room until' "$WORK/err"
expect_status 0 "$VARVE" -r "${locked}2" prune --max-unused unlimited
sleep 8
prune_until '^deleted: [1-9]' -r "${locked}2" prune --max-unused unlimited
expect_match 'the bucket keeps versions' "$WORK/err"
versions DeleteMarker >"$WORK/list"
expect_match "^$second " "$WORK/list"
versions >"$WORK/list"
expect_match "^$(cat "$WORK/second.packs")\$" "$WORK/list"
expect_status 0 "$VARVE" -r "${locked}2" check --read-data
ok "prune under a lock"

# A thief who deletes all that he can; and all is back without his delete markers, as docs/stores.md has it.
versions DeleteMarker >"$WORK/old"
versions | cut -d ' ' -f 1 | sort -u | grep '^repo/' | grep -vFf <(cut -d ' ' -f 1 "$WORK/old") >"$WORK/keys"
while read -r key; do
	expect_equal "hiding $key" "$(s3 -X DELETE -o /dev/null -w '%{http_code}' "$S3_ENDPOINT/varve-lock/$key")" 204
done <"$WORK/keys"
expect_status 10 "$VARVE" -r "${locked}2" --cache-dir "$WORK/cache.thief" snapshots
versions DeleteMarker | grep -vFf "$WORK/old" >"$WORK/list"
while read -r key version; do
	expect_equal "the marker of $key" "$(removed "$key" "$version")" 204
done <"$WORK/list"
expect_status 0 "$VARVE" -r "${locked}2" --cache-dir "$WORK/cache.thief" check --read-data
expect_status 0 "$VARVE" -r "${locked}2" --cache-dir "$WORK/cache.thief" restore latest --target "$WORK/restored"
diff -r "$WORK/first" "$WORK/restored"
rm -rf "$WORK/restored"
ok "deleted by a thief, and back again"

# Who has a special right may delete what is locked in the other way.
governed=$(at varve-lock/governed '&lock=governance&lock-days=1')
expect_status 0 "$VARVE" -r "$governed" init
(cd "$WORK/second" && expect_status 0 "$VARVE" -r "$governed" backup .)
all_locked governed GOVERNANCE
read -r key version < <(versions | grep '^governed/packs/')
expect_equal "deleting $key with a special right" "$(removed "$key" "$version" -H 'x-amz-bypass-governance-retention: true')" 204
ok "governance"
VARVE_REPOSITORY=$(at varve/some/repo)

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
