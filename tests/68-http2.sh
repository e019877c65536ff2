#!/usr/bin/env bash
# HTTP/2 where it is offered: nginx' log tells the version and the connection of each request.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need python3
start_service webdav
mkdir "$WEBDAV_ROOT/some"
dav=webdav+https://$WEBDAV_USER@localhost:$WEBDAV_TLS_PORT/some/repo
static=https://localhost:$WEBDAV_STATIC_PORT/some/repo
export VARVE_WEBDAV_PASSWORD=$WEBDAV_PASSWORD VARVE_CA_FILE=$WEBDAV_CA_FILE VARVE_KEY_FILE=$WORK/key
(umask 077 && head -c 64 /dev/urandom >"$WORK/key")
python3 - "$WORK/src" <<'P'
import os, random, sys
top, r = sys.argv[1], random.Random(68)
for d in range(8):
    os.makedirs(f"{top}/{d}")
    for f in range(30):
        with open(f"{top}/{d}/{f}", "wb") as out:
            out.write(r.randbytes(r.randrange(100000)))
P
cd "$WORK/src"

# Lines of the log: version, connection, method, status.
mark() {
	wc -l <"$WEBDAV_LOG" >"$WORK/mark"
	rm -rf "$VARVE_CACHE_DIR"
}
since() {
	tail -n "+$(($(cat "$WORK/mark") + 1))" "$WEBDAV_LOG"
}

# only VERSION: all requests since mark were of that version.
only() {
	since | awk -v version="$1" '$1 != version' >"$WORK/others"
	[ "$(since | wc -l)" -gt 0 ] || die "nothing was asked"
	[ ! -s "$WORK/others" ] || die "not by $1: $(head -n 3 "$WORK/others")"
}

# connections [STATUS]: how many were used since mark.  ranges: how many were asked for.
connections() {
	since | cut -d ' ' -f 2 | sort -u | wc -l
}
ranges() {
	since | awk '$4 == 206' | wc -l
}

mark
expect_status 0 "$VARVE" -r "$dav" init --pack-size 1M
only HTTP/2.0
mark
expect_status 0 "$VARVE" -r "$dav" backup .
only HTTP/2.0
expect_equal "connections of a backup" "$(connections)" 1
expect_match '^HTTP/2.0 [0-9]+ MOVE 204$' "$WEBDAV_LOG"
ok "a backup, $(since | wc -l) requests on one connection"

for url in "$dav" "$static"; do
	mark
	expect_status 0 "$VARVE" -r "$url" restore latest --target "$WORK/got"
	diff -r "$WORK/src" "$WORK/got"
	rm -rf "$WORK/got"
	only HTTP/2.0
	expect_equal "connections of a restore" "$(connections)" 1
	[ "$(ranges)" -ge 12 ] || die "$(ranges) ranges of 12 MB"
	ok "a restore, $(ranges) ranges on one connection"
done

if { : <>/dev/fuse; } 2>/dev/null; then
	mark
	mount_varve "$WORK/mnt" -r "$static"
	# Eight readers at a time.
	for d in 0 1 2 3 4 5 6 7; do
		diff -r "$WORK/src/$d" "$WORK/mnt/latest/$d" >"$WORK/diff.$d" 2>&1 &
	done
	for d in 0 1 2 3 4 5 6 7; do wait -n; done
	umount_varve "$WORK/mnt"
	only HTTP/2.0
	# The command looks, and the mount.
	[ "$(connections)" -le 2 ] || die "$(connections) connections of a mount"
	[ "$(ranges)" -ge 12 ] || die "$(ranges) ranges of 12 MB"
	ok "a mount, $(ranges) ranges on $(connections) connections"
fi

# One that is held back would hold up all others: with a rate each has a connection.
mark
expect_status 0 "$VARVE" -r "$static" --limit-download 100M restore latest --target "$WORK/got"
only HTTP/1.1
[ "$(connections)" -lt "$(since | wc -l)" ] || die "a connection for each of $(since | wc -l) requests"
ok "HTTP/1.1 with a rate, $(since | wc -l) requests on $(connections) connections"
