#!/usr/bin/env python3
"""
Measure varve and restic over a slow network: an S3 server behind a round trip of 20 ms and a link of 200 Mbit/s.

Requests and bytes do not depend on the machine; seconds do, and the server, the network and the program share its
processors.  Contents as a whole are read by varve alone: who waits a round trip for each file would take half an hour, and
shows it in a subtree.
"""

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from growth import RUN_OBJECTS
from measure import Failed, Runner, describe_machine, drop_caches, may_drop_caches, tree_size
from programs import Restic, Varve
from remote_net import Server
from remote_table import Table

HERE = os.path.dirname(os.path.abspath(__file__))
READS = 40
TAR_SECONDS = 300
BLOCK = 4096
FIND = "find . -printf '%p %s %m %t\\n' >/dev/null"


def arguments():
    env = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--tree", default=env("TREE"), help="directory to back up (TREE), default the kernel tree of bench")
    parser.add_argument("--subtree", default=env("SUBTREE"), help="directory in it, for tar (SUBTREE), default scripts")
    parser.add_argument("--programs", default=env("PROGRAMS") or "varve,restic", help="which (PROGRAMS)")
    parser.add_argument("--delay", type=int, default=20, help="round trip, ms")
    parser.add_argument("--rate", type=int, default=200, help="Mbit/s")
    parser.add_argument("--chunks", type=int, default=int(env("CHUNKS") or 10 * 1000 * 1000),
                        help="of the large index (CHUNKS), default 10 million; 0: none")
    parser.add_argument("--build", default=env("BUILD") or "build", help="where varve and varvefs are (BUILD)")
    parser.add_argument("--work", default=env("BENCH_WORK"), help="parent of the work directory (BENCH_WORK), default /var/tmp")
    parser.add_argument("--out", default=None, help="where results go, default BUILD/bench")
    return parser.parse_args()


# --- The programs, over S3 ---


class Remote:
    """Mixed into a program: its repository is on the server."""

    def use(self, server):
        self.server = server

    def s3_env(self, env):
        env["AWS_ACCESS_KEY_ID"] = self.server.env["S3_ACCESS_KEY"]
        env["AWS_SECRET_ACCESS_KEY"] = self.server.env["S3_SECRET_KEY"]
        env["AWS_REGION"] = self.server.env["S3_REGION"]
        return env

    def forget(self):
        """As a machine that never saw the repository."""
        shutil.rmtree(os.path.join(self.dir, "cache"), ignore_errors=True)

    def stored(self, part=""):
        """Bytes on the server, below ${part}/ of the repository."""
        return tree_size(os.path.join(self.server.env["S3_ROOT"], self.name, part))


class RemoteVarve(Remote, Varve):
    def env(self):
        env = self.s3_env(super().env())
        env["VARVE_REPOSITORY"] = self.url(f"https://127.0.0.1:{self.server.port}")
        env["VARVE_CA_FILE"] = self.server.certificate
        return env

    def url(self, endpoint):
        return f"s3://{self.server.env['S3_BUCKET']}/varve?endpoint={endpoint}"

    def grow_index(self, chunks):
        """Put index runs of so many made-up objects, past the slow network."""
        env = self.env()
        env["VARVE_REPOSITORY"] = self.url(self.server.env["S3_ENDPOINT"])
        env["VARVE_CACHE_DIR"] = os.path.join(self.dir, "cache-grow")
        self.runner.run([os.path.join(self.build, "tests/tools/scale"), "runs", str(chunks), str(RUN_OBJECTS)], env=env)


class RemoteRestic(Remote, Restic):
    def env(self):
        env = self.s3_env(super().env())
        env["RESTIC_REPOSITORY"] = f"s3:https://127.0.0.1:{self.server.port}/{self.server.env['S3_BUCKET']}/restic"
        env["SSL_CERT_FILE"] = self.server.certificate
        return env


# --- The cases ---


class Bench:
    def __init__(self, options, work, names):
        self.options = options
        self.runner = Runner(os.path.join(work, "log"))
        self.server = Server(work, options.delay, options.rate)
        self.table = Table(names, options.delay, options.rate)

    def link_share(self, size, seconds):
        return size * 8 / seconds / (self.options.rate * 1e6)

    @contextlib.contextmanager
    def counted(self):
        """A function that tells what went over the network since, and the seconds."""
        mark, start = self.server.mark(), time.monotonic()
        yield lambda: (time.monotonic() - start, self.server.since(mark))

    @contextlib.contextmanager
    def mounted(self, p, fresh=True):
        """Mounted, and the root listed; on a machine that never saw the repository, if ${fresh}.  The snapshot's path."""
        if fresh:
            p.forget()
        drop_caches()
        try:
            yield p.mount("tree")
        finally:
            p.unmount()

    def shell(self, case, p, script, path):
        """One row: a script in the mounted directory.  The seconds, and what went over the network."""
        drop_caches()
        with self.counted() as result:
            seconds = self.runner.shell(script, cwd=path).seconds
            return seconds, result()[1]

    def backups(self, p):
        case = "backup of new data"
        with self.counted() as result:
            seconds = p.backup("tree", self.options.tree).seconds
            seen = result()[1]
        share = self.link_share(seen.up, seconds)
        self.table.add(case, p.name, seconds, seen, link=share)
        self.table.aim(case, p.name, "0.8 of the link", share >= 0.8)
        case = "again, unchanged"
        with self.counted() as result:
            seconds = p.backup("tree", self.options.tree).seconds
            seen = result()[1]
        self.table.add(case, p.name, seconds, seen, objects=seen.objects)
        self.table.aim(case, p.name, "5 objects", seen.objects <= 5)

    def first_look(self, p, case):
        """Mount and list on a machine that never saw the repository; it stays mounted."""
        p.forget()
        drop_caches()
        with self.counted() as result:
            path = p.mount("tree")
            seconds, seen = result()
        self.table.add(case, p.name, seconds, seen)
        self.table.aim(case, p.name, "10 requests and 1 MB", seen.count <= 10 and seen.down <= 1e6)
        return path

    def listing(self, p):
        case = "find of all, nothing cached"
        path = self.first_look(p, "mount and ls, nothing cached")
        seconds, seen = self.shell(case, p, FIND, path)
        more = {"mean KiB": seen.mean / 1024} if seen.count else {}
        if p.name == "varve" and seen.count:
            more["tree packs MB"] = p.stored("trees") / 1e6
            self.table.aim(case, p.name, "5 s, 256 KiB a request, no more bytes than tree packs have",
                           seconds < 5 and seen.mean >= 256 * 1024 and seen.down <= p.stored("trees"))
        self.table.add(case, p.name, seconds, seen, **more)
        self.table.add("find again", p.name, *self.shell(case, p, FIND, path))
        p.unmount()
        with self.mounted(p, fresh=False) as path:
            self.table.add("find after mounting again", p.name, *self.shell(case, p, FIND, path))

    def tar(self, case, p, path):
        """Who waits a round trip for each file is not waited for to the end.  Seconds, what was seen, bytes of the tar."""
        count = os.path.join(p.dir, "bytes")
        script = f"{{ timeout {TAR_SECONDS} tar -cf - . || [ $? -eq 124 ]; }} | wc -c >{count}"
        seconds, seen = self.shell(case, p, script, path)
        with open(count, encoding="ascii") as f:
            self.table.add(case, p.name, seconds, seen, **{"tar MB": int(f.read()) / 1e6})
        return seconds, seen, self.table.rows[case][p.name]

    def contents(self, p):
        case = "tar of all, nothing cached"
        with self.mounted(p) as path:
            seconds, seen, row = self.tar(case, p, path)
            row["of stored"] = seen.down / p.stored()
            row["link"] = self.link_share(seen.down, seconds)
            self.table.aim(case, p.name, "1.15 of what is stored", row["of stored"] <= 1.15)
            self.table.aim(case, p.name, "0.8 of the link", row["link"] >= 0.8)
            self.tar("tar of all, again", p, path)

    def subtree(self, p):
        name = self.options.subtree
        with self.mounted(p) as path:
            self.tar(f"tar of {name}/, nothing cached", p, os.path.join(path, name))
            self.tar(f"tar of {name}/, again", p, os.path.join(path, name))

    def some_files(self, path):
        """Some that have more than a block, of all that are below ${path}; so all directories have been listed."""
        names = []
        for root, _, files in os.walk(path):
            names += [path for path in (os.path.join(root, name) for name in files) if not os.path.islink(path)]
        names = random.Random(1).sample(sorted(names), min(4 * READS, len(names)))
        return [n for n in names if os.path.getsize(n) > BLOCK][:READS]

    def read_somewhere(self, case, p, names):
        with self.counted() as result:
            for name in names:
                with open(name, "rb", buffering=0) as f:
                    os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
                    f.seek(os.path.getsize(name) // 2)
                    f.read(BLOCK)
            seconds, seen = result()
        more = {"requests a read": seen.count / len(names), "ms a read": 1000 * seconds / len(names)}
        self.table.add(case, p.name, seconds, seen, **more)

    def random_reads(self, p):
        """Of files whose directories have been listed, one block each."""
        with self.mounted(p) as path:
            names = self.some_files(path)
            self.read_somewhere(f"4 KiB in each of {len(names)} files", p, names)

    def large_index(self, p):
        """The same first look, and reads, when the index is so large that nobody loads it for them."""
        p.grow_index(self.options.chunks)
        text = f"index of {self.options.chunks / 1e6:g} million chunks"
        path = self.first_look(p, f"mount and ls, {text}")
        names = self.some_files(path)
        self.read_somewhere("the first 4 KiB with that index", p, names[:1])
        self.read_somewhere(f"4 KiB in each of {len(names) - 1} more files", p, names[1:])
        p.unmount()

    def run(self, p):
        p.use(self.server)
        shutil.rmtree(p.dir, ignore_errors=True)
        os.makedirs(p.mountpoint)
        p.init()
        self.backups(p)
        self.listing(p)
        self.subtree(p)
        self.random_reads(p)
        if p.name == "varve":
            self.contents(p)
            if self.options.chunks:
                self.large_index(p)


def find_tree(options):
    if options.tree is None:
        text = subprocess.run([os.path.join(HERE, "data.sh"), "tree"], check=True, stdout=subprocess.PIPE).stdout.decode()
        options.tree = re.search(r"^TREE=(.*)$", text, re.M).group(1).strip("'\"")
    if not options.subtree:
        names = sorted(e.name for e in os.scandir(options.tree) if e.is_dir(follow_symlinks=False))
        options.subtree = "scripts" if "scripts" in names else names[0]


def main():
    options = arguments()
    find_tree(options)
    if not may_drop_caches():
        print("bench-remote: not root: caches are not dropped, cold is not cold", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = tempfile.mkdtemp(prefix="varve-remote-", dir=options.work or "/var/tmp")
    bench = Bench(options, work, options.programs.split(","))
    known = {
        "varve": lambda: RemoteVarve(bench.runner, work, os.path.abspath(options.build)),
        "restic": lambda: RemoteRestic(bench.runner, work),
    }
    programs, failed = [known[name]() for name in options.programs.split(",")], False
    out = options.out or os.path.join(options.build, "bench")
    try:
        for p in programs:
            try:
                bench.run(p)
            except (Failed, OSError, subprocess.SubprocessError) as error:
                print(f"{p.name}: {error}", file=sys.stderr)
                failed = True
                p.unmount()
        machine, versions = describe_machine(work), {p.name: p.version() for p in programs}
        bench.table.write(out, machine, versions)
        print("\n" + bench.table.text(machine, versions) + f"\nwritten: {out}/remote.txt remote.json")
    finally:
        bench.runner.stop()
        for p in programs:
            p.unmount()
        bench.server.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
