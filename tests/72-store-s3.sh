#!/usr/bin/env bash
# What must work over every store, over S3: a small server, with the proxy before it that judges signatures and checksums.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

start_service s3rver
start_proxy s3 "$S3_PORT" --http --sigv4 AKEXAMPLE:secret/Key+1
store_objects=$S3_ROOT
# shellcheck source=tests/lib/store_suite.sh
. "$(dirname "$0")/lib/store_suite.sh"

url="s3://varve/some/repo?endpoint=http://127.0.0.1:$proxy_port&region=us-east-1"
export VARVE_REPOSITORY=$url AWS_ACCESS_KEY_ID=AKEXAMPLE AWS_SECRET_ACCESS_KEY=secret/Key+1
store_suite

# --- Who it is ----------------------------------------------------------------------------------------------------------
suite_forget_caches
expect_status 1 env AWS_SECRET_ACCESS_KEY=wrong-one "$VARVE" snapshots
expect_match 'the signature does not match' "$WORK/err"
expect_no_match 'wrong-one' "$WORK/err"
expect_status 1 env AWS_ACCESS_KEY_ID=AKOTHER "$VARVE" snapshots
expect_match 'does not know the access key' "$WORK/err"
expect_status 10 "$VARVE" -r "${url/varve/none}" snapshots
expect_match 'the bucket "none" does not exist' "$WORK/err"
proxy s3 set skew=3000
expect_status 1 "$VARVE" snapshots
expect_match "this machine's clock differs too much" "$WORK/err"
proxy s3 set skew=0
expect_status 0 "$VARVE" snapshots
ok "wrong credentials, no bucket, a clock that is off"
