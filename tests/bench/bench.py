#!/usr/bin/env python3
"""
Compare varve with other backup programs and with native tools on the same data, in one run.

Each run is a whole pass: new repositories, then every case, for one program after the other, in another order each time.  The
table has the medians.  A row in which varve is not ahead of every peer is marked.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import report
from cases import CASES as MAIN_CASES
from cases_load import CASES as LOAD_CASES
from measure import Failed, Runner, describe_machine, drop_caches, may_drop_caches
from programs import Borg, Restic, Varve

CASES = MAIN_CASES + LOAD_CASES
HERE = os.path.dirname(os.path.abspath(__file__))
DELETED_LATELY = 300  # seconds; RECENTCY_MIN and RECENTCY_DIRTY of fs/ext4/ialloc.c


class Bench:
    """The data, the work directory, and what cases need of them."""

    def __init__(self, data, work, build):
        self.data = data
        self.work = work
        self.build = build
        self.runner = Runner(os.path.join(work, "log"))
        self.counts = {}
        self.requests = {}  # by case: what the last mount counted
        self.bound = []
        self.cleared = None  # when there was last something to clear away

    # --- The data ---

    @contextlib.contextmanager
    def source(self, what):
        """
        The directory with what is to be backed up.  As root the tree and its next version are seen at one and the same path,
        as they would be in life.
        """
        if what == "big":
            yield self.big_directory()
            return
        if os.geteuid() != 0:
            yield self.data[what]
            return
        place = os.path.join(self.work, "source")
        os.makedirs(place, exist_ok=True)
        self.bind(self.data[what], place)
        try:
            yield place
        finally:
            self.unbind(place)

    def bind(self, what, place):
        subprocess.run(["mount", "--bind", what, place], check=True)
        self.bound.append(place)

    def unbind(self, place):
        subprocess.run(["umount", place], check=True)
        self.bound.remove(place)

    def big_directory(self):
        place = os.path.join(self.work, "big")
        name = os.path.join(place, "big")
        if not os.path.exists(name):
            os.makedirs(place)
            size = self.data["big_size"]
            if size and size < os.path.getsize(self.data["big"]):
                with open(self.data["big"], "rb") as source, open(name, "wb") as target:
                    while target.tell() < size:
                        target.write(source.read(min(1 << 20, size - target.tell())))
            else:
                self.link(self.data["big"], name)
        return place

    @staticmethod
    def link(source, target):
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    def warm(self, source):
        self.runner.shell("tar -cf - . | cat >/dev/null", cwd=source)

    def subtrees(self):
        """Four large directories: in a kernel's source, elsewhere the first ones."""
        known = ["arch", "drivers/gpu", "drivers/net", "sound"]
        if all(os.path.isdir(os.path.join(self.data["tree"], d)) for d in known):
            return known
        found = sorted(e.name for e in os.scandir(self.data["tree"]) if e.is_dir(follow_symlinks=False))
        return found[:4]

    def subtree(self):
        """A tenth of the tree or so: in a kernel's source the network drivers, elsewhere the first directory."""
        if os.path.isdir(os.path.join(self.data["tree"], "drivers/net")):
            return "drivers/net"
        for entry in sorted(os.scandir(self.data["tree"]), key=lambda e: e.name):
            if entry.is_dir(follow_symlinks=False):
                return entry.name
        raise Failed("no directory in the tree")

    def count(self, what):
        """(entries, bytes of regular files) of the tree or the big file."""
        if what not in self.counts:
            entries = size = 0
            with self.source(what) as source:
                for root, _, files in os.walk(source):
                    entries += 1
                    # os.walk lists symlinks to directories among the directories.
                    with os.scandir(root) as found:
                        for entry in found:
                            entries += entry.is_symlink() or not entry.is_dir()
                            if entry.is_file(follow_symlinks=False):
                                size += entry.stat(follow_symlinks=False).st_size
            self.counts[what] = (entries, size)
        return self.counts[what]

    def entries(self, what):
        return self.count(what)[0]

    def bytes(self, what):
        return self.count(what)[1]

    # --- What cases stand on ---

    def ensure(self, program, *wanted):
        """Have these backed up, without timing it."""
        if not program.have:
            program.reset()
        for what in wanted:
            if what not in program.have:
                with self.source(what) as source:
                    program.backup(what, source)

    @contextlib.contextmanager
    def mounted(self, program, what):
        """A fresh mount, everything cold; the path of what was backed up."""
        self.ensure(program, what)
        drop_caches()
        try:
            yield program.mount(what)
        finally:
            program.unmount()

    @contextlib.contextmanager
    def scratch(self):
        """
        An empty directory to write to.  It stays until clear_scratch(): ext4 avoids inodes that were deleted lately, and
        whoever makes many files in the five minutes after that pays for looking for others (half of a restore's time).
        """
        if self.cleared is not None:
            time.sleep(max(0, self.cleared + DELETED_LATELY - time.monotonic()))
        yield tempfile.mkdtemp(prefix="scratch-", dir=self.work)

    def clear_scratch(self):
        for name in os.listdir(self.work):
            if name.startswith("scratch-"):
                shutil.rmtree(os.path.join(self.work, name), ignore_errors=True)
                self.cleared = time.monotonic()

    def verify_restored(self, what, target):
        size = 0
        for root, _, files in os.walk(target):
            for name in files:
                st = os.lstat(os.path.join(root, name))
                if not os.path.islink(os.path.join(root, name)):
                    size += st.st_size
        if size != self.bytes(what):
            raise Failed(f"restored {size} bytes of {self.bytes(what)}")

    def close(self, programs):
        self.runner.stop()
        for program in programs:
            with contextlib.suppress(OSError):
                program.unmount()
        for place in list(self.bound):
            subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(self.work, ignore_errors=True)


def arguments():
    env = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--runs", type=int, default=int(env("RUNS") or 3), help="passes (RUNS), default 3")
    parser.add_argument(
        "--cases", default=env("CASES") or "", help="those whose name begins with one of these words (CASES), a,b,..."
    )
    parser.add_argument("--peers", default=env("PEERS", "restic,borg"), help="backup programs besides varve (PEERS)")
    parser.add_argument("--build", default=env("BUILD") or "build", help="where varve and varvefs are (BUILD)")
    parser.add_argument("--tree", default=env("BENCH_TREE"), help="the tree, instead of a kernel's source (BENCH_TREE)")
    parser.add_argument("--next", default=env("BENCH_NEXT"), help="its next version (BENCH_NEXT)")
    parser.add_argument("--big", default=env("BENCH_BIG"), help="the big file (BENCH_BIG)")
    parser.add_argument("--big-size", default=env("BENCH_BIG_SIZE"), help="only so many MiB of it (BENCH_BIG_SIZE)")
    parser.add_argument("--work", default=env("BENCH_WORK"), help="parent of the work directory (BENCH_WORK)")
    parser.add_argument("--out", default=None, help="where results go, default BUILD/bench")
    parser.add_argument("--no-varve", action="store_true", help="without varve")
    parser.add_argument("--no-native", action="store_true", help="without native tools")
    parser.add_argument("--list", action="store_true", help="list the cases")
    return parser.parse_args()


def find_data(options):
    """What was not given is fetched or made by data.sh."""
    wanted = [] if options.tree and options.next else ["tree"]
    wanted += [] if options.big else ["big"]
    found = {}
    if wanted:
        out = subprocess.run([os.path.join(HERE, "data.sh")] + wanted, stdout=subprocess.PIPE, check=True).stdout.decode()
        for line in out.splitlines():
            key, value = line.split("=", 1)
            found[key.lower()] = shlex.split(value)[0]
    return {
        "tree": os.path.realpath(options.tree or found["tree"]),
        "next": os.path.realpath(options.next or found["next"]),
        "big": os.path.realpath(options.big or found["big"]),
        "big_size": int(options.big_size) << 20 if options.big_size else 0,
    }


def chosen_cases(words):
    words = [w for w in words.split(",") if w]
    idle = [w for w in words if not any(c.name.startswith(w) for c in CASES)]
    if idle:
        sys.exit(f"bench: no case begins with: {', '.join(idle)}")
    return [c for c in CASES if not words or any(c.name.startswith(w) for w in words)]


def make_programs(options, bench):
    peers = [p for p in options.peers.split(",") if p]
    unknown = set(peers) - {"restic", "borg"}
    if unknown:
        sys.exit(f"bench: no such peer: {', '.join(sorted(unknown))}")
    programs = []
    if not options.no_varve:
        programs.append(Varve(bench.runner, bench.work, bench.build))
    if "restic" in peers:
        programs.append(Restic(bench.runner, bench.work))
    if "borg" in peers:
        programs.append(Borg(bench.runner, bench.work))
    versions = {}
    for program in list(programs):
        try:
            versions[program.name] = program.version()
        except (OSError, Failed) as error:
            if program.name == "varve":
                sys.exit(f"bench: varve does not run: {error}")
            print(f"bench: without {program.name}: {error}", file=sys.stderr)
            programs.remove(program)
    return programs, versions


def measure_one(bench, case, name, call, results, label):
    """One figure; a failure is a result, too."""
    try:
        value = call()
    except (Failed, OSError, subprocess.SubprocessError) as error:
        results.setdefault(case.name, {}).setdefault(name, []).append(None)
        print(f"{label} {case.name:12} {name:7} failed: {error}", file=sys.stderr)
        return
    if value is None:
        return
    results.setdefault(case.name, {}).setdefault(name, []).append(value)
    print(f"{label} {case.name:12} {name:7} {report.format_value(value)} {case.unit}", file=sys.stderr, flush=True)


def run_pass(bench, cases, programs, native, number, runs, results):
    label = f"[{number + 1}/{runs}]"
    shift = number % max(1, len(programs))
    order = programs[shift:] + programs[:shift]
    bench.clear_scratch()
    for program in programs:
        program.have = set()
    for case in cases:
        for program in order:
            program.counters = {}
            measure_one(bench, case, program.name, lambda p=program: case.measure(bench, p), results, label)
            if program.counters:
                bench.requests[case.name] = program.counters
        if native and case.native:
            measure_one(bench, case, "native", lambda: case.native(bench), results, label)


def medians(results):
    """A program that failed in one of its runs has no figure."""
    return {
        case: {name: None if None in values else statistics.median(values) for name, values in row.items()}
        for case, row in results.items()
    }


def main():
    options = arguments()
    if options.list:
        for case in CASES:
            print(f"{case.name:12} {case.title} ({case.unit})")
        return 0
    cases = chosen_cases(options.cases)
    data = find_data(options)
    parent = options.work or os.path.dirname(data["tree"])
    os.makedirs(parent, exist_ok=True)
    bench = Bench(data, tempfile.mkdtemp(prefix="varve-bench-", dir=parent), os.path.abspath(options.build))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    programs = []
    results = {}
    try:
        programs, versions = make_programs(options, bench)
        if not may_drop_caches():
            print("bench: not root: caches are not dropped, cold is not cold", file=sys.stderr)
        machine = describe_machine(bench.work)
        facts = {"tree": bench.count("tree"), "big": bench.count("big"), "subtree": bench.subtree()}
        for number in range(options.runs):
            run_pass(bench, cases, programs, not options.no_native, number, options.runs, results)
    except KeyboardInterrupt:
        print("bench: interrupted; what there is:", file=sys.stderr)
    finally:
        bench.close(programs)
    if not results:
        return 130
    columns = [p.name for p in programs] + ([] if options.no_native else ["native"])
    table = report.Table(cases, columns, medians(results), results, versions, machine, facts, bench.requests)
    out = options.out or os.path.join(options.build, "bench")
    table.write(out)
    print(table.text(), end="")
    print(f"\nwritten: {out}/bench.txt bench.json bench.svg")
    return 1 if table.failed() else 0


if __name__ == "__main__":
    sys.exit(main())
