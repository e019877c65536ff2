#!/usr/bin/env bash
# What a machine asks for that never saw a repository: the same, however large the index is.  And what a few bytes cost that
# are read somewhere.  Requests and bytes are counted, over S3.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need_fuse
need python3
start_service s3rver
start_proxy net "$S3_PORT" --http
export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_EC2_METADATA_DISABLED=true
export VARVE_REPOSITORY="s3://varve/repo?endpoint=http://127.0.0.1:$proxy_port&region=us-east-1" VARVE_KEY_FILE=$WORK/key
(umask 077 && head -c 64 /dev/urandom >"$VARVE_KEY_FILE")
src=$WORK/src
mnt=$WORK/mnt

# A file in each of 1500 directories, in a dozen packs, and among empty ones with names that fill megabytes of directories,
# as what is there comes with its neighbours.  The run that names them is too large to be read whole for one of them.
python3 - "$src" <<'P'
import os, random, sys
top, r = sys.argv[1], random.Random(81)
for d in (f"{top}/{d:02}/{e:02}" for d in range(30) for e in range(50)):
    os.makedirs(d)
    with open(f"{d}/file", "wb") as out:
        out.write(r.randbytes(16000))
    for _ in range(16):
        open(f"{d}/{r.getrandbits(600):0150x}", "wb").close()
P
expect_status 0 "$VARVE" init --pack-size 2M
(cd "$src" && expect_status 0 "$VARVE" backup .)

# counted KEY: since the counts were zero.
counted() {
	proxy_count net "$1"
}

another_machine() {
	export VARVE_CACHE_DIR=$WORK/cache-$1
	proxy net zero
}

# grow_index COUNT: by runs of so many objects, which a generator puts, on a machine of its own.
grow_index() {
	VARVE_CACHE_DIR=$WORK/cache-grow "$TOOLS/scale" runs "$1" >/dev/null
}

# Looking for new snapshots would be counted.
mount_here() {
	mount_varve "$mnt" -o refresh=3600
}

list() {
	local d

	for d; do
		ls "$mnt/latest/$d" >/dev/null
	done
}

# read_somewhere DIRECTORY...: 4 KiB out of the middle of the file in each are what they were.
read_somewhere() {
	python3 - "$mnt/latest" "$src" "$@" <<'P'
import os, sys
mount, source, *dirs = sys.argv[1:]
for d in dirs:
    a, b = (os.open(f"{top}/{d}/file", os.O_RDONLY) for top in (mount, source))
    os.posix_fadvise(a, 0, 0, os.POSIX_FADV_RANDOM)
    assert os.pread(a, 4096, 8192) == os.pread(b, 4096, 8192) != b"", d
P
}

# costs MOST DIRECTORY...: to read somewhere in these takes so many requests at most, of so many bytes on average.
mean_bytes=300000
costs() {
	local most=$1 before

	shift
	before=$(wc -l <"$WORK/net.log")
	proxy net zero
	read_somewhere "$@"
	[ "$(counted requests)" -le "$most" ] || {
		tail -n "+$((before + 1))" "$WORK/net.log" >&2
		die "$(counted requests) requests for 4 KiB in $*, where $most are enough"
	}
	[ "$(counted down_bytes)" -le $((most * mean_bytes)) ] || die "$(counted down_bytes) bytes for 4 KiB in $*"
}

# --- The first look --------------------------------------------------------------------------------------------------

# first_look NAME: mount, and list the root, on a machine of that name.  Sets requests and bytes.
first_look() {
	another_machine "$1"
	mount_here
	expect_equal "how many are in the root" "$(ls "$mnt/latest/" | wc -l)" 30
	requests=$(counted requests)
	bytes=$(counted down_bytes)
	[ "$requests" -le 10 ] || die "$requests requests until a root was listed"
	[ "$bytes" -le 1000000 ] || die "$bytes bytes until a root was listed"
}

grow_index 20000
first_look small
small=$requests
umount_varve "$mnt"
grow_index 500000
first_look large
[ "$requests" -le "$small" ] || die "$requests requests until a root was listed, and $small with a smaller index"
ok "a machine that never saw the repository lists its root with $requests requests, and did with $small; $bytes bytes"

# --- 4 KiB somewhere, with an index that is too large to be loaded ----------------------------------------------------

# The first file on a machine takes the ends of the runs, too.
near="16/40 16/30 16/20 16/10 16/00 15/40 15/30 15/20 15/10"
# shellcheck disable=SC2086 # they are words
list 28/37 15/00 02/25 $near
costs 16 28/37
# A block of the run and the segment; some seconds later as well.
costs 2 15/00
sleep 3
costs 2 02/25
# Who comes back gets the pack's table, too, and then needs no run for what is in it; these are in two packs at most.
# shellcheck disable=SC2086 # they are words
costs 13 $near
umount_varve "$mnt"
ok "4 KiB somewhere: two requests where the index is not loaded"

# --- And with one that is loaded -------------------------------------------------------------------------------------

# A backup loads it.
(cd "$src" && expect_status 0 "$VARVE" backup .)
mount_here
list 05/10 25/30 12/00 29/45
for d in 12/00 05/10 29/45 25/30; do
	costs 1 $d
done
umount_varve "$mnt"
ok "4 KiB somewhere: one request"

# Of a directory that is not cached another one.
rm -r "$VARVE_CACHE_DIR/sealed"
mount_here
list . 20 03
# The third part of a tree pack that is missed comes with the megabyte around it.
mean_bytes=800000
costs 2 20/10
costs 2 03/25
umount_varve "$mnt"
ok "4 KiB in a directory that is not cached: two requests"
