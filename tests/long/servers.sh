#!/usr/bin/env bash
# The suite over servers that `make check` does not have: WebDAV of Apache, lighttpd and rclone, SFTP and S3 of rclone (where it
# has that), and reading over https from all of them and python's.  What cannot be had is skipped, loudly.
#
#   BUILD=build tests/long/servers.sh [NAME...]
#
# Its directories are below ${TMPDIR:-/var/tmp}.  Takes some minutes.
set -euo pipefail
# shellcheck source=tests/lib/long.sh
. "$(dirname "$0")/../lib/long.sh"
all=(apache lighttpd rclone-webdav rclone-sftp rclone-s3 python)

# Each in a process of its own, with nothing of the others'.
if [ -z "${ONE:-}" ]; then
	[ $# -gt 0 ] || set -- "${all[@]}"
	failed=0
	for name; do
		status=0
		ONE=$name BUILD=$build "$0" || status=$?
		case $status in
		0) echo "passed $name" ;;
		77) echo "skipped $name" ;;
		*) echo "FAILED $name" && failed=1 ;;
		esac
	done
	exit $failed
fi

long_begin "$ONE"
# shellcheck source=tests/lib/services.sh
. "$top/tests/lib/services.sh"
# shellcheck source=tests/lib/store_suite.sh
. "$top/tests/lib/store_suite.sh"

# written URL PLACE: all of the suite up to what is to be read once more in another way.
written() {
	export VARVE_REPOSITORY=$1
	store_place=$2
	suite_trees
	suite_init
	suite_doom
	suite_sync
	suite_backup
	suite_look
	suite_mount
	suite_offline
	suite_restore
	suite_check
	suite_pin
	suite_hidden
	suite_sweep
}

# read_only URL: what written() has left.
read_only() {
	local VARVE_REPOSITORY=$1

	suite_forget_caches
	suite_look
	suite_mount
	suite_offline
	suite_restore
	suite_check
	suite_pin
	suite_hidden
	expect_status 1 "$VARVE" backup "$suite_src"
	expect_match '[Rr]ead-only' "$WORK/err"
	ok "read-only over ${1%%:*}"
}

webdav_and_static() {
	start_service "$1"
	export VARVE_CA_FILE=$SERVER_CA_FILE VARVE_WEBDAV_PASSWORD=$DAV_PASSWORD
	store_objects=$SERVER_ROOT
	written "$DAV_URL/repo" "$SERVER_ROOT/repo"
	read_only "$STATIC_URL/repo"
	suite_keys
	suite_damage
	expect_status 1 env VARVE_WEBDAV_PASSWORD=wrong-one "$VARVE" -r "$DAV_URL/other" snapshots
	expect_match '401|[Dd]enied' "$WORK/err"
	expect_status 1 "$VARVE" -r "$DAV_URL/no/such/collection" init
	expect_match 'make collection' "$WORK/err"
	ok "a wrong password, a missing collection"
}

case $ONE in
apache | lighttpd)
	webdav_and_static "$ONE"
	;;
rclone-webdav)
	webdav_and_static rclone
	;;
rclone-sftp)
	start_service rclone
	export VARVE_SFTP_PASSWORD=$SFTP_PASSWORD VARVE_KNOWN_HOSTS=$SFTP_KNOWN_HOSTS
	store_objects=$SERVER_ROOT
	written "$SFTP_URL/repo" "$SERVER_ROOT/repo"
	suite_keys
	suite_damage
	;;
rclone-s3)
	start_service rclone
	[ -n "$SERVER_S3" ] || skip "this rclone has no \"serve s3\""
	export AWS_ACCESS_KEY_ID=AKEXAMPLE AWS_SECRET_ACCESS_KEY=secretKey1
	store_objects=$SERVER_ROOT
	written "s3://bucket/repo?endpoint=http://127.0.0.1:$SERVER_S3&region=us-east-1" ''
	suite_keys
	suite_damage
	;;
python)
	need python3
	mkdir "$WORK/files"
	written "$WORK/files/repo" "$WORK/files/repo"
	mkfifo "$WORK/port"
	python3 - "$WORK/files" >"$WORK/port" 2>/dev/null <<'P' &
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
http.server.SimpleHTTPRequestHandler.protocol_version = "HTTP/1.1"
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_port, flush=True)
server.serve_forever()
P
	at_exit kill $!
	read -r port <"$WORK/port"
	read_only "http://127.0.0.1:$port/repo"
	;;
*)
	die "no such server: $ONE"
	;;
esac
