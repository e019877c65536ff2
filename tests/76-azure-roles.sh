#!/usr/bin/env bash
# Who may do what on Azure: the letters that docs/stores.md gives each role in a shared access signature, which Azurite judges.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need python3 curl
start_service azurite
export VARVE_REPOSITORY="azure://varve/some/repo?endpoint=$AZURE_ENDPOINT" AZURE_STORAGE_ACCOUNT=$AZURE_ACCOUNT
export VARVE_KEY_FILE=$WORK/key
src=$WORK/src
mkdir "$src"
(umask 077 && head -c 64 /dev/urandom >"$WORK/key")
head -c 4000000 /dev/urandom >"$src/goes"
head -c 300000 /dev/urandom >"$src/stays"
cd "$src"

# signature LETTERS [EXPIRY]: of the container.
# https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas, version 2018-11-09 and later
signature() {
	python3 - "$AZURE_ACCOUNT" "$AZURE_KEY" varve "$1" "${2:-2099-01-01T00:00:00Z}" <<'P'
import base64, hashlib, hmac, sys, urllib.parse
account, key, container, letters, expiry = sys.argv[1:]
version = "2019-12-12"
text = "\n".join([letters, "", expiry, f"/blob/{account}/{container}", "", "", "", version, "c", "", "", "", "", "", ""])
mac = base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)).decode()
print(urllib.parse.urlencode({"sv": version, "sr": "c", "sp": letters, "se": expiry, "sig": mac}))
P
}

writer=$(signature rcl) reader=$(signature rl) pruner=$(signature rdcl)

# as SIGNATURE ARGUMENT...: varve with it, on a machine of its own.
as() {
	AZURE_STORAGE_SAS_TOKEN=$1 VARVE_CACHE_DIR=$WORK/cache-${1//[^a-zA-Z]/} "$VARVE" "${@:2}"
}

# denied TEXT COMMAND...: it is refused, told so, and no signature is in what is told.
denied() {
	expect_status 1 "${@:2}"
	expect_match "$1" "$WORK/err"
	expect_no_match 'sig=' "$WORK/err"
}

# --- A writer -----------------------------------------------------------------------------------------------------------
expect_status 0 as "$writer" init --pack-size 1M --grace 8s
expect_status 0 as "$writer" backup .
rm goes
expect_status 0 as "$writer" backup .
denied 'does not let us delete: 1 of 1' as "$writer" forget latest~1
blob=$(as "$reader" snapshots --json | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' | head -n 1)
for letters in rcl rl; do
	expect_equal "overwriting with $letters" "$(curl -sS -o "$WORK/answer" -w '%{http_code}' -X PUT --data-binary x \
		-H 'x-ms-blob-type: BlockBlob' "$AZURE_ENDPOINT/varve/some/repo/snapshots/$blob?$(signature $letters)")" 403
done
ok "rcl adds, and neither deletes nor overwrites"

# --- A reader -----------------------------------------------------------------------------------------------------------
expect_status 0 as "$reader" restore latest --target "$WORK/restored"
diff -r "$src" "$WORK/restored"
expect_status 0 as "$reader" check --read-data
echo something >extra
denied 'no permission to put' as "$reader" backup .
rm extra
denied 'no permission to put' as "$reader" key add --role reader --new-key-file "$WORK/key"
ok "rl reads, and changes nothing"

# --- A pruner -----------------------------------------------------------------------------------------------------------
expect_status 0 as "$pruner" forget latest~1
expect_status 0 as "$pruner" prune --max-unused unlimited --json
expect_match '"doomed_packs":[1-9]' "$WORK/out"
# Who may not delete is told so when it is time, and nothing else suffers.
for ((i = 0; i < 20; i++)); do
	as "$writer" prune --max-unused unlimited >"$WORK/out" 2>"$WORK/err" || break
	sleep 1
done
denied 'the store does not let us delete: what is not needed stays' as "$writer" prune --max-unused unlimited
expect_status 0 as "$reader" check --read-data
for ((i = 0; i < 20; i++)); do
	expect_status 0 as "$pruner" prune --max-unused unlimited
	! grep -Eq '^deleted: [1-9]' "$WORK/out" || break
	sleep 1
done
expect_match '^deleted: [1-9]' "$WORK/out"
expect_status 0 as "$reader" check --read-data
ok "rdcl prunes"

# --- One that has ended -------------------------------------------------------------------------------------------------
denied 'the credentials are wrong or have ended|signature has ended' as "$(signature rl 2020-01-01T00:00:00Z)" snapshots
ok "a signature that has ended"
