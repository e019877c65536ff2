#!/usr/bin/env bash
# Packs in an archive class: browsing, finding and backing up do not touch them; who reads one is told, once; restore --thaw
# asks for what it needs and waits.  Azurite has such a tier; what S3 would answer is played by the proxy, as AWS documents it.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need_fuse
src=$WORK/src
mnt=$WORK/mnt
mkdir -p "$src/dir" "$mnt"
for i in 1 2 3 4; do head -c 60000 /dev/urandom >"$src/dir/$i"; done
(umask 077 && head -c 64 /dev/urandom >"$WORK/key")
export VARVE_KEY_FILE=$WORK/key

# cold_store: a repository, and what must go on when its packs are archived, or are from the first moment.
cold_store() {
	expect_status 0 "$VARVE" init
	(cd "$src" && expect_status 0 "$VARVE" backup .)
	"$@"
	rm -rf "$VARVE_CACHE_DIR"
	expect_status 0 "$VARVE" find 3
	expect_match ' dir/3$' "$WORK/out"
	(cd "$src" && expect_status 0 "$VARVE" backup --json .)
	expect_match '"data_added":0,' "$WORK/out"
	expect_status 0 "$VARVE" check
	ok "browsed, backed up and checked"
}

# cold_read TEXT: what is read gives an error, and one line a pack says why.
cold_read() {
	local i mounting

	rm -rf "$VARVE_CACHE_DIR"
	scenario_mounts+=("$mnt")
	"$VARVE" mount -f "$mnt" >"$WORK/log" 2>&1 &
	mounting=$!
	for ((i = 0; i < 200; i++)); do
		! mountpoint -q "$mnt" || break
		sleep 0.1
	done
	expect_equal "files" "$(ls "$mnt/latest/dir" | wc -l)" 4
	for i in 1 2 3 4 1; do
		expect_status 1 cat "$mnt/latest/dir/$i"
		expect_match 'Input/output error' "$WORK/err"
	done
	umount_varve "$mnt"
	wait $mounting || true
	expect_equal "lines that say why" "$(grep -cE "/packs/.*$1" "$WORK/log")" 1
	expect_status 1 "$VARVE" restore latest --target "$WORK/restored"
	expect_match "/packs/.*$1" "$WORK/err"
	rm -rf "$WORK/restored"
	ok "an I/O error, and one line"
}

# --- Azure --------------------------------------------------------------------------------------------------------------
start_service azurite
export AZURE_STORAGE_ACCOUNT=$AZURE_ACCOUNT AZURE_STORAGE_KEY=$AZURE_KEY
export VARVE_REPOSITORY="azure://varve/cold?endpoint=$AZURE_ENDPOINT&tier=archive"
cold_store true
cold_read 'it is in the archive tier: it must be rehydrated first \(restore --thaw'
expect_status 0 "$VARVE" restore --thaw latest --target "$WORK/restored"
expect_match 'waiting for 1 of 1 packs to be thawed' "$WORK/err"
diff -r "$src" "$WORK/restored"
rm -rf "$WORK/restored"
ok "thawed, on Azurite"

# --- S3 -----------------------------------------------------------------------------------------------------------------
start_service s3rver
start_proxy s3 "$S3_PORT" --http --sigv4 AKEXAMPLE:secret/Key+1
export AWS_ACCESS_KEY_ID=AKEXAMPLE AWS_SECRET_ACCESS_KEY=secret/Key+1
export VARVE_REPOSITORY="s3://varve/cold?endpoint=http://127.0.0.1:$proxy_port&region=us-east-1&storage-class=DEEP_ARCHIVE"
archived() {
	proxy s3 rule status=403 code=InvalidObjectState method=GET path=/packs/
	proxy s3 rule status=202 method=POST path=restore=
}
cold_store archived
cold_read 'is in an archive class and must be restored first'
"$VARVE" restore --thaw=3 latest --target "$WORK/restored" >"$WORK/out" 2>"$WORK/err" &
restoring=$!
for ((i = 0; i < 100; i++)); do
	! grep -q 'waiting for 1 of 1 packs to be thawed' "$WORK/err" || break
	sleep 0.1
done
expect_match 'waiting for 1 of 1 packs to be thawed' "$WORK/err"
expect_equal "requests to restore it" "$(proxy_count s3 requests.POST)" 1
[ ! -e "$WORK/restored/dir/1" ] || die "restored before it was thawed"
proxy s3 clear
proxy s3 rule 'header=x-amz-restore:ongoing-request="false"' method=HEAD path=/packs/
wait $restoring || die "the restore failed: $(cat "$WORK/err")"
diff -r "$src" "$WORK/restored"
ok "thawed, on S3"
