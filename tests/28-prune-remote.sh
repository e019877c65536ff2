#!/usr/bin/env bash
# forget and prune over S3: doom, grace and sweep as on a disk; a server that does not let us delete; one that fails.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

start_service s3rver
start_proxy s3 "$S3_PORT" --http --sigv4 AKEXAMPLE:secret/Key+1
export AWS_ACCESS_KEY_ID=AKEXAMPLE AWS_SECRET_ACCESS_KEY=secret/Key+1
export VARVE_REPOSITORY="s3://varve/repo?endpoint=http://127.0.0.1:$proxy_port&region=us-east-1"
export VARVE_KEY_FILE=$WORK/key
(umask 077 && head -c 64 /dev/urandom >"$VARVE_KEY_FILE")
expect_status 0 "$VARVE" init --pack-size 1M --grace 16s
src=$WORK/src
mkdir -p "$src"
cd "$src"

# value NAME: that number in the summary of the last command with --json.
value() {
	sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$WORK/out" | tail -n 1
}

head -c 5000000 /dev/urandom >big
head -c 30000 /dev/urandom >small
expect_status 0 "$VARVE" backup .
rm big
expect_status 0 "$VARVE" backup .

# Who may not delete is told so, and nothing else suffers.
proxy s3 rule status=403 code=AccessDenied method=DELETE
expect_status 1 "$VARVE" forget latest~1
expect_match 'does not let us delete: 1 of 1' "$WORK/err"
proxy s3 clear
expect_status 0 "$VARVE" forget latest~1
expect_status 0 "$VARVE" prune --max-unused unlimited --json
[ "$(value doomed_packs)" -ge 3 ] || die "$(value doomed_packs) packs were doomed"
expect_equal "packs deleted before the grace is over" "$(value deleted_packs)" 0
before=$(value pack_bytes)
sleep 16
proxy s3 rule status=403 code=AccessDenied method=DELETE
expect_status 1 "$VARVE" prune --max-unused unlimited
expect_match 'does not let us delete' "$WORK/err"
proxy s3 clear
expect_status 0 "$VARVE" check --read-data
ok "no permission to delete"

# Answers that fail now and then are asked for again.
proxy s3 rule status=503 code=SlowDown every=12
expect_status 0 "$VARVE" prune --max-unused unlimited --json
proxy s3 clear
[ "$(value deleted_packs)" -ge 3 ] || die "$(value deleted_packs) packs were deleted"
expect_status 0 "$VARVE" prune --max-unused unlimited --json
[ "$(value pack_bytes)" -lt $((before - 3000000)) ] || die "$(value pack_bytes) bytes are left of $before"
expect_status 0 "$VARVE" check --read-data
expect_status 0 "$VARVE" restore latest --target "$WORK/restored" --verify
diff -r "$src" "$WORK/restored"
ok "doom, grace and sweep"
