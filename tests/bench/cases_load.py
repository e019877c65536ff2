"""More rows: a key file, readers that are many or go backwards, mounts that are many, one processor.  Peers are not asked."""

import contextlib
import os
import shutil
import subprocess
import threading
import time

from cases import Case, backup_warm, big_sequential, mount_ls, native_zstd_warm, read_all, tar_bytes
from measure import Failed, drop_caches, processes_with

MOUNTS = 8
MOUNT_SECONDS = 20
BACKWARDS = 512 << 20
BLOCK = 128 << 10


def only_varve(measure):
    def wrapped(bench, program):
        return measure(bench, program) if program.name == "varve" else None

    return wrapped


# --- A key file, from which the key is derived without Argon2 ---


def mount_key_file(bench, program):
    bench.ensure(program, "tree")
    program.key_file = program.add_key_file()
    try:
        return mount_ls(bench, program)
    finally:
        program.key_file = None


# --- Eight readers at once, of two snapshots ---


def read_at_once(bench, places):
    """Seconds until a tar of each directory has ended."""
    failed = []

    def one(place):
        argv = ["bash", "-o", "pipefail", "-c", "tar -cf - . | cat >/dev/null"]
        if subprocess.run(argv, cwd=place, stderr=bench.runner.log, check=False).returncode != 0:
            failed.append(place)

    threads = [threading.Thread(target=one, args=(place,)) for place in places]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise Failed(f"tar failed in {', '.join(failed)}")
    return time.monotonic() - start


def readers(bench, program):
    bench.ensure(program, "next")
    with bench.mounted(program, "tree") as path:
        tops = [path, program.find_mounted("next")]
        return read_at_once(bench, [os.path.join(top, d) for top in tops for d in bench.subtrees()])


def native_readers(bench):
    drop_caches()
    return read_at_once(bench, [os.path.join(bench.data[what], d) for what in ("tree", "next") for d in bench.subtrees()])


# --- Backwards ---


def backwards_of(bench, path):
    """MB/s of the last part of the big file, from its end."""
    name = os.path.join(path, os.listdir(path)[0])
    fd = os.open(name, os.O_RDONLY)
    size = os.fstat(fd).st_size
    todo = min(BACKWARDS, size) // BLOCK * BLOCK
    start = time.monotonic()
    for back in range(BLOCK, todo + 1, BLOCK):
        if len(os.pread(fd, BLOCK, size - back)) != BLOCK:
            raise Failed("a short read")
    seconds = time.monotonic() - start
    os.close(fd)
    return todo / 1e6 / seconds


def backwards(bench, program):
    with bench.mounted(program, "big") as path:
        return backwards_of(bench, path)


def native_backwards(bench):
    with bench.source("big") as source:
        drop_caches()
        return backwards_of(bench, source)


# --- Beside a daemon that does no work ---


@contextlib.contextmanager
def daemon_without_work(bench):
    """A mounted file as long as the big one, whose reads are answered from one buffer; nothing of it is cached."""
    place = os.path.join(bench.work, "zero")
    os.makedirs(place, exist_ok=True)
    argv = [os.path.join(bench.build, "tests/tools/fuse_zero"), str(bench.bytes("big")), place]
    with subprocess.Popen(argv, stderr=bench.runner.log) as daemon:
        try:
            deadline = time.monotonic() + MOUNT_SECONDS
            while not os.path.ismount(place):
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise Failed("fuse_zero: nothing is mounted")
                time.sleep(0.01)
            drop_caches()
            yield place
        finally:
            if subprocess.run(["fusermount3", "-u", place], stderr=bench.runner.log, check=False).returncode != 0:
                daemon.terminate()


def native_without_work(bench):
    with daemon_without_work(bench) as path:
        return read_all(bench, path)


def big_again(bench, program):
    with bench.mounted(program, "big") as path:
        read_all(bench, path)
        return read_all(bench, path)


def native_without_work_again(bench):
    with daemon_without_work(bench) as path:
        read_all(bench, path)
        return read_all(bench, path)


# --- Many mounts ---


def resident(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/statm", encoding="ascii") as f:
            total += int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total


def mounts(bench, program):
    """MB that all daemons have after a find of a subtree in each."""
    bench.ensure(program, "tree")
    places = [os.path.join(bench.work, f"mnt-{i}") for i in range(MOUNTS)]
    try:
        for place in places:
            os.mkdir(place)
            program.run([program.program, "mount", place])
            tag = os.path.join(place, "tags", "tree")
            top = os.path.join(tag, sorted(os.listdir(tag))[-1], bench.subtree())
            bench.runner.shell("find . -printf '%s\\n' >/dev/null", cwd=top)
        return sum(resident(processes_with(place)) for place in places) / 1e6
    finally:
        for place in places:
            subprocess.run(["umount", place], stderr=subprocess.DEVNULL, check=False)
            shutil.rmtree(place, ignore_errors=True)


# --- One processor ---


def on_one(measure):
    """The case with everything on one processor, daemons included."""

    def wrapped(bench, program=None):
        everywhere = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(everywhere)})
        try:
            return measure(bench, program) if program else measure(bench)
        finally:
            os.sched_setaffinity(0, everywhere)

    return wrapped


def tar_cold_one(bench, program):
    with bench.mounted(program, "tree") as path:
        return tar_bytes(bench, path)


def native_tar_one(bench):
    with bench.source("tree") as source:
        drop_caches()
        return tar_bytes(bench, source)


def backup_threads(bench, program):
    """As on a machine with 16 processors; the memory of so many is not what a backup has here."""
    program.threads, peak = 16, program.backup_peak
    try:
        return backup_warm(bench, program)
    finally:
        program.threads, program.backup_peak = 0, peak


CASES = [
    Case("mount-key", "mount to first ls with a key file, cold", "s", only_varve(mount_key_file), goals=[(None, 0.1)]),
    Case("readers", "8 tars at once, of 2 snapshots, cold", "s", only_varve(readers), native_readers),
    Case("backwards", "the big file backwards, cold", "MB/s", only_varve(backwards), native_backwards),
    # At least 70 % of its rate.
    Case("zero", "the big file; native: of a daemon that does no work", "s", only_varve(big_sequential),
         native_without_work, [("native", 1.43)]),
    Case("zero-again", "the same, again", "s", only_varve(big_again), native_without_work_again),
    Case("mounts", f"memory of {MOUNTS} mounts after a find in each", "MB", only_varve(mounts)),
    Case("one-backup", "backup of the tree, warm, 1 processor", "s", only_varve(on_one(backup_warm)),
         on_one(native_zstd_warm)),
    Case("one-tar", "tar of the mounted tree, cold, 1 processor", "s", only_varve(on_one(tar_cold_one)),
         on_one(native_tar_one)),
    Case("sixteen", "backup of the tree, warm, 16 threads", "s", only_varve(backup_threads), native_zstd_warm),
]
