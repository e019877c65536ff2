#!/usr/bin/env bash
# What reading a mount costs: requests of the kernel by kind, and reads of the store.  Counts, not seconds: a change that
# makes them grow fails here.
. "$(dirname "$0")/lib/scenario.sh"

need_fuse
need python3 getfattr
new_repo
src=$WORK/src
mnt=$WORK/mnt
dirs=60 each=40

# Contents that do not repeat and do not shrink, so that segments are as many as bytes say.
python3 - "$src" $dirs $each <<'P'
import os, random, sys
src, dirs, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
r = random.Random(7)
for d in range(dirs):
    os.makedirs(f"{src}/tree/{d:03}")
    for f in range(each):
        with open(f"{src}/tree/{d:03}/{f:03}", "wb") as out:
            out.write(r.randbytes(r.randrange(1000, 20000)))
with open(f"{src}/big", "wb") as out:
    for _ in range(24):
        out.write(r.randbytes(1 << 20))
P
files=$((dirs * each))
cd "$src"
expect_status 0 "$VARVE" backup .
mount_varve "$mnt"

# count NAME: of all requests so far.  Asking is a request too, of a kind that is not judged.
count() {
	getfattr --absolute-names --only-values -n user.varve.requests "$mnt" | sed -n "s/^$1 //p"
}

declare -A was
kinds="lookup getattr read readdir readdirplus store_gets segments_opened pushed_files prefetched_parts"
mark() {
	local k
	for k in $kinds; do was[$k]=$(count "$k"); done
}
# at_most KIND N: since mark.
at_most() {
	local n=$(($(count "$1") - was[$1]))

	[ $n -le "$2" ] || die "$n times $1, where $2 are enough"
}

mark
find "$mnt/latest/" -printf '%p %s %m %T@\n' >"$WORK/list"
expect_equal "entries listed" "$(wc -l <"$WORK/list")" $((files + dirs + 3))
at_most lookup 5
at_most getattr 5
at_most read 0
at_most readdir 0
# Of each directory the entries and the end; a page of entries a request at worst.
at_most readdirplus $((2 * (dirs + 2) + files / 10))
at_most store_gets 40
at_most pushed_files 0
ok "find"

# What is cached costs nothing, unless the system throws caches away meanwhile, as other tests make it do: one of a few
# attempts goes undisturbed.
for attempt in 1 2 3 4 5; do
	mark
	find "$mnt/latest/" -printf '%p %s %m %T@\n' | cmp - "$WORK/list"
	[ $(($(count getattr) + $(count readdirplus) - was[getattr] - was[readdirplus])) -gt 0 ] || break
	[ $attempt -lt 5 ] || at_most readdirplus 0
done
ok "find, again"

# About 25 MB in segments of 256 KiB; a file at a time, whoever reads it.
bytes=$(find "$src/tree" -type f -printf '%s\n' | awk '{ n += $1 } END { print n }')
segments=$((bytes / 250000 + 2))
mark
tar -cf - -C "$mnt/latest" tree | tar -df - -C "$src"
at_most lookup 1
at_most getattr 1
at_most read $files
at_most segments_opened $segments
at_most store_gets $((segments + 40))
ok "tar"

for attempt in 1 2 3 4 5; do
	mark
	tar -cf - -C "$mnt/latest" tree | tar -df - -C "$src"
	[ $(($(count read) - was[read])) -gt 5 ] || break
	[ $attempt -lt 5 ] || at_most read 5
done
ok "tar, again"
umount_varve "$mnt"

# A reader who takes his time finds nearly everything there.
mount_varve "$mnt"
mark
python3 - "$mnt/latest/tree" "$src/tree" <<'P'
import os, sys, time
a, b = sys.argv[1:]
for d in sorted(os.listdir(a)):
    for f in sorted(os.listdir(f"{a}/{d}")):
        with open(f"{a}/{d}/{f}", "rb") as x, open(f"{b}/{d}/{f}", "rb") as y:
            assert x.read() == y.read(), f"{d}/{f}"
        time.sleep(0.002)
P
at_most read $((files / 2))
at_most segments_opened $segments
[ "$(count pushed_files)" -ge $((files / 2)) ] || die "$(count pushed_files) of $files files were pushed"
ok "in order and slowly: $(count read) reads of $files files"

# Front to end: a request for 128 KiB at least, each segment once.
mark
cmp "$mnt/latest/big" "$src/big"
at_most read $((24 * 8 + 8))
# (a chunk of some 512 KiB ends with a shorter one)
at_most segments_opened $((24 * 4 + 24 * 3))
[ "$(count prefetched_parts)" -gt 0 ] || die "nothing was prefetched"
ok "one file from front to end"
umount_varve "$mnt"

# At random: nothing is guessed.  A request each, a segment each (two where the bytes lie in two).
mount_varve "$mnt"
mark
python3 - "$mnt/latest/big" "$src/big" <<'P'
import os, random, sys
a, b = (os.open(p, os.O_RDONLY) for p in sys.argv[1:])
os.posix_fadvise(a, 0, 0, os.POSIX_FADV_RANDOM)
places = random.Random(3).sample(range(24 * 256), 200)
for p in places:
    assert os.pread(a, 4096, p * 4096) == os.pread(b, 4096, p * 4096), p
P
at_most read 200
at_most prefetched_parts 0
at_most pushed_files 0
at_most segments_opened 230
ok "at random"
umount_varve "$mnt"

# Backwards, too; on a mount of which nothing is cached, as what is would cut reads into ascending pieces.
mount_varve "$mnt"
mark
python3 - "$mnt/latest/tree" <<'P'
import os, sys
top = sys.argv[1]
for d in sorted(os.listdir(top), reverse=True):
    for f in sorted(os.listdir(f"{top}/{d}"), reverse=True):
        open(f"{top}/{d}/{f}", "rb").read()
P
at_most read $files
at_most pushed_files 0
python3 - "$mnt/latest/big" "$src/big" <<'P'
import os, sys
a, b = (os.open(p, os.O_RDONLY) for p in sys.argv[1:])
size = os.fstat(b).st_size
for back in range(1 << 17, size, 1 << 17):
    assert os.pread(a, 1 << 17, size - back) == os.pread(b, 1 << 17, size - back), back
P
at_most prefetched_parts 0
ok "backwards"
umount_varve "$mnt"

# And not if it is not wanted.
mount_varve "$mnt" -o nopush
tar -cf /dev/null -C "$mnt/latest" tree
tar -cf - -C "$mnt/latest" tree | tar -df - -C "$src"
expect_equal "files pushed with nopush" "$(count pushed_files)" 0
umount_varve "$mnt"

# Behind a large directory nothing is loaded before its reader has been in there: all that is in it comes first, in the
# packs as well.
python3 - "$WORK/down" <<'P'
import os, random, sys
top, r = sys.argv[1], random.Random(8)
os.makedirs(f"{top}/m")
for name in [f"a{i}" for i in range(10)] + [f"m/{i:03}" for i in range(200)] + [f"z{i}" for i in range(10)]:
    with open(f"{top}/{name}", "wb") as out:
        out.write(r.randbytes(5000))
P
cd "$WORK/down"
expect_status 0 "$VARVE" backup .
mount_varve "$mnt"
mark
cat "$mnt"/latest/a[0-4] | cmp - <(cat a[0-4])
sleep 1
# The third read is followed by seven files, before the directory.
at_most pushed_files 7
at_most segments_opened 2
tar -cf "$WORK/down.tar" -C "$mnt/latest" .
tar -df "$WORK/down.tar"
[ $(($(count pushed_files) - was[pushed_files])) -gt 100 ] || die "only $(count pushed_files) files were pushed"
umount_varve "$mnt"
ok "what is behind a large directory waits"
