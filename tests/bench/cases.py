"""The rows of the table: what is measured, for a backup program and for native tools."""

import os
import random
import shutil
import time

from measure import Failed, drop_caches

FIND = "find . -printf '%s %m %U %T@ %p\\n'"
READS = 2000


class Case:
    """
    One row.  measure(bench, program) and native(bench) return a value in ${unit}; either may be None.  Less is better,
    except in units that end in "/s".  goals: (column, factor) pairs that varve's value is to be within; where column is None
    the factor is the value itself, in ${unit}.
    """

    def __init__(self, name, title, unit, measure, native=None, goals=()):
        self.name = name
        self.title = title
        self.unit = unit
        self.measure = measure
        self.native = native
        self.goals = goals

    def more_is_better(self):
        return self.unit.endswith("/s")


# --- Backups ---


def backup_cold(bench, program):
    program.reset()
    with bench.source("tree") as source:
        drop_caches()
        return program.backup("tree", source).seconds


def backup_warm(bench, program):
    program.reset()
    with bench.source("tree") as source:
        bench.warm(source)
        return program.backup("tree", source).seconds


def again_warm(bench, program):
    bench.ensure(program, "tree")
    with bench.source("tree") as source:
        bench.runner.shell(FIND + " >/dev/null", cwd=source)
        return program.backup("tree", source).seconds


def again_cold(bench, program):
    bench.ensure(program, "tree")
    with bench.source("tree") as source:
        drop_caches()
        return program.backup("tree", source).seconds


def backup_next(bench, program):
    """Of a new repository, in which there is nothing but the tree, so that the size is what the next row says it is."""
    bench.ensure(program, "tree")
    with bench.source("next") as source:
        bench.warm(source)
        return program.backup("next", source).seconds


def backup_big(bench, program):
    bench.ensure(program, "tree")
    with bench.source("big") as source:
        drop_caches()
        return program.backup("big", source).seconds


def size_tree(bench, program):
    bench.ensure(program, "tree")
    if program.have != {"tree"}:
        raise Failed("the repository holds more than the tree already")
    return program.size() / 1e6


def size_next(bench, program):
    bench.ensure(program, "tree", "next")
    return program.size() / 1e6


def size_big(bench, program):
    bench.ensure(program, "tree", "next", "big")
    return program.size() / 1e6


def backup_peak(bench, program):
    if not program.backup_peak:
        bench.ensure(program, "tree")
    return program.backup_peak / 1e6


def native_tar_cold(bench):
    with bench.source("tree") as source:
        drop_caches()
        return bench.runner.shell("tar -cf - . | cat >/dev/null", cwd=source).seconds


def native_zstd_warm(bench):
    with bench.source("tree") as source:
        bench.warm(source)
        return bench.runner.shell("tar -cf - . | zstd -q -3 -T2 >/dev/null", cwd=source).seconds


def native_find_warm(bench):
    with bench.source("tree") as source:
        bench.runner.shell(FIND + " >/dev/null", cwd=source)
        return bench.runner.shell(FIND + " >/dev/null", cwd=source).seconds


def native_find_cold(bench):
    with bench.source("tree") as source:
        drop_caches()
        return bench.runner.shell(FIND + " >/dev/null", cwd=source).seconds


def native_zstd_next(bench):
    with bench.source("next") as source:
        bench.warm(source)
        return bench.runner.shell("tar -cf - . | zstd -q -3 -T2 >/dev/null", cwd=source).seconds


def native_zstd_big(bench):
    with bench.source("big") as source:
        drop_caches()
        return bench.runner.shell("zstd -q -3 -T2 -c ./* >/dev/null", cwd=source).seconds


def native_squashfs(bench):
    if not shutil.which("mksquashfs"):
        return None
    image = os.path.join(bench.work, "squashfs")
    with bench.source("tree") as source:
        bench.runner.run(
            ["mksquashfs", source, image, "-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "3"]
        )
    size = os.path.getsize(image)
    os.unlink(image)
    return size / 1e6


# --- Reading through a mount ---


def mount_ls(bench, program):
    bench.ensure(program, "tree")
    drop_caches()
    start = time.monotonic()
    try:
        program.mount("tree")
        return time.monotonic() - start
    finally:
        program.unmount()


def find_lines(bench, path):
    """Time a find of ${path}; it must see as many entries as there are in the tree."""
    out = os.path.join(bench.work, "find.out")
    with open(out, "wb") as f:
        seconds = bench.runner.run(["bash", "-c", FIND], cwd=path, stdout=f).seconds
    with open(out, "rb") as f:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: f.read(1 << 20), b""))
    os.unlink(out)
    if lines != bench.entries("tree"):
        raise Failed(f"find saw {lines} entries of {bench.entries('tree')}")
    return seconds


def find_cold(bench, program):
    with bench.mounted(program, "tree") as path:
        return find_lines(bench, path)


def find_warm(bench, program):
    with bench.mounted(program, "tree") as path:
        find_lines(bench, path)
        return find_lines(bench, path)


def tar_bytes(bench, path):
    # Not to /dev/null directly: GNU tar then reads nothing.
    count = os.path.join(bench.work, "tar.out")
    with open(count, "wb") as f:
        seconds = bench.runner.run(["bash", "-o", "pipefail", "-c", "tar -cf - . | wc -c"], cwd=path, stdout=f).seconds
    with open(count, "rb") as f:
        size = int(f.read())
    os.unlink(count)
    if size < bench.bytes("tree"):
        raise Failed(f"tar read {size} bytes where there are {bench.bytes('tree')} in files")
    return seconds


def tar_cold(bench, program):
    with bench.mounted(program, "tree") as path:
        return tar_bytes(bench, path)


def tar_again(bench, program):
    with bench.mounted(program, "tree") as path:
        tar_bytes(bench, path)
        return tar_bytes(bench, path)


def copy_subtree(bench, program):
    with bench.mounted(program, "tree") as path, bench.scratch() as target:
        return bench.runner.run(["cp", "-a", os.path.join(path, bench.subtree()), target]).seconds


def rsync_dry(bench, program):
    with bench.source("tree") as source, bench.mounted(program, "tree") as path:
        bench.runner.shell(FIND + " >/dev/null", cwd=source)
        return bench.runner.run(["rsync", "-an", path + "/", source + "/"]).seconds


def mount_peak(bench, program):
    if not program.mount_peak:
        with bench.mounted(program, "tree") as path:
            find_lines(bench, path)
            tar_bytes(bench, path)
    return program.mount_peak / 1e6


def big_sequential(bench, program):
    with bench.mounted(program, "big") as path:
        return read_all(bench, path)


def read_all(bench, path):
    count = os.path.join(bench.work, "cat.out")
    with open(count, "wb") as f:
        seconds = bench.runner.run(["bash", "-o", "pipefail", "-c", "cat ./* | wc -c"], cwd=path, stdout=f).seconds
    with open(count, "rb") as f:
        size = int(f.read())
    os.unlink(count)
    if size != bench.bytes("big"):
        raise Failed(f"read {size} bytes of {bench.bytes('big')}")
    return seconds


def random_reads(bench, path):
    """Reads a second; what was read is compared with the source afterwards."""
    name = os.listdir(path)[0]
    order = random.Random(1)
    blocks = bench.bytes("big") // 4096
    offsets = [order.randrange(blocks) * 4096 for _ in range(READS)]
    fd = os.open(os.path.join(path, name), os.O_RDONLY)
    start = time.monotonic()
    got = [os.pread(fd, 4096, at) for at in offsets]
    seconds = time.monotonic() - start
    os.close(fd)
    with bench.source("big") as source:
        fd = os.open(os.path.join(source, name), os.O_RDONLY)
        wrong = sum(1 for at, data in zip(offsets, got) if os.pread(fd, 4096, at) != data)
        os.close(fd)
    if wrong:
        raise Failed(f"{wrong} of {READS} random reads gave other bytes than the source has")
    return READS / seconds


def big_random(bench, program):
    with bench.mounted(program, "big") as path:
        return random_reads(bench, path)


def native_mounted(measure, what, passes=1):
    """The same on the source itself: ${passes} - 1 times to warm up, then timed; cold if ${passes} is 1."""

    def native(bench):
        with bench.source(what) as source:
            drop_caches()
            for _ in range(passes - 1):
                measure(bench, source)
            return measure(bench, source)

    return native


def native_copy(bench):
    with bench.source("tree") as source, bench.scratch() as target:
        drop_caches()
        return bench.runner.run(["cp", "-a", os.path.join(source, bench.subtree()), target]).seconds


def native_rsync(bench):
    """Against itself, one side as warm as the other."""
    with bench.source("tree") as source:
        drop_caches()
        bench.runner.shell(FIND + " >/dev/null", cwd=source)
        return bench.runner.run(["rsync", "-an", source + "/", source + "/"]).seconds


# --- Restore and check ---


def restore(what):
    def measure(bench, program):
        bench.ensure(program, what)
        with bench.scratch() as target:
            drop_caches()
            seconds = program.restore(what, target).seconds
            bench.verify_restored(what, target)
            return seconds

    return measure


def native_restore(what):
    def native(bench):
        with bench.source(what) as source, bench.scratch() as target:
            drop_caches()
            return bench.runner.run(["cp", "-a", source + "/.", target]).seconds

    return native


def check(bench, program):
    bench.ensure(program, "tree", "next", "big")
    drop_caches()
    return program.check().seconds


CASES = [
    Case("backup-cold", "backup of the tree, cold", "s", backup_cold, native_tar_cold, [("native", 1.2), ("restic", 0.5)]),
    Case("backup-warm", "the same from the page cache", "s", backup_warm, native_zstd_warm,
         [("native", 1.2), ("restic", 0.45)]),
    Case("again-warm", "again, unchanged, warm", "s", again_warm, native_find_warm, [("native", 2.5), ("restic", 0.15)]),
    Case("again-cold", "again, unchanged, cold", "s", again_cold, native_find_cold),
    Case("size-tree", "repository: tree", "MB", size_tree, native_squashfs, [(None, 240)]),
    Case("next", "backup of the next version, warm", "s", backup_next, native_zstd_next, [("restic", 0.4)]),
    Case("size-next", "repository: tree and next version", "MB", size_next, goals=[(None, 290)]),
    Case("big", "backup of the big file, cold", "s", backup_big, native_zstd_big, [("native", 1.2)]),
    Case("size-big", "repository: all three", "MB", size_big),
    Case("backup-peak", "peak memory of the backups", "MB", backup_peak, goals=[(None, 100)]),
    Case("mount", "mount to first ls, cold", "s", mount_ls, goals=[(None, 0.1)]),
    Case("find-cold", "find -printf on the mount, cold", "s", find_cold, native_find_cold, [("native", 1.2)]),
    Case("find-warm", "find -printf on the mount, warm", "s", find_warm, native_find_warm, [("native", 2.0)]),
    Case("tar-cold", "tar of the mounted tree, cold", "s", tar_cold, native_mounted(tar_bytes, "tree"), [("native", 0.6)]),
    Case("tar-again", "tar of the mounted tree, again", "s", tar_again, native_mounted(tar_bytes, "tree", 2),
         [("native", 1.5)]),
    Case("cp", "cp -a of a subtree of the mount", "s", copy_subtree, native_copy, [("restic", 0.3), ("borg", 0.3)]),
    Case("rsync", "rsync -an of the mount against the source", "s", rsync_dry, native_rsync, [("native", 1.5)]),
    Case("big-read", "the big file through the mount, cold", "s", big_sequential, native_mounted(read_all, "big"),
         [("restic", 0.3), ("borg", 0.3)]),
    Case("big-random", "random 4 KiB reads of it, cold", "reads/s", big_random, native_mounted(random_reads, "big"),
         [("restic", 10.0)]),
    Case("mount-peak", "peak memory of the mounts so far", "MB", mount_peak, goals=[(None, 128)]),
    Case("restore", "restore of the tree, cold", "s", restore("tree"), native_restore("tree"), [("restic", 0.5)]),
    Case("restore-big", "restore of the big file, cold", "s", restore("big"), native_restore("big"), [("restic", 0.5)]),
    Case("check", "check of every byte", "s", check, None, [("restic", 0.4)]),
]
