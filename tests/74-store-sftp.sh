#!/usr/bin/env bash
# What must work over every store, over SFTP: OpenSSH, with a key.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

start_service sftp
store_objects=$SFTP_ROOT
store_place=$SFTP_ROOT/repo
# shellcheck source=tests/lib/store_suite.sh
. "$(dirname "$0")/lib/store_suite.sh"

# Where ssh would look.
mkdir -m 700 "$HOME/.ssh"
install -m 600 "$SFTP_KEY" "$HOME/.ssh/id_ed25519"
install -m 644 "$SFTP_KEY.pub" "$HOME/.ssh/id_ed25519.pub"
cp "$SFTP_KNOWN_HOSTS" "$HOME/.ssh/known_hosts"
url=sftp://$SFTP_USER@$SFTP_HOST:$SFTP_PORT$SFTP_ROOT/repo
export VARVE_REPOSITORY=$url
store_suite

# --- A line on which curl's buffer takes longer to go out than nothing may move ------------------------------------------
start_proxy slow "$SFTP_PORT"
echo "[127.0.0.1]:$proxy_port $(head -n 1 "$SFTP_KNOWN_HOSTS" | cut -d ' ' -f 2-)" >>"$HOME/.ssh/known_hosts"
head -c 3000000 /dev/urandom >"$WORK/slow-file"
proxy slow set rate=2M
expect_status 0 "$VARVE" -r "${url/$SFTP_PORT/$proxy_port}" --deadline 12 backup "$WORK/slow-file"
proxy slow set rate=0
ok "an upload over a slow line"

# --- Who may do what ----------------------------------------------------------------------------------------------------
suite_forget_caches
reading=${url/$SFTP_PORT/$SFTP_READER_PORT} adding=${url/$SFTP_PORT/$SFTP_ADDER_PORT}
expect_status 0 "$VARVE" -r "$reading" check
expect_status 0 "$VARVE" -r "$reading" dump "latest:$WORK/slow-file"
cmp "$WORK/out" "$WORK/slow-file"
expect_status 1 "$VARVE" -r "$reading" backup "$WORK/slow-file"
expect_match '[Dd]enied|no permission|not allowed' "$WORK/err"
expect_status 0 "$VARVE" -r "$adding" backup "$WORK/key"
expect_status 1 "$VARVE" -r "$adding" forget latest
expect_match 'does not let us delete: 1 of 1' "$WORK/err"
expect_status 0 "$VARVE" -r "$reading" dump "latest:$WORK/key"
cmp "$WORK/out" "$WORK/key"
ok "a reader, and one who may not delete"

# --- Who it is, on both sides -------------------------------------------------------------------------------------------
suite_forget_caches
cp "$SFTP_WRONG_KNOWN_HOSTS" "$HOME/.ssh/known_hosts"
expect_status 1 "$VARVE" snapshots
expect_match "the host's key is not the one in" "$WORK/err"
rm "$HOME/.ssh/known_hosts"
expect_status 1 "$VARVE" snapshots
expect_match 'known_hosts|[Hh]ost key' "$WORK/err"
cp "$SFTP_KNOWN_HOSTS" "$HOME/.ssh/known_hosts"
install -m 600 "$SFTP_WRONG_KEY" "$HOME/.ssh/id_ed25519"
install -m 644 "$SFTP_WRONG_KEY.pub" "$HOME/.ssh/id_ed25519.pub"
expect_status 1 "$VARVE" snapshots
expect_match '[Dd]enied|[Aa]uthentication' "$WORK/err"
ok "a wrong host key, an unknown host, a wrong key"
