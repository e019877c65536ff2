#!/usr/bin/env bash
# By way of proxies, as curl's users expect: tinyproxy, which takes whoever comes, or those with a password, or leads to one
# port only.  What went through it stands in its log.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need ssh-keygen
need_service tinyproxy webdav sftp
start_service webdav
start_service sftp
start_service tinyproxy "$WORK/open"
# shellcheck disable=SC2153 # tinyproxy.sh sets it
open=http://127.0.0.1:$PROXY_PORT
export TINYPROXY_USER=quentin TINYPROXY_PASSWORD=4711geheim
start_service tinyproxy "$WORK/closed"
closed=127.0.0.1:$PROXY_PORT
unset TINYPROXY_USER
TINYPROXY_CONNECT=443 start_service tinyproxy "$WORK/narrow"
narrow=http://127.0.0.1:$PROXY_PORT
dead=http://quentin:4711geheim@127.0.0.1:1

mkdir "$WEBDAV_ROOT/some"
url=webdav+https://$WEBDAV_USER@localhost:$WEBDAV_TLS_PORT/some/repo
# Linux takes it for this machine, and we for a far one.
plain="webdav+http://$WEBDAV_USER@0.0.0.0:$WEBDAV_PORT/some/repo?insecure=yes"
near=webdav+http://$WEBDAV_USER@127.0.0.1:$WEBDAV_PORT/some/repo
export VARVE_REPOSITORY=$url VARVE_WEBDAV_PASSWORD=$WEBDAV_PASSWORD VARVE_CA_FILE=$WEBDAV_CA_FILE VARVE_KEY_FILE=$WORK/key
(umask 077 && head -c 64 /dev/urandom >"$WORK/key")
mkdir -p "$WORK/src/d"
head -c 5000000 /dev/urandom >"$WORK/src/large"
seq 20000 >"$WORK/src/d/lines"
cd "$WORK/src"

# asked NAME: how many requests that proxy has had since this was asked last; they are left in $WORK/asked.
declare -A lines
asked() {
	sed -n 's/.*Request (file descriptor [0-9]*): //p' "$WORK/$1/requests" | tail -n "+$((${lines[$1]:-0} + 1))" >"$WORK/asked"
	lines[$1]=$((${lines[$1]:-0} + $(wc -l <"$WORK/asked")))
	n=$(wc -l <"$WORK/asked")
}

# by NAME TARGET COMMAND...: it succeeds, and all that the proxy is asked for has TARGET.
by() {
	local name=$1 target=$2

	shift 2
	rm -rf "$VARVE_CACHE_DIR"
	expect_status 0 env "$@"
	asked "$name"
	[ "$n" -gt 0 ] || die "not by the proxy: $*"
	[ "$(grep -cF -- "$target" "$WORK/asked")" -eq "$n" ] || die "by the proxy: $(cat "$WORK/asked")"
}

# not_by NAME COMMAND...: it succeeds without that proxy.
not_by() {
	local name=$1

	shift
	rm -rf "$VARVE_CACHE_DIR"
	expect_status 0 env "$@"
	asked "$name"
	expect_equal "requests by the proxy for $*" "$n" 0
}

# refused TEXT COMMAND...: it fails, says so, and says nothing of the proxy's URL.
refused() {
	local text=$1

	shift
	rm -rf "$VARVE_CACHE_DIR"
	expect_status 1 env "$@"
	expect_match "$text" "$WORK/err"
	expect_no_match "\b4711\b|geheim|quentin|$WEBDAV_PASSWORD" "$WORK/err"
}

# --- TLS goes through it as it is ---------------------------------------------------------------------------------------
target="CONNECT localhost:$WEBDAV_TLS_PORT "
by open "$target" https_proxy="$open" "$VARVE" init
by open "$target" HTTPS_PROXY="$open" "$VARVE" backup .
by open "$target" all_proxy="$open" "$VARVE" restore latest --target "$WORK/got"
diff -r "$WORK/src" "$WORK/got"
expect_equal "tunnels of a restore" "$n" 1
by open "$target" ALL_PROXY="$open" "$VARVE" check --read-data
by open "$target" https_proxy="${open#http://}" all_proxy="$dead" "$VARVE" snapshots
expect_no_match '^HTTP/1' "$WEBDAV_LOG"
rm -rf "$WORK/got"
ok "https, with HTTP/2 in it; which variables say so"

not_by open https_proxy="$open" no_proxy=localhost "$VARVE" snapshots
not_by open https_proxy="$open" NO_PROXY=example.org,localhost "$VARVE" snapshots
not_by open https_proxy="$open" no_proxy='*' "$VARVE" snapshots
not_by open http_proxy="$open" "$VARVE" snapshots
by open "$target" https_proxy="$open" no_proxy=.example.org,host "$VARVE" snapshots
ok "no_proxy"

# --- Without TLS it sees everything -------------------------------------------------------------------------------------
target=" http://0.0.0.0:$WEBDAV_PORT/some/repo"
by open "$target" http_proxy="$open" "$VARVE" -r "$plain" backup .
expect_match '^PUT http' "$WORK/asked"
echo more >"$WORK/src/more"
by open "$target" all_proxy="$open" "$VARVE" -r "$plain" backup .
by open "$target" http_proxy="$open" "$VARVE" -r "$plain" restore latest --target "$WORK/got"
diff -r "$WORK/src" "$WORK/got"
rm -rf "$WORK/got"
# Anybody could have it set for a program that a web server starts (httpoxy).
not_by open HTTP_PROXY="$open" "$VARVE" -r "$plain" snapshots
not_by open http_proxy="$open" no_proxy=0.0.0.0 "$VARVE" -r "$plain" snapshots
# What may be sent without TLS because nobody can listen to it is not sent to where somebody could.
not_by open http_proxy="$open" all_proxy="$open" "$VARVE" -r "$near" snapshots
ok "http"

# --- A mount, which is confined -----------------------------------------------------------------------------------------
if { : <>/dev/fuse; } 2>/dev/null; then
	rm -rf "$VARVE_CACHE_DIR"
	export https_proxy=$open
	mount_varve "$WORK/mnt"
	diff -r "$WORK/src" "$WORK/mnt/latest/"
	umount_varve "$WORK/mnt"
	unset https_proxy
	asked open
	expect_match "^CONNECT localhost:$WEBDAV_TLS_PORT " "$WORK/asked"
	ok "a mount"
fi

# --- SFTP ---------------------------------------------------------------------------------------------------------------
export VARVE_SSH_KEY=$SFTP_KEY VARVE_KNOWN_HOSTS=$SFTP_KNOWN_HOSTS
sftp=sftp://$SFTP_USER@$SFTP_HOST:$SFTP_PORT$SFTP_ROOT/repo
target="CONNECT $SFTP_HOST:$SFTP_PORT "
by open "$target" all_proxy="$open" "$VARVE" -r "$sftp" init
by open "$target" all_proxy="$open" "$VARVE" -r "$sftp" backup .
by open "$target" ALL_PROXY="$open" "$VARVE" -r "$sftp" restore latest --target "$WORK/got"
diff -r "$WORK/src" "$WORK/got"
not_by open https_proxy="$open" "$VARVE" -r "$sftp" snapshots
ok "sftp"

# --- With a password ----------------------------------------------------------------------------------------------------
with=http://quentin:4711%67eheim@$closed
by closed "CONNECT localhost:" https_proxy="$with" "$VARVE" snapshots
by closed "http://0.0.0.0:" http_proxy="$with" "$VARVE" -r "$plain" snapshots
by closed "CONNECT $SFTP_HOST:" all_proxy="$with" "$VARVE" -r "$sftp" snapshots
# At once, although it would be tried again for five minutes if it could help.
start=$SECONDS
for without in "http://$closed" "http://quentin:4711geheimer@$closed" "http://quentin4711:geheim@$closed"; do
	refused 'config: get: the proxy wants credentials, or others than it was given \(it answered 40[17]\)$' \
		https_proxy="$without" "$VARVE" snapshots
	refused 'config: get: the server answered (407, the proxy wants|401, no or wrong) credentials$' \
		http_proxy="$without" "$VARVE" -r "$plain" snapshots
	refused 'config: .*the proxy wants credentials, or others than it was given' all_proxy="$without" \
		"$VARVE" -r "$sftp" snapshots
done
ok "a password, and none or another"

# --- What cannot be used ------------------------------------------------------------------------------------------------
refused 'config: get: the proxy refuses to connect to this server \(it answered 403\)$' https_proxy="$narrow" "$VARVE" snapshots
# With these curl takes the password for a port, and who logs in for the host.
for wrong in "http://127.0.0.1:4711/geheim@$closed" "127.0.0.1:4711#geheim@$closed" "http://quentin:4711/geheim@$closed" \
	"http://quentin:geheim/4711@$closed" "teapot://quentin:geheim@$closed"; do
	refused "config: get: .* in the environment,? is malformed" https_proxy="$wrong" "$VARVE" snapshots
done
[ $((SECONDS - start)) -lt 120 ] || die "what cannot pass was tried for long"
ok "refused, malformed"

refused 'config: .*cannot connect to the proxy: Connection refused.*\(tried [0-9]+ times in ' https_proxy="$dead" \
	"$VARVE" --deadline 2 snapshots
refused 'cannot connect to the proxy: Connection refused' http_proxy="$dead" "$VARVE" -r "$plain" --deadline 2 snapshots
refused 'cannot connect to the proxy: Connection refused' all_proxy="$dead" "$VARVE" -r "$sftp" --deadline 2 snapshots
refused 'the name of the proxy cannot be resolved' https_proxy=http://quentin:4711geheim@no-such-host.invalid:1 \
	"$VARVE" --deadline 2 snapshots
# The proxy is there, the server is not.
stop_service webdav
refused 'CONNECT tunnel failed|the server answered 5' https_proxy="$open" "$VARVE" --deadline 2 snapshots
refused 'the server answered 5' http_proxy="$open" "$VARVE" -r "$plain" --deadline 2 snapshots
ok "down, unknown, and nothing behind it"
