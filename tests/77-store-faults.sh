#!/usr/bin/env bash
# A server and a network that misbehave: what may go away is tried again, what may not is told in words, and nobody waits
# without end.  Over S3, as all remote stores share what is tested here.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need curl python3
start_service s3rver
export AWS_ACCESS_KEY_ID=AKEXAMPLE AWS_SECRET_ACCESS_KEY=secret/Key+1 AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
start_proxy net "$S3_PORT" --http --sigv4 "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"
endpoint="endpoint=http://127.0.0.1:$proxy_port"
(umask 077 && head -c 64 /dev/urandom >"$WORK/key")
export VARVE_REPOSITORY="s3://varve/repo?$endpoint" VARVE_KEY_FILE=$WORK/key

src=$WORK/src
mkdir "$src" "$src"/{a,b,c}
for i in $(seq 60); do
	head -c $((i * 700)) /dev/urandom >"$src/a/$i"
	printf '%*s' $((i * 1000)) "$i" >"$src/b/$i"
done
head -c 5000000 /dev/urandom >"$src/c/large"

in_src() {
	(cd "$src" && "$VARVE" "$@")
}

# As a machine that has nothing of the repository.
forget() {
	rm -rf "$VARVE_CACHE_DIR"
}

expect_status 0 "$VARVE" init --pack-size 1M --chunk-avg 64K
expect_status 0 in_src backup .

# --- What goes away -----------------------------------------------------------------------------------------------------

# through RULE...: everything works although this happens again and again.
round=0
through() {
	round=$((round + 1))
	forget
	proxy net clear
	proxy net rule "$@"
	head -c 400000 /dev/urandom >"$src/c/new$round"
	expect_status 0 in_src backup .
	expect_status 0 "$VARVE" restore latest --target "$WORK/got"
	diff -r "$src" "$WORK/got" || die "restored through $*: other bytes"
	# These two tell what they find, see below.
	[ "${1%%=*}" = corrupt ] || expect_status 0 "$VARVE" check --read-data
	[ "${1%%=*}" = corrupt ] || expect_status 0 "$VARVE" sync "$WORK/copy"
	mount_varve "$WORK/mnt"
	diff -r "$src" "$WORK/mnt/latest" || die "read through $*: other bytes"
	umount_varve "$WORK/mnt"
	[ "$(proxy_count net faults)" -gt "$round" ] || die "$*: did not happen"
	rm -rf "$WORK/got"
	proxy net clear
	ok "through $*"
}

through status=503 retry_after=1 every=17
through status=500 code=InternalError every=3
through status=429 code=SlowDown every=5
through reset=1 every=6
through truncate=900 method=GET every=5
through delay=0.05 every=2
expect_status 0 "$VARVE" check --read-data -r "$WORK/copy"

# A byte of an object that was turned on its way is asked for again.  (Of a listing only TLS would notice.)
through corrupt=300 method=GET path=varve/repo/ every=7

# check asks once more for what is wrong, and tells it if it comes wrong again.  It is not what the store has: all is well after.
forget
proxy net rule corrupt=300 method=GET path=/packs/ nth=2
expect_status 0 "$VARVE" check --read-data
proxy net clear
forget
proxy net rule corrupt=300 method=GET path=/packs/
expect_status 5 "$VARVE" check --read-data
expect_match '^packs/[0-9a-f]{2}/[0-9a-f]{64}: ' "$WORK/out"
proxy net clear
expect_status 0 "$VARVE" check --read-data
ok "check through corrupt"

# sync copies nothing that is wrong, and has it the next time.
for nth in "" nth=2; do
	rm -rf "$WORK/bad"
	proxy net rule corrupt=300 method=GET path=/packs/ $nth
	expect_status 5 "$VARVE" sync "$WORK/bad"
	expect_match '^packs/[0-9a-f]{2}/[0-9a-f]{64}: damaged, not copied$' "$WORK/out"
	sed -n 's/: damaged, not copied$//p' "$WORK/out" | while read -r name; do
		[ ! -e "$WORK/bad/$name" ] || die "$name was copied, damaged"
	done
	proxy net clear
	expect_status 0 "$VARVE" sync "$WORK/bad"
	expect_status 0 "$VARVE" check --read-data -r "$WORK/bad"
done
ok "sync through corrupt"

# A server that stops in the middle of an answer costs a third of the deadline, and nothing else.
# stalled PATH COMMAND...: an answer about such does.
stalled() {
	local start=$SECONDS path=$1

	shift
	forget
	proxy net zero
	proxy net rule stall=60 method=GET "path=$path" times=1
	expect_status 0 "$@"
	[ "$(proxy_count net faults)" -ge 1 ] || die "$*: nothing stalled"
	[ $((SECONDS - start)) -lt 50 ] || die "$*: took $((SECONDS - start)) s"
	proxy net clear
	ok "stalled: $*"
}

echo new >"$src/c/stalled"
stalled varve/repo/ in_src backup --deadline 9 .
stalled packs/ "$VARVE" restore latest --target "$WORK/got" --deadline 9
diff -r "$src" "$WORK/got"
stalled packs/ "$VARVE" check --read-data --deadline 9
rm -rf "$WORK/bad"
stalled packs/ "$VARVE" sync --deadline 9 "$WORK/bad"
expect_status 0 "$VARVE" check --read-data -r "$WORK/bad"
mkdir -p "$WORK/mnt"
scenario_mounts+=("$WORK/mnt")
stalled varve/repo/ "$VARVE" mount -o deadline=9 "$WORK/mnt"
proxy net rule stall=60 method=GET path=packs/ times=1
diff -r "$src" "$WORK/mnt/latest"
proxy net clear
umount_varve "$WORK/mnt"
ok "mounted and read, stalled"

# The network goes in mid-backup, and comes back.
head -c 8000000 /dev/urandom >"$src/c/huge"
proxy net set rate=16M
in_src backup . >"$WORK/out" 2>"$WORK/err" &
pid=$!
sleep 1.5
proxy net set gone=1
sleep 4
kill -0 $pid || die "the backup has ended, too soon to tell: $(cat "$WORK/err")"
proxy net set gone=0 rate=0
wait $pid || die "the backup has not survived: $(cat "$WORK/err")"
expect_status 0 "$VARVE" check --read-data
ok "a network that was gone for a while"

# --- What stays away ----------------------------------------------------------------------------------------------------

now_ms() {
	date +%s%3N
}

# within MS COMMAND...: it takes no longer than that.
within() {
	local ms=$1 start took

	shift
	start=$(now_ms)
	"$@"
	took=$(($(now_ms) - start))
	[ "$took" -le "$ms" ] || die "$* took $took ms"
}

# A mount without its network: what was read before is there, all else is an error (not an absence) in time, then at once.
forget
mount_varve "$WORK/mnt" -o deadline=3
top=$WORK/mnt/latest
cat "$top/b/60" >/dev/null
ls "$top/a" >/dev/null
echo 3 >/proc/sys/vm/drop_caches 2>/dev/null || true
proxy net set gone=1
expect_status 1 cat "$top/c/huge"
expect_match 'Input/output error|Connection timed out' "$WORK/err"
expect_no_match 'No such file' "$WORK/err"
for i in 1 2 3 4 5; do
	within 2000 expect_status 1 cat "$top/c/large"
	expect_no_match 'No such file' "$WORK/err"
done
within 2000 cmp "$src/b/60" "$top/b/60"
expect_equal "entries of a listed directory" "$(ls "$top/a" | wc -l)" 60
expect_status 1 "$VARVE" snapshots --deadline 1
expect_no_match 'not a varve repository' "$WORK/err"
proxy net set gone=0
for ((i = 0; ; i++)); do
	cmp "$src/c/huge" "$top/c/huge" 2>/dev/null && break
	[ $i -lt 40 ] || die "it does not come back"
	sleep 0.25
done
umount_varve "$WORK/mnt"
ok "a mount without its network"

# Who waits for an answer can be killed.
forget
mount_varve "$WORK/mnt" -o deadline=120
top=$WORK/mnt/latest
ls "$top" >/dev/null
proxy net set gone=1
ls -l "$top/a" >/dev/null 2>&1 &
pid=$!
dd if="$top/c/huge" of=/dev/null bs=4096 count=1 skip=1000 2>/dev/null &
reader=$!
# A signal that is handled ends nothing; the kernel tells only of the first.
python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: None)
os.stat(sys.argv[1])' "$top/b/7" 2>/dev/null &
handler=$!
sleep 1
kill -INT $handler
sleep 1
kill -0 $pid && kill -0 $reader && kill -0 $handler
kill -9 $pid $reader $handler
within 4000 wait $pid $reader $handler || true
[ ! -d /proc/$pid ] && [ ! -d /proc/$reader ] && [ ! -d /proc/$handler ] || die "still there, though killed"
proxy net set gone=0
umount_varve "$WORK/mnt"
ok "killed while waiting"

# A mount that is ended while it still waits for the store is none when the store is back.
ended_mount() {
	local signal=$1 want=$2 got=0

	forget
	proxy net set gone=1
	"$VARVE" mount -o deadline=120 "$WORK/mnt" >/dev/null 2>&1 &
	pid=$!
	sleep 1
	kill "-$signal" $pid
	wait $pid || got=$?
	expect_equal "exit status of a mount after SIG$signal" "$got" "$want"
	for ((i = 0; i < 50; i++)); do
		pgrep -f "varvefs.*$WORK/mnt" >/dev/null || break
		sleep 0.1
	done
	[ $i -lt 50 ] || die "varvefs is still there, though its starter has ended by SIG$signal"
	proxy net set gone=0
	! mountpoint -q "$WORK/mnt" || die "mounted after all"
}
ended_mount TERM 143
ended_mount KILL 137
mount_varve "$WORK/mnt"
umount_varve "$WORK/mnt"
ok "a mount that is ended while it waits"

# --- What is wrong ------------------------------------------------------------------------------------------------------

# says STATUS TEXT COMMAND...: it fails so, and says so, and no secret.
says() {
	local status=$1 text=$2

	shift 2
	expect_status "$status" "$@"
	expect_match "$text" "$WORK/err"
	expect_no_match 'secret|Key\+1|wrong/key' "$WORK/err"
}

forget
proxy net rule status=403 code=AccessDenied method=DELETE
"$VARVE" key add --role reader --name other --new-key-file "$WORK/key" --json >"$WORK/added" 2>/dev/null || true
id=$("$VARVE" key list --json | python3 -c 'import json, sys
for line in sys.stdin:
	slot = json.loads(line)
	if slot.get("name") == "other": print(slot["id"])')
says 1 'permission to delete' "$VARVE" key remove "$id"
expect_status 0 "$VARVE" snapshots
proxy net clear
unset AWS_ACCESS_KEY_ID
says 1 'credentials' "$VARVE" snapshots
ok "no permission, no credentials"
