#!/usr/bin/env bash
# What must work over every store, over Azure's blobs: Azurite, with a shared key.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

start_service azurite
store_objects=$AZURE_ROOT/__blobstorage__
# shellcheck source=tests/lib/store_suite.sh
. "$(dirname "$0")/lib/store_suite.sh"

url="azure://varve/some/repo?endpoint=$AZURE_ENDPOINT"
export VARVE_REPOSITORY=$url AZURE_STORAGE_ACCOUNT=$AZURE_ACCOUNT AZURE_STORAGE_KEY=$AZURE_KEY
store_suite

# --- Who it is ----------------------------------------------------------------------------------------------------------
suite_forget_caches
wrong=$(echo wrong-one | base64)
expect_status 1 env AZURE_STORAGE_KEY="$wrong" "$VARVE" snapshots
expect_match 'not authorised: the credentials are wrong' "$WORK/err"
expect_no_match "$wrong" "$WORK/err"
expect_status 10 "$VARVE" -r "${url/varve/none}" snapshots
expect_match 'there is no such container: make it first' "$WORK/err"
ok "a wrong key, no container"
