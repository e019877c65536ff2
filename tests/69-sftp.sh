#!/usr/bin/env bash
# SFTP: who logs in with what (agent, key files), who the server is, and how an object is replaced where no rename replaces.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"
# shellcheck source=tests/lib/damage.sh
. "$(dirname "$0")/lib/damage.sh"

need ssh-agent ssh-add ssh-keygen python3
need_service sftp
export SFTP_TAP=1
start_service sftp
url=sftp://$SFTP_USER@$SFTP_HOST:$SFTP_PORT$SFTP_ROOT/repo
export VARVE_REPOSITORY=$url VARVE_KEY_FILE=$WORK/key
(umask 077 && head -c 64 /dev/urandom >"$WORK/key")
ssh=$HOME/.ssh
mkdir -m 700 "$ssh"
cp "$SFTP_KNOWN_HOSTS" "$ssh/known_hosts"
mkdir "$WORK/src"
head -c 3000000 /dev/urandom >"$WORK/src/large"
seq 10000 >"$WORK/src/lines"
cd "$WORK/src"

# refused TEXT COMMAND...: it fails and says so, at once: it would be tried for five minutes if that could help.
refused() {
	local text=$1 start=$SECONDS

	shift
	expect_status 1 "$@"
	expect_match "$text" "$WORK/err"
	[ $((SECONDS - start)) -lt 60 ] || die "it was tried for $((SECONDS - start)) s: $*"
}

# --- The agent ----------------------------------------------------------------------------------------------------------
ssh-agent -D -a "$WORK/agent" >/dev/null &
at_exit kill $!
for _ in $(seq 100); do
	[ ! -S "$WORK/agent" ] || break
	sleep 0.05
done
denied="config: get: login of $SFTP_USER denied, with the agent's keys and those in ~/.ssh"
refused "$denied" "$VARVE" snapshots
export SSH_AUTH_SOCK=$WORK/agent
refused "$denied" "$VARVE" snapshots
ssh-add -q "$SFTP_WRONG_KEY"
refused "$denied" "$VARVE" snapshots
ssh-add -q "$SFTP_KEY"
expect_status 0 "$VARVE" init --pack-size 1M
expect_status 0 "$VARVE" backup .
expect_status 0 "$VARVE" restore latest --target "$WORK/got"
diff -r "$WORK/src" "$WORK/got"
if { : <>/dev/fuse; } 2>/dev/null; then
	rm -rf "$VARVE_CACHE_DIR"
	mount_varve "$WORK/mnt"
	diff -r "$WORK/src" "$WORK/mnt/latest/"
	umount_varve "$WORK/mnt"
fi
ok "a key that only the agent has"

# --- Files --------------------------------------------------------------------------------------------------------------
# The one that is named, and no other, whatever the agent has.
refused "login of $SFTP_USER denied, with the key $SFTP_WRONG_KEY" "$VARVE" -r "$url?key=$SFTP_WRONG_KEY" snapshots
refused "login of $SFTP_USER denied, with the key $SFTP_WRONG_KEY" env VARVE_SSH_KEY="$SFTP_WRONG_KEY" "$VARVE" snapshots
expect_status 0 env VARVE_SSH_KEY="$SFTP_WRONG_KEY" "$VARVE" -r "$url?key=$SFTP_KEY" snapshots
refused "the key file $WORK/none: No such file or directory" "$VARVE" -r "$url?key=$WORK/none" snapshots
# In the usual place, after what the agent has.
ssh-add -q -d "$SFTP_KEY"
refused "$denied" "$VARVE" snapshots
install -m 600 "$SFTP_KEY" "$ssh/id_ed25519"
expect_status 0 "$VARVE" snapshots
# An agent that has ended.
expect_status 0 env SSH_AUTH_SOCK="$WORK/nobody" "$VARVE" snapshots
rm "$ssh/id_ed25519"
refused "$denied" env SSH_AUTH_SOCK="$WORK/nobody" "$VARVE" snapshots
export VARVE_SSH_KEY=$SFTP_KEY
unset SSH_AUTH_SOCK
expect_status 0 "$VARVE" snapshots
ok "key files"

# --- The server ---------------------------------------------------------------------------------------------------------
# Now much is cached, which is not for who cannot tell whom he asks.
cp "$SFTP_WRONG_KNOWN_HOSTS" "$ssh/known_hosts"
refused "config: get: the host's key is not the one in $ssh/known_hosts: another machine may pretend to be" "$VARVE" snapshots
refused "the host's key is not the one in" "$VARVE" backup .
sed 's/^\[127.0.0.1\]:[0-9]*/[127.0.0.1]:1/' "$SFTP_KNOWN_HOSTS" >"$ssh/known_hosts"
refused "config: get: the host's key is not in $ssh/known_hosts: another machine may pretend to be" "$VARVE" snapshots
: >"$ssh/known_hosts"
refused "the host's key is not in $ssh/known_hosts" "$VARVE" snapshots
rm "$ssh/known_hosts"
refused "cannot be verified without the file $ssh/known_hosts: make it by \"ssh-keyscan -p $SFTP_PORT $SFTP_HOST\"" \
	"$VARVE" snapshots
refused "the host's key is not the one in $SFTP_WRONG_KNOWN_HOSTS" "$VARVE" -r "$url?known_hosts=$SFTP_WRONG_KNOWN_HOSTS" \
	snapshots
expect_status 0 env VARVE_KNOWN_HOSTS="$SFTP_WRONG_KNOWN_HOSTS" "$VARVE" -r "$url?known_hosts=$SFTP_KNOWN_HOSTS" snapshots
cp "$SFTP_KNOWN_HOSTS" "$ssh/known_hosts"
ok "a wrong host key, an unknown host"

# --- An object is replaced ----------------------------------------------------------------------------------------------
tap=$SFTP_TAPPED
expect_status 0 "$VARVE" sync "$WORK/copy"
pack=$(cd "$SFTP_ROOT/repo" && find packs -type f -size +100k | sort | head -n 1)

damage() {
	flip "$SFTP_ROOT/repo/$pack" 50000
	cp "$SFTP_ROOT/repo/$pack" "$WORK/damaged"
	expect_status 5 "$VARVE" check --read-data
	: >"$tap/log"
}

mended() {
	cmp "$SFTP_ROOT/repo/$pack" "$WORK/copy/$pack"
	expect_status 0 "$VARVE" check --read-data
	expect_no_match "^remove [^ ]*/repo/packs/" "$tap/log"
}

damage
expect_status 0 "$VARVE" repair --from "$WORK/copy"
expect_match "^rename [^ ]*/$pack [^ ]*/tmp/[0-9a-f]*\.old$" "$tap/log"
mended
[ -z "$(ls -A "$SFTP_ROOT/repo/tmp")" ] || die "left in tmp/: $(ls "$SFTP_ROOT/repo/tmp")"
ok "a damaged pack is replaced"

# sftp-server ends when there is none of that name.  libssh2 waits on; we do for a third of the deadline, and put it right.
damage
echo .old >"$tap/end-after"
expect_status 0 "$VARVE" repair --deadline 30 --from "$WORK/copy"
[ ! -e "$tap/end-after" ] || die "the connection did not end"
mended
[ -z "$(ls -A "$SFTP_ROOT/repo/tmp")" ] || die "left in tmp/: $(ls "$SFTP_ROOT/repo/tmp")"
ok "a connection that ends in the midst of it"

# Killed there: both are on the server, whole.
damage
echo .old >"$tap/hang-after"
"$VARVE" repair --from "$WORK/copy" >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do
	[ ! -e "$tap/hung" ] || break
	sleep 0.05
done
[ -e "$tap/hung" ] || die "it was not replaced"
kill -9 $pid
wait $pid || true
[ ! -e "$SFTP_ROOT/repo/$pack" ] || die "$pack: not in the midst of it"
old=$(echo "$SFTP_ROOT"/repo/tmp/*.old)
cmp "$old" "$WORK/damaged"
cmp "${old%.old}" "$WORK/copy/$pack"
expect_status 5 "$VARVE" check
expect_status 0 "$VARVE" repair --from "$WORK/copy"
mended
ok "killed in the midst of it"
