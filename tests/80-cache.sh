#!/usr/bin/env bash
# The cache around a remote store: what is asked for and how often, offline, pins, damage.  Requests are counted.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need_fuse
need python3 tar
start_service s3rver
start_proxy net "$S3_PORT" --http
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_EC2_METADATA_DISABLED=true
url="s3://varve/repo?endpoint=http://127.0.0.1:$proxy_port&region=us-east-1"
mnt=$WORK/mnt

# Two directories: many small files, which compress, and some larger ones, which do not.
python3 - "$WORK/src" <<'P'
import os, random, sys
top, r = sys.argv[1], random.Random(80)
for d in range(30):
    os.makedirs(f"{top}/small/{d:02}")
    for f in range(40):
        with open(f"{top}/small/{d:02}/{f:02}.c", "wb") as out:
            out.write(b"".join(b"%d %x\n" % (i, r.getrandbits(40)) for i in range(r.randrange(800))))
os.makedirs(f"{top}/large")
for f in range(6):
    with open(f"{top}/large/{f}", "wb") as out:
        out.write(r.randbytes(3 << 20))
P
export VARVE_REPOSITORY=$url VARVE_KEY_FILE=$WORK/key
(umask 077 && head -c 64 /dev/urandom >"$VARVE_KEY_FILE")
expect_status 0 "$VARVE" init
proxy net zero
(cd "$WORK/src" && expect_status 0 "$VARVE" backup .)
expect_equal "ranges that the first backup has read of what it put" "$(proxy_count net ranges)" 0
expect_equal "HEADs of the first backup" "$(proxy_count net requests.HEAD)" 0

# What the next one compares with is on this machine: it reads what may have changed, and puts its manifest.
before=$(wc -l <"$WORK/net.log")
proxy net zero
(cd "$WORK/src" && expect_status 0 "$VARVE" backup .)
objects=$(tail -n "+$((before + 1))" "$WORK/net.log" | python3 -c '
import json, sys
gets = [r["target"] for r in map(json.loads, sys.stdin) if r["method"] in ("GET", "HEAD")]
print(len({t.partition("?")[0] for t in gets if "list-type" not in t}))')
[ "$objects" -le 2 ] || die "an unchanged backup has read $objects objects"
expect_equal "what an unchanged backup puts" "$(proxy_count net requests.PUT)" 1
expect_equal "ranges of an unchanged backup" "$(proxy_count net ranges)" 0
ok "an unchanged backup reads $objects objects and puts its manifest"
stored=$(find "$S3_ROOT" -type f -path '*/packs/*' -size +1k -printf '%s\n' | awk '{ n += $1 } END { print n }')
trees=$(find "$S3_ROOT" -type f -path '*/trees/*' -size +1k -printf '%s\n' | awk '{ n += $1 } END { print n }')

# counted KEY: and begin anew.
counted() {
	proxy_count net "$1"
}

another_machine() {
	export VARVE_CACHE_DIR=$WORK/cache-$1
	proxy net zero
}

# --- First time, second time -----------------------------------------------------------------------------------------

another_machine a
mount_varve "$mnt"
ls "$mnt/latest/" >/dev/null
requests=$(counted requests)
[ "$requests" -le 10 ] || die "$requests requests until a root was listed"
[ "$(counted down_bytes)" -le 1000000 ] || die "$(counted down_bytes) bytes until a root was listed"
ok "a machine that never saw the repository lists its root with $requests requests"

[ "$(find "$mnt/latest/" | wc -l)" -eq $((1 + 2 + 30 + 30 * 40 + 6)) ] || die "find misses something"
ranges=$(counted range_bytes)
[ "$ranges" -le "$trees" ] || die "find fetched $ranges bytes of trees that have $trees"
ok "find fetched $ranges bytes; tree packs have $trees"

# The index comes with the first file; then one request for whatever is read somewhere, in another pack's place.
dd if="$mnt/latest/large/0" bs=4k skip=100 count=1 of="$WORK/4k" status=none
cmp "$WORK/4k" <(dd if="$WORK/src/large/0" bs=4k skip=100 count=1 status=none)
proxy net zero
dd if="$mnt/latest/large/3" bs=4k skip=300 count=1 of="$WORK/4k" status=none
cmp "$WORK/4k" <(dd if="$WORK/src/large/3" bs=4k skip=300 count=1 status=none)
# On a slow machine the list of snapshots is asked for again in between.
expect_equal "ranges for 4 KiB somewhere" "$(counted ranges)" 1
[ "$(counted requests)" -le 2 ] || die "4 KiB somewhere cost $(counted requests) requests"
[ "$(counted range_bytes)" -le $((300 * 1024)) ] || die "4 KiB cost $(counted range_bytes) bytes"
ok "4 KiB somewhere: one request, $(counted range_bytes) bytes"

proxy net zero
tar cf "$WORK/tar1" -C "$mnt/latest" .
ranges=$(counted range_bytes)
[ $((ranges * 100)) -le $((stored * 115)) ] || die "tar fetched $ranges bytes of $stored"
# What is read ahead comes in parts of 512 KiB to 1 MiB; the first reads of each pack are as large as what is read, and some meet
# the end of what is there.  32 to 37 were seen; there are about 90 segments.
most=$((stored / (512 * 1024) + 16))
n=$(counted ranges)
[ "$n" -le $most ] || die "tar fetched $n ranges, where $most are enough"
tar df "$WORK/tar1" -C "$WORK/src" || die "tar out of the mount differs"
ok "tar fetched $ranges bytes of $stored in $n ranges"
umount_varve "$mnt"

# What may have changed is asked for again: what there is, and the config.
before=$(wc -l <"$WORK/net.log")
proxy net zero
mount_varve "$mnt"
tar cf "$WORK/tar2" -C "$mnt/latest" .
cmp "$WORK/tar1" "$WORK/tar2"
expect_equal "ranges that were asked for again" "$(counted ranges)" 0
[ "$(counted requests)" -le 4 ] || die "$(counted requests) requests the second time"
again=$(tail -n "+$((before + 1))" "$WORK/net.log" | python3 -c '
import json, sys
targets = [r["target"] for r in map(json.loads, sys.stdin)]
print(*(t for t in targets if "list-type" not in t and not t.partition("?")[0].endswith("/config")))')
[ -z "$again" ] || die "asked for again: $again"
ok "second time: $(counted requests) requests"
umount_varve "$mnt"
expect_status 0 "$VARVE" snapshots

# --- Damage ----------------------------------------------------------------------------------------------------------

# A bit in each piece, somewhere else in each.
python3 - "$VARVE_CACHE_DIR" <<'P'
import glob, os, random, sys
r, n = random.Random(81), 0
for path in glob.glob(f"{sys.argv[1]}/sealed/*/[0-9a-f]/*"):
    with open(path, "r+b") as f:
        at = r.randrange(os.path.getsize(path))
        f.seek(at)
        byte = f.read(1)[0]
        f.seek(at)
        f.write(bytes([byte ^ 1 << r.randrange(8)]))
        n += 1
assert n > 10, n
P
mount_varve "$mnt"
tar cf "$WORK/tar2" -C "$mnt/latest" .
cmp "$WORK/tar1" "$WORK/tar2"
[ "$(counted ranges)" -gt 3 ] || die "no bit was noticed"
umount_varve "$mnt"
ok "a bit turned in each file of the cache: nothing is wrong, and what was is fetched again"

# --- Offline ---------------------------------------------------------------------------------------------------------

proxy net zero
mount_varve "$mnt" -o offline
tar cf "$WORK/tar2" -C "$mnt/latest" .
cmp "$WORK/tar1" "$WORK/tar2"
expect_equal "requests while offline" "$(counted requests)" 0
umount_varve "$mnt"
expect_status 0 "$VARVE" --offline snapshots
expect_equal "snapshots offline" "$(wc -l <"$WORK/out")" 2
expect_status 1 "$VARVE" --offline backup "$WORK/src"
expect_match 'not in the cache, and offline' "$WORK/err"
# What is cached is not what a check is of; offline is nothing to a directory.
for option in --read-data --packs --verify-signatures; do
	expect_status 2 "$VARVE" --offline check $option
	expect_match 'check: --offline: a check reads the store, and cannot work without asking it' "$WORK/err"
done
expect_status 2 "$VARVE" --offline sync "$WORK/there"
expect_match 'sync: --offline: ' "$WORK/err"
[ ! -e "$WORK/there" ] || die "something was made for a copy"
expect_status 0 "$VARVE" init --repo "$WORK/here"
expect_status 0 "$VARVE" --offline check --repo "$WORK/here"
ok "offline: all that has been read can be read"

# Without a network, and not told so.
proxy net set refuse=1
mount_varve "$mnt" -o deadline=2
tar cf "$WORK/tar2" -C "$mnt/latest" .
cmp "$WORK/tar1" "$WORK/tar2"
umount_varve "$mnt"
proxy net set refuse=0
ok "the store cannot be reached: as well"

# --- Pins ------------------------------------------------------------------------------------------------------------

another_machine b
expect_status 1 "$VARVE" --offline snapshots
expect_match 'not known here, and offline' "$WORK/err"
expect_status 0 "$VARVE" cache --pin latest:small
expect_match '^1231 items, .* pinned$' "$WORK/out"
expect_status 1 "$VARVE" cache --pin latest:nothing
expect_status 0 "$VARVE" cache
expect_match '^pinned: [0-9a-f]{8}:small, ' "$WORK/out"
expect_no_match 'incomplete|nothing' "$WORK/out"
expect_status 0 "$VARVE" cache --json
python3 -c '
import json, sys
lines = [json.loads(l) for l in open(sys.argv[1])]
assert lines[0]["pinned_pieces"] > 0 and lines[0]["pinned_bytes"] > 0, lines
assert lines[1]["path"] == "small" and lines[1]["complete"] is True, lines' "$WORK/out"
expect_status 0 "$VARVE" cache --json --cache-size 0
expect_match '"sealed_max_bytes":134217728,' "$WORK/out"
proxy net zero
mount_varve "$mnt" --offline
diff -r "$WORK/src/small" "$mnt/latest/small"
! cat "$mnt/latest/large/5" >"$WORK/out" 2>"$WORK/err" || die "what is not there was read"
expect_match 'Input/output error' "$WORK/err"
[ -e "$mnt/latest/large/5" ] || die "a file that is out of reach is said to be absent"
expect_equal "requests while offline" "$(counted requests)" 0
umount_varve "$mnt"
ok "what is pinned can be read offline, the rest is an I/O error"

expect_status 0 "$VARVE" cache --unpin latest:small
expect_status 1 "$VARVE" cache --unpin latest:small
expect_match 'not pinned' "$WORK/err"
expect_status 0 "$VARVE" cache
expect_no_match '^pinned' "$WORK/out"
expect_status 0 "$VARVE" cache --clear
[ -z "$(find "$VARVE_CACHE_DIR" -path '*/sealed/*/[0-9a-f]/*' -type f)" ] || die "something is left in the cache"
expect_status 2 "$VARVE" cache --clear --pin latest
ok "unpinned and cleared"

# --- check asks the store --------------------------------------------------------------------------------------------

export VARVE_CACHE_DIR=$WORK/cache-a
pack=$(find "$S3_ROOT" -type f -path '*/packs/*_object' | head -n 1)
printf '\377\377\377' | dd of="$pack" bs=1 seek=70000 conv=notrunc status=none
mount_varve "$mnt"
tar cf "$WORK/tar2" -C "$mnt/latest" .
cmp "$WORK/tar1" "$WORK/tar2"
umount_varve "$mnt"
expect_status 5 "$VARVE" check --read-data
ok "what the store has lost is found, although it is cached"
