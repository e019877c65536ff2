#!/usr/bin/env bash
# What must work over every store, over WebDAV: nginx with TLS and a password.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

start_service webdav
store_objects=$WEBDAV_ROOT
store_place=$WEBDAV_ROOT/some/repo
# shellcheck source=tests/lib/store_suite.sh
. "$(dirname "$0")/lib/store_suite.sh"

# All but the repository's own is the server's to make.
mkdir "$WEBDAV_ROOT/some"
url=webdav+https://$WEBDAV_USER@localhost:$WEBDAV_TLS_PORT/some/repo
export VARVE_REPOSITORY=$url VARVE_WEBDAV_PASSWORD=$WEBDAV_PASSWORD VARVE_CA_FILE=$WEBDAV_CA_FILE
store_suite

# --- Who may do what ----------------------------------------------------------------------------------------------------
suite_forget_caches
adding=${url/$WEBDAV_TLS_PORT/$WEBDAV_ADDER_PORT}
expect_status 0 "$VARVE" -r "$adding" backup "$WORK/key"
expect_no_match . "$WORK/err"
expect_status 1 "$VARVE" -r "$adding" forget latest
expect_match 'does not let us delete: 1 of 1' "$WORK/err"
expect_status 0 "$VARVE" -r "$adding" dump "latest:$WORK/key"
cmp "$WORK/out" "$WORK/key"
ok "one who may not delete"

# --- Who it is, on both sides -------------------------------------------------------------------------------------------
suite_forget_caches
expect_status 1 env VARVE_WEBDAV_PASSWORD=wrong-one "$VARVE" snapshots
expect_match 'some/repo.*(401|[Dd]enied)' "$WORK/err"
expect_no_match 'wrong-one' "$WORK/err"
expect_status 0 env -u VARVE_WEBDAV_PASSWORD "$VARVE" -r "${url/@/:$WEBDAV_PASSWORD@}" snapshots
suite_forget_caches
expect_status 1 env -u VARVE_CA_FILE "$VARVE" snapshots
expect_match '[Cc]ertificate' "$WORK/err"
expect_status 0 env -u VARVE_CA_FILE "$VARVE" --ca-file "$WEBDAV_CA_FILE" snapshots
# Not as if it could not be reached, for which the cache would step in.
expect_status 1 env -u VARVE_CA_FILE "$VARVE" snapshots
expect_match '[Cc]ertificate' "$WORK/err"
suite_forget_caches
expect_status 1 "$VARVE" -r "${url/$WEBDAV_TLS_PORT/$WEBDAV_EXPIRED_PORT}" snapshots
expect_match '[Cc]ertificate.*expired' "$WORK/err"
expect_no_match "$WEBDAV_PASSWORD" "$WORK/err"
ok "wrong password, unknown authority, expired certificate"

# --- What cannot be used ------------------------------------------------------------------------------------------------
expect_status 1 "$VARVE" --ca-file "$WORK/none.pem" snapshots
expect_match 'none.pem: read the trusted certificates: No such file' "$WORK/err"
expect_status 1 "$VARVE" -r webdav+http://backup.example.org/repo snapshots
expect_match 'http is not encrypted' "$WORK/err"
suite_forget_caches
expect_status 1 env VARVE_HTTP_USER="$WEBDAV_USER" VARVE_HTTP_PASSWORD="$WEBDAV_PASSWORD" \
	"$VARVE" -r "https://localhost:$WEBDAV_TLS_PORT/some/repo" snapshots
expect_match 'makes no listings of directories' "$WORK/err"
ok "no authority file, no TLS, no listings"
