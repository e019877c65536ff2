"""What is measured at growing sizes.  Each group has a number that grows, and measures that should not, or only so much."""

import os
import random
import shutil
import subprocess
import threading
import time

from measure import Failed, Runner, drop_caches, memory_of, processes_with, tree_size
from programs import Varve

LOOKUPS = 200
FIND = "find . -printf '%s %m %U %T@ %p\\n' >/dev/null"
FLAT, LINEAR = 0, 1
BASE_TIME = "2000-01-01T00:00:00Z"
BASE_SECONDS = 946684800
EXTENTS = 1000
# What caches may take when they are full, and what a lookup costs that has to go to the disk.
BACKUP_MB, MOUNT_MB, LOAD_MB, DISK_US, NEVER_SEEN_MS = 100, 110, 64, 2000, 200
COLD_READS, WARM_READS = 200, 200000
RUN_OBJECTS = 2000 * 1000  # of an index run, as merging leaves them (128 MiB)


class Group:
    """A number that grows.  measure(scale, size) notes figures with Scale.note()."""

    def __init__(self, name, title, measure, small, middle, full):
        self.name = name
        self.title = title
        self.measure = measure
        self.sizes = {"small": small, "middle": middle, "full": full}


class KeyedVarve(Varve):
    """With a key file: what a passphrase costs (Argon2) is the same for all, and would hide what grows."""

    def env(self):
        env = super().env()
        del env["VARVE_PASSWORD"]
        env["VARVE_KEY_FILE"] = os.path.join(self.dir, "key")
        env["PATH"] = os.path.join(self.build, "tests/tools") + ":" + env["PATH"]
        env["TZ"] = "UTC"
        return env

    def init(self):
        with open(os.path.join(self.dir, "key"), "wb") as f:
            f.write(os.urandom(64))
        super().init()


class Watch(threading.Thread):
    """The largest anonymous memory, in bytes, of what ${runner} runs meanwhile."""

    def __init__(self, runner):
        super().__init__(daemon=True)
        self.runner = runner
        self.peak = 0
        self.over = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def run(self):
        while not self.over.wait(0.02):
            child = self.runner.child
            if child is not None:
                self.peak = max(self.peak, memory_of([child.pid])[0])


class Scale:
    """The work directory, the program, and the figures: results[group][measure] = line."""

    def __init__(self, work, build):
        self.work = work
        self.runner = Runner(os.path.join(work, "log"))
        self.varve = KeyedVarve(self.runner, work, build)
        self.results = {}
        self.failed = []

    def note(self, group, size, measure, value, unit, slope, bound=0):
        """${slope}: the steepest that is right, FLAT or LINEAR; but up to ${bound} (caches that fill up) any is."""
        line = self.results.setdefault(group, {}).setdefault(
            measure, {"unit": unit, "limit": slope, "bound": bound, "points": []}
        )
        line["points"].append((size, value))

    def tool(self, *argv):
        """Run scale or mkmany; what it measured."""
        text = self.runner.output(list(argv), env=self.varve.env())
        return {key: float(value) for key, value in (line.split() for line in text.splitlines())}

    def source(self, name, size=0):
        """
        An absent path.  With ${size} it is another one each time: what is there stays until all is over, since ext4 avoids
        inodes that were deleted lately, and makes many files slowly for minutes after that.
        """
        path = os.path.join(self.work, f"{name}-{size}")
        shutil.rmtree(path, ignore_errors=True)
        return path

    def close(self):
        """Remove the work directory: by several processes, as there may be millions of files."""
        self.runner.stop()
        self.varve.unmount()
        script = "find . -mindepth 2 -maxdepth 2 -print0 | xargs -0 -r -P 2 -n 16 rm -rf --one-file-system --"
        subprocess.run(["bash", "-c", script], cwd=self.work, stderr=self.runner.log, check=False)
        shutil.rmtree(self.work, ignore_errors=True)

    def backup(self, source, *options):
        """With ${own} in the result: its largest memory without what it had mapped of the index, MB."""
        with Watch(self.runner) as watch:
            result = self.varve.run([self.varve.program, "backup", "-q", *options, "."], cwd=source)
        result.own = watch.peak / 1e6
        return result

    def mount(self):
        """Mount, and list the newest snapshot.  Return the seconds until then, and the snapshot's directory."""
        start = time.monotonic()
        self.varve.run([self.varve.program, "mount", self.varve.mountpoint])
        path = os.path.join(self.varve.mountpoint, "latest")
        if not os.listdir(path):
            raise Failed("the newest snapshot is empty")
        return time.monotonic() - start, os.path.realpath(path)

    def timed(self, script, cwd):
        """A closed pipe is no failure (ls | head)."""
        return self.runner.shell(script, cwd=cwd, accept=(0, 141)).seconds

    def memory(self):
        """The daemon's own memory now, and its largest with what it had mapped of the index: MB."""
        anonymous, peak = memory_of(processes_with(self.varve.mountpoint))
        return anonymous / 1e6, peak / 1e6


def each(count, action):
    """Mean milliseconds of ${action}(i)."""
    start = time.monotonic()
    for i in range(count):
        action(i)
    return (time.monotonic() - start) / count * 1000


# --- One directory with many files ---


def directory(s, n):
    def note(measure, value, unit, slope, bound=0):
        s.note("directory", n, measure, value, unit, slope, bound)

    source = s.source("directory", n)
    os.makedirs(source)
    s.tool("mkmany", "files", os.path.join(source, "many"), str(n), "0", "0")
    s.varve.reset()
    result = s.backup(source)
    note("backup", result.seconds, "s", LINEAR)
    note("backup, own memory", result.own, "MB", FLAT, BACKUP_MB)
    note("backup, peak with what is mapped", result.peak / 1e6, "MB", LINEAR)
    result = s.backup(source)
    note("again, unchanged", result.seconds, "s", LINEAR)
    note("again, own memory", result.own, "MB", FLAT, BACKUP_MB)
    note("again, peak with what is mapped", result.peak / 1e6, "MB", LINEAR)

    drop_caches()
    path = os.path.join(s.mount()[1], "many")
    # As it reads: what is listed goes out at once, and head ends the rest.
    note("ls -f | head, cold", s.timed("ls -f | head >/dev/null", path) * 1000, "ms", FLAT)
    names = [f"file-{random.randrange(n):08}" for _ in range(LOOKUPS)]
    s.varve.unmount()
    drop_caches()
    path = os.path.join(s.mount()[1], "many")
    note("lookup of a name, cold", each(1, lambda i: os.stat(os.path.join(path, names[0]))), "ms", FLAT)
    note("lookup of a name", each(LOOKUPS, lambda i: os.stat(os.path.join(path, names[i]))), "ms", FLAT)
    note("mount, own memory", s.memory()[0], "MB", FLAT, MOUNT_MB)
    s.varve.unmount()
    drop_caches()
    path = os.path.join(s.mount()[1], "many")
    note("find, cold", s.timed(FIND, path), "s", LINEAR)
    note("find, warm", s.timed(FIND, path), "s", LINEAR)
    note("mount after find, own memory", s.memory()[0], "MB", FLAT, MOUNT_MB)
    s.varve.unmount()


# --- Many snapshots ---


def snapshots(s, n):
    def note(measure, value, unit, slope, bound=0):
        s.note("snapshots", n, measure, value, unit, slope, bound)

    source = s.source("snapshots")
    os.makedirs(source)
    with open(os.path.join(source, "file"), "w", encoding="ascii") as f:
        f.write("something\n")
    s.varve.reset()
    s.backup(source, "--time", BASE_TIME)
    if n > 1:
        s.tool("scale", "snapshots", str(n - 1))
    top = s.varve.mountpoint

    note("first mount ever", s.mount()[0] * 1000, "ms", LINEAR)
    s.varve.unmount()
    drop_caches()
    note("mount to first ls, cold", s.mount()[0] * 1000, "ms", LINEAR)
    s.varve.unmount()
    note("mount to first ls", s.mount()[0] * 1000, "ms", LINEAR)
    note("ls -f /snapshots", s.timed("ls -f >/dev/null", os.path.join(top, "snapshots")) * 1000, "ms", LINEAR)
    found = os.listdir(os.path.join(top, "snapshots"))
    if len(found) != n:
        raise Failed(f"{len(found)} snapshots of {n}")
    times = [time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(BASE_SECONDS + random.randrange(60 * n))) for _ in range(LOOKUPS)]
    note("/at/TIME", each(LOOKUPS, lambda i: os.readlink(os.path.join(top, "at", times[i]))), "ms", FLAT)
    some = random.choices(found, k=LOOKUPS)
    note("a snapshot's attributes", each(LOOKUPS, lambda i: os.stat(os.path.join(top, "snapshots", some[i]))), "ms", FLAT)
    note("own memory", s.memory()[0], "MB", LINEAR)
    host = os.path.join(top, "hosts")
    note("ls /hosts, first time", each(1, lambda i: os.listdir(host)), "ms", LINEAR)
    s.varve.unmount()
    note("backup", s.backup(source).seconds * 1000, "ms", LINEAR)


# --- Many chunks in the index ---


def requests(s):
    """What the mount has asked of the store: reads, bytes."""
    text = os.getxattr(s.varve.mountpoint, "user.varve.requests").decode()
    counts = {key: int(value) for key, value in (line.split() for line in text.splitlines())}
    return counts["store_gets"], counts["store_get_bytes"]


def note_never_seen(s, note):
    """A machine that never saw the repository: into the newest snapshot, then to a byte of a file."""
    shutil.rmtree(s.varve.env()["VARVE_CACHE_DIR"], ignore_errors=True)
    drop_caches()
    seconds, path = s.mount()
    reads, size = requests(s)
    note("never seen: mount to first ls", seconds * 1000, "ms", FLAT, NEVER_SEEN_MS)
    note("never seen: reads of the store for that", reads, "requests", FLAT)
    note("never seen: bytes of the store for that", size / 1e3, "kB", FLAT)
    s.timed("cat file >/dev/null", path)
    reads, size = (now - then for now, then in zip(requests(s), (reads, size)))
    note("never seen: reads for a file", reads, "requests", LINEAR)
    note("never seen: MB for a file", size / 1e6, "MB", LINEAR)
    s.varve.unmount()
    shutil.rmtree(s.varve.env()["VARVE_CACHE_DIR"], ignore_errors=True)


def chunks(s, n):
    def note(measure, value, unit, slope, bound=0):
        s.note("chunks", n, measure, value, unit, slope, bound)

    source = s.source("chunks")
    os.makedirs(source)
    with open(os.path.join(source, "file"), "w", encoding="ascii") as f:
        f.write("something\n")
    s.varve.reset()
    s.backup(source)
    s.tool("scale", "runs", str(n), str(RUN_OBJECTS))
    note("runs in the store, a chunk", tree_size(os.path.join(s.varve.repo, "index")) / n, "bytes", FLAT)
    note_never_seen(s, note)
    drop_caches()
    start = time.monotonic()
    loaded = s.tool("scale", "load")
    note("load", loaded["seconds"], "s", LINEAR)
    note("load, with opening and closing", time.monotonic() - start, "s", LINEAR)
    note("load, own memory", loaded["anon_peak_kb"] / 1e3, "MB", FLAT, LOAD_MB)
    note("local index, a chunk", tree_size(s.varve.env()["VARVE_CACHE_DIR"]) / n, "bytes", FLAT)
    s.tool("scale", "lookups", str(n), str(WARM_READS))
    warm = s.tool("scale", "lookups", str(n), str(WARM_READS))
    note("lookup, warm", warm["seconds"] / WARM_READS * 1e6, "us", FLAT)
    drop_caches()
    cold = s.tool("scale", "lookups", str(n), str(COLD_READS))
    note("lookup, cold", cold["seconds"] / COLD_READS * 1e6, "us", FLAT, DISK_US)
    note("lookups, own memory", cold["anon_peak_kb"] / 1e3, "MB", FLAT)

    drop_caches()
    seconds, path = s.mount()
    note("mount to first ls, cold", seconds * 1000, "ms", FLAT)
    s.timed(FIND + "; cat file", path)
    own, peak = s.memory()
    note("mount, own memory", own, "MB", FLAT)
    note("mount, peak with what is mapped", peak, "MB", FLAT)
    s.varve.unmount()
    drop_caches()
    with open(os.path.join(source, "more"), "w", encoding="ascii") as f:
        f.write("more\n")
    result = s.backup(source)
    note("backup of little, cold", result.seconds * 1000, "ms", FLAT)
    note("backup of little, peak memory", result.peak / 1e6, "MB", FLAT)


# --- A prune of an index of which all is needed ---


def prune(s, n):
    s.varve.reset()
    s.tool("scale", "runs", str(n), str(RUN_OBJECTS))
    s.tool("scale", "load")
    s.tool("scale", "tree", str(n))
    drop_caches()
    pruned = s.tool("scale", "prune")
    if pruned["live_objects"] < n:
        raise Failed("not all objects were marked")
    s.note("prune", n, "prune, all objects needed", pruned["seconds"], "s", LINEAR)
    s.note("prune", n, "prune, processor time", pruned["cpu_seconds"], "s", LINEAR)
    s.note("prune", n, "prune, own memory", pruned["anon_peak_kb"] / 1e3, "MB", LINEAR)
    s.note("prune", n, "prune, own memory, an object", pruned["anon_peak_kb"] * 1024 / n, "bytes", FLAT)


# --- A long sparse file ---


def sparse(s, size):
    def note(measure, value, unit, slope, bound=0):
        s.note("sparse", size, measure, value, unit, slope, bound)

    source = s.source("sparse")
    os.makedirs(source)
    s.tool("mkmany", "sparse", os.path.join(source, "file"), str(size), str(EXTENTS))
    s.varve.reset()
    note("backup", s.backup(source).seconds, "s", FLAT)
    shutil.rmtree(source)
    drop_caches()
    path = os.path.join(s.mount()[1], "file")
    fd = os.open(path, os.O_RDONLY)
    places = [random.randrange(size) for _ in range(LOOKUPS)]
    step = size // EXTENTS // 4096 * 4096
    pieces = [random.randrange(EXTENTS) * step for _ in range(LOOKUPS)]
    try:
        # Behind the last piece there is no more data.
        seek = [p for p in places if p < step * (EXTENTS - 1)]
        note("SEEK_DATA", each(len(seek), lambda i: os.lseek(fd, seek[i], os.SEEK_DATA)), "ms", FLAT)
        note("SEEK_HOLE", each(LOOKUPS, lambda i: os.lseek(fd, places[i], os.SEEK_HOLE)), "ms", FLAT)
        note("read of 4 KiB, hole", each(LOOKUPS, lambda i: os.pread(fd, 4096, places[i])), "ms", FLAT)
        note("read of 4 KiB, data", each(LOOKUPS, lambda i: os.pread(fd, 4096, pieces[i])), "ms", FLAT)
    finally:
        os.close(fd)
    note("mount, own memory", s.memory()[0], "MB", FLAT, MOUNT_MB)
    s.varve.unmount()


# --- Many small files ---


def files(s, n):
    def note(measure, value, unit, slope, bound=0):
        s.note("files", n, measure, value, unit, slope, bound)

    source = s.source("files", n)
    s.tool("mkmany", "files", source, str(n), "1000", "16")
    s.varve.reset()
    result = s.backup(source)
    note("backup", result.seconds, "s", LINEAR)
    note("backup, own memory", result.own, "MB", FLAT, BACKUP_MB)
    note("backup, peak with what is mapped", result.peak / 1e6, "MB", LINEAR)
    result = s.backup(source)
    note("again, unchanged", result.seconds, "s", LINEAR)
    note("again, own memory", result.own, "MB", FLAT, BACKUP_MB)
    note("again, peak with what is mapped", result.peak / 1e6, "MB", LINEAR)
    note("repository", s.varve.size() / 1e6, "MB", LINEAR)
    drop_caches()
    note("mount to first ls, cold", s.mount()[0] * 1000, "ms", FLAT)
    note("mount, own memory", s.memory()[0], "MB", FLAT, MOUNT_MB)
    s.varve.unmount()


M = 1000 * 1000
G = 1 << 30

GROUPS = [
    Group("directory", "files in one directory", directory, [1000, 10000], [10000, 100000, M], [10000, 100000, M]),
    Group("snapshots", "snapshots", snapshots, [1, 100], [1, 100, 1000, 10000], [1, 100, 1000, 10000, 100000]),
    Group("chunks", "chunks in the index", chunks, [10000, 100000], [100000, M, 10 * M], [M, 10 * M, 100 * M]),
    Group("prune", "objects that a prune marks", prune, [10000, 100000], [100000, M], [M, 10 * M, 100 * M]),
    Group("sparse", "bytes of a sparse file", sparse, [G, 16 * G], [G, 32 * G, 1024 * G], [G, 32 * G, 1024 * G]),
    Group("files", "small files", files, [1000, 10000], [10000, 100000, M], [100000, M, 10 * M]),
]
