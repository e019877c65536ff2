#!/usr/bin/env bash
# The network is gone for a minute, without a word, while a backup, a sync, a check and two copies out of mounts are at work.
# Deadlines are the default ones (30 s in a mount, 300 s for commands), but for the second mount's.
#
#   BUILD=build tests/long/gone.sh
#
# Its directory is below ${TMPDIR:-/var/tmp}.  Takes about two minutes.
set -euo pipefail
# shellcheck source=tests/lib/long.sh
. "$(dirname "$0")/../lib/long.sh"
long_begin gone
# shellcheck source=tests/lib/services.sh
. "$top/tests/lib/services.sh"

need python3
need_fuse
start_service s3rver
start_proxy net "$S3_PORT" --http --sigv4 AKEXAMPLE:secret/Key+1
export AWS_ACCESS_KEY_ID=AKEXAMPLE AWS_SECRET_ACCESS_KEY=secret/Key+1 AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
(umask 077 && head -c 64 /dev/urandom >"$WORK/key")
export VARVE_REPOSITORY="s3://varve/repo?endpoint=http://127.0.0.1:$proxy_port" VARVE_KEY_FILE=$WORK/key

src=$WORK/src
new=$WORK/new
mkdir "$src" "$new"
for i in $(seq 60); do head -c 500000 /dev/urandom >"$src/$i"; done
head -c 30000000 /dev/urandom >"$new/large"

# begin NAME COMMAND...: in the background, with its messages in NAME.err.
pids=()
declare -A pid_of
begin() {
	local name=$1

	shift
	"$@" >"$WORK/$name.out" 2>"$WORK/$name.err" &
	pid_of[$name]=$!
	pids+=($!)
}

# end NAME STATUS: it ends with that status.
end() {
	local status=0

	wait "${pid_of[$1]}" || status=$?
	[ $status -eq "$2" ] || die "$1: exit status $status: $(cat "$WORK/$1.err")"
	expect_no_match 'No such file|not a varve repository|missing' "$WORK/$1.err"
}

running() {
	kill -0 "${pid_of[$1]}" 2>/dev/null
}

# Each as a machine of its own, so that nobody reads what another has fetched.
machine() {
	local name=$1

	shift
	env VARVE_CACHE_DIR="$WORK/cache.$name" "$@"
}

expect_status 0 "$VARVE" init --pack-size 2M
(cd "$src" && expect_status 0 "$VARVE" backup --tag old .)

for name in plain patient; do mkdir "$WORK/$name" "$WORK/out.$name"; done
scenario_mounts+=("$WORK/plain" "$WORK/patient")
machine plain "$VARVE" mount -o nopush,refresh=5 "$WORK/plain"
machine patient "$VARVE" mount -o nopush,deadline=120 "$WORK/patient"
shown=$(ls "$WORK/plain/snapshots")
# Not by "latest", which the backup is to change.
plain=$(cd "$WORK/plain/latest" && pwd -P)
patient=$(cd "$WORK/patient/latest" && pwd -P)
ls -l "$plain" >"$WORK/listed"

proxy net set rate=48M
begin backup machine backup "$VARVE" backup --tag new "$new"
begin sync machine sync "$VARVE" sync "$WORK/copy"
begin check machine check "$VARVE" check --read-data
begin plain cp -a "$plain/." "$WORK/out.plain/"
begin patient cp -a "$patient/." "$WORK/out.patient/"
sleep 3
for name in "${!pid_of[@]}"; do running "$name" || die "$name has ended, too early to tell"; done
gone=$SECONDS
proxy net set gone=1
ok "gone, with all five under way"

# The mount gives errors after its deadline, and then at once; what it has listed it lists.
end plain 1
took=$((SECONDS - gone))
[ $took -ge 20 ] && [ $took -le 50 ] || die "the copy out of the mount took $took s to fail"
expect_match 'Input/output error|Connection timed out' "$WORK/plain.err"
expect_equal "snapshots" "$(ls "$WORK/plain/snapshots")" "$shown"
ls -l "$plain" | cmp - "$WORK/listed"
start=$SECONDS
for i in 57 58 59; do
	expect_status 1 cat "$plain/$i"
	expect_no_match 'No such file' "$WORK/err"
done
[ $((SECONDS - start)) -le 20 ] || die "$((SECONDS - start)) s for three reads of a store that is known to be away"
ok "the mount's reads fail after $took s, and then in $((SECONDS - start)) s for three"

sleep $((60 - (SECONDS - gone)))
for name in backup sync check patient; do running "$name" || die "$name has given up: $(cat "$WORK/$name.err")"; done
proxy net set gone=0
ok "back after $((SECONDS - gone)) s"

for name in backup sync check patient; do end "$name" 0; done
diff -r "$src" "$WORK/out.patient"
ok "backup, sync, check and the patient mount have gone on, $((SECONDS - gone)) s after the network went"
rm -rf "$WORK/out.plain"
mkdir "$WORK/out.plain"
for ((i = 0; ; i++)); do
	if cmp "$src/57" "$plain/57" 2>/dev/null; then break; fi
	[ $i -lt 60 ] || die "the mount does not come back"
	sleep 0.5
done
cp -a "$plain/." "$WORK/out.plain/"
diff -r "$src" "$WORK/out.plain"
ok "the mount is back"

proxy net set rate=0
expect_status 0 "$VARVE" sync "$WORK/copy"
expect_status 0 "$VARVE" check --read-data
expect_status 0 "$VARVE" check -r "$WORK/copy" --read-data
expect_status 0 "$VARVE" restore --tag new latest --target "$WORK/restored"
cmp "$new/large" "$(find "$WORK/restored" -name large)"
umount_varve "$WORK/plain"
umount_varve "$WORK/patient"
ok "all is there, $SECONDS s in all"
