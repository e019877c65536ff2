#!/usr/bin/env bash
# A mount cannot be written to, is what it says in stat and statfs, and keeps holes.
. "$(dirname "$0")/lib/scenario.sh"

need_fuse
need python3 findmnt setfattr
as_root
new_repo
src=$WORK/src
mnt=$WORK/mnt
mkdir -p "$src"
echo data >"$src/file"
truncate -s 10M "$src/sparse"
dd if=/dev/urandom of="$src/sparse" bs=1M count=1 seek=4 conv=notrunc status=none
head -c 3000000 /dev/urandom >"$src/random"
cd "$src"
expect_status 0 "$VARVE" backup .
mount_varve "$mnt"
top=$mnt/latest

refused() {
	if "$@" 2>"$WORK/err"; then
		die "was not refused: $*"
	fi
	expect_match 'Read-only file system' "$WORK/err"
}
refused touch "$top/new"
refused mkdir "$top/new"
refused rm "$top/file"
refused mv "$top/file" "$top/other"
refused ln "$top/file" "$top/link"
refused ln -s x "$top/link"
refused chmod 777 "$top/file"
refused setfattr -n user.x -v y "$top/file"
refused sh -c "echo x >>'$top/file'"
# A remount does not change that.
mount -o remount,rw "$mnt" 2>/dev/null || true
refused touch "$top/new"
refused sh -c "echo x >>'$top/file'"
refused mkdir "$mnt/snapshots/x"
ok "nothing can be written"

expect_equal "device and setuid options" "$(findmnt -no OPTIONS "$mnt" | tr ',' '\n' | grep -cE '^(nosuid|nodev)$')" 2
expect_equal "type" "$(findmnt -no FSTYPE "$mnt")" fuse.varvefs
expect_equal "source" "$(findmnt -no SOURCE "$mnt")" "$VARVE_REPOSITORY"
# A read of more would be answered with less, and so end the file for the kernel.
expect_equal "longest read" "$(findmnt -no OPTIONS "$mnt" | tr ',' '\n' | grep '^max_read=')" max_read=1048576
[ "$(stat -f -c %b "$mnt")" -gt 0 ] || die "statfs has no size"
ok "mount options and statfs"

expect_equal "blocks of a sparse file" "$(stat -c '%s %b' "$top/sparse")" "$((10 << 20)) 2048"
cmp "$top/sparse" sparse
cmp "$top/random" random
python3 - "$top/sparse" <<'P'
import os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
M = 1 << 20
assert os.lseek(fd, 0, os.SEEK_DATA) == 4 * M
assert os.lseek(fd, 0, os.SEEK_HOLE) == 0
assert os.lseek(fd, 4 * M + 5, os.SEEK_DATA) == 4 * M + 5
assert os.lseek(fd, 4 * M, os.SEEK_HOLE) == 5 * M
for off in (5 * M, 10 * M - 1):
    try:
        os.lseek(fd, off, os.SEEK_DATA)
        raise SystemExit(f"data found after {off}")
    except OSError as e:
        assert e.errno == 6, e
try:
    os.lseek(fd, 10 * M, os.SEEK_HOLE)
    raise SystemExit("a hole past the end")
except OSError as e:
    assert e.errno == 6, e
assert os.pread(fd, 10, 10 * M - 4) == bytes(4)
assert os.pread(fd, 10, 10 * M) == b""
P
ok "holes"

# Reading in any order gives the same bytes.
python3 - "$top/random" random <<'P'
import os, random, sys
a, b = (os.open(p, os.O_RDONLY) for p in sys.argv[1:])
random.seed(1)
for _ in range(300):
    off, n = random.randrange(3000000), random.randrange(1, 300000)
    assert os.pread(a, n, off) == os.pread(b, n, off), (off, n)
P
umount_varve

# File handles outlive the kernel's memory of the file, and the mount (as an NFS server needs).
cat >"$WORK/handle.py" <<'P'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
what, path, mount, saved = sys.argv[1:]
if what == "save":
    buf = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mid = ctypes.c_int()
    if libc.name_to_handle_at(-100, path.encode(), buf, ctypes.byref(mid), 0) != 0:
        sys.exit(f"name_to_handle_at: {os.strerror(ctypes.get_errno())}")
    open(saved, "wb").write(buf.raw[:8 + struct.unpack("I", buf.raw[:4])[0]])
else:
    fd = libc.open_by_handle_at(os.open(mount, os.O_RDONLY), open(saved, "rb").read(), os.O_RDONLY)
    if fd < 0:
        sys.exit(f"open_by_handle_at: {os.strerror(ctypes.get_errno())}")
    sys.stdout.buffer.write(os.read(fd, 100))
P
mkdir -p deep/er && echo handled >deep/er/file
expect_status 0 "$VARVE" backup .
mount_varve "$mnt"
python3 "$WORK/handle.py" save "$mnt/latest/deep/er/file" "$mnt" "$WORK/handle"
echo 2 >/proc/sys/vm/drop_caches
expect_equal "by handle" "$(python3 "$WORK/handle.py" open - "$mnt" "$WORK/handle")" handled
umount_varve "$mnt"
mount_varve "$mnt"
expect_equal "by handle, after a remount" "$(python3 "$WORK/handle.py" open - "$mnt" "$WORK/handle")" handled
umount_varve "$mnt"
