#!/usr/bin/env bash
# What can be read works over a static web server, and nothing is written there.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

start_service webdav
store_objects=$WEBDAV_ROOT/repo
store_place=$store_objects
# shellcheck source=tests/lib/store_suite.sh
. "$(dirname "$0")/lib/store_suite.sh"

export VARVE_REPOSITORY=$WEBDAV_ROOT/repo VARVE_CA_FILE=$WEBDAV_CA_FILE
suite_trees
suite_init
suite_backup
suite_keys

export VARVE_REPOSITORY=https://localhost:$WEBDAV_STATIC_PORT/repo
suite_forget_caches
suite_look
suite_mount
suite_offline
suite_restore
suite_check
suite_pin
suite_opens
suite_hidden
expect_status 0 env -u VARVE_KEY_FILE "$VARVE" sync "$WORK/synced"
expect_status 0 "$VARVE" --repo "$WORK/synced" --cache-dir "$WORK/cache.synced" check --packs
suite_forget_caches
expect_status 1 env -u VARVE_CA_FILE "$VARVE" snapshots
expect_match '[Cc]ertificate' "$WORK/err"
ok "sync from it, an unknown authority"
find "$store_objects" -type f | sort >"$WORK/before"
expect_status 1 "$VARVE" backup "$suite_src"
expect_match 'read-only|Read-only' "$WORK/err"
expect_status 1 "$VARVE" key add --role reader --new-password-file "$WORK/other"
expect_match 'read-only|Read-only' "$WORK/err"
expect_status 1 "$VARVE" -r "https://localhost:$WEBDAV_STATIC_PORT/new" init
find "$store_objects" -type f | sort | cmp - "$WORK/before"
expect_status 10 "$VARVE" -r "https://localhost:$WEBDAV_STATIC_PORT/none" snapshots
ok "nothing can be written"
