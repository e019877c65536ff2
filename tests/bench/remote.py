#!/usr/bin/env python3
"""
Measure varve and restic over a slow network: an S3 server behind a round trip of 20 ms and a link of 200 Mbit/s.

Requests and bytes do not depend on the machine; seconds do, and the server, the network and the program share its
processors.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from measure import Failed, Runner, describe_machine, drop_caches, may_drop_caches, tree_size
from programs import Restic, Varve

HERE = os.path.dirname(os.path.abspath(__file__))
SERVICES = os.path.join(HERE, "..", "services")
READS = 40
TAR_SECONDS = 120
BLOCK = 4096


def arguments():
    env = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--tree", default=env("TREE"), help="directory to back up (TREE), default the kernel tree of bench")
    parser.add_argument("--programs", default=env("PROGRAMS") or "varve,restic", help="which (PROGRAMS)")
    parser.add_argument("--delay", type=int, default=20, help="round trip, ms")
    parser.add_argument("--rate", type=int, default=200, help="Mbit/s")
    parser.add_argument("--build", default=env("BUILD") or "build", help="where varve and varvefs are (BUILD)")
    parser.add_argument("--work", default=env("BENCH_WORK"), help="parent of the work directory (BENCH_WORK), default /var/tmp")
    parser.add_argument("--out", default=None, help="where results go, default BUILD/bench")
    return parser.parse_args()


# --- The network and the server ---


class Server:
    """s3rver and the proxy before it."""

    def __init__(self, work, delay, rate):
        self.dir = os.path.join(work, "s3rver")
        self.control = os.path.join(work, "control")
        self.log = os.path.join(work, "requests.log")
        subprocess.run([os.path.join(SERVICES, "s3rver.sh"), "install"], check=True, stdout=subprocess.DEVNULL)
        self.running = True
        text = subprocess.run(
            [os.path.join(SERVICES, "s3rver.sh"), "start", self.dir], check=True, stdout=subprocess.PIPE
        ).stdout.decode()
        self.env = dict(re.findall(r"^export (\w+)=(.*)$", text, re.M))
        self.certificate, key = self.make_certificate(work)
        self.proxy = subprocess.Popen(
            [sys.executable, os.path.join(SERVICES, "proxy.py"), "--target", self.env["S3_PORT"], "--http"]
            + ["--control", self.control, "--log", self.log, "--tls", self.certificate, key],
            stdout=subprocess.PIPE,
        )
        self.port = self.proxy.stdout.readline().split()[1].decode()
        self.rate = rate
        self.tell("set", f"delay_ms={delay}", f"rate={rate}M")

    @staticmethod
    def make_certificate(work):
        """With TLS, as over the internet; and without it restic signs bodies in a way that s3rver does not take apart."""
        certificate, key = os.path.join(work, "cert.pem"), os.path.join(work, "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
            + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return certificate, key

    def tell(self, *words):
        done = subprocess.run(
            [sys.executable, os.path.join(SERVICES, "tell.py"), self.control, *words], check=True, stdout=subprocess.PIPE
        )
        return done.stdout.decode()

    def mark(self):
        """Where the log of requests ends now."""
        return os.path.getsize(self.log)

    def since(self, mark):
        with open(self.log, "rb") as f:
            f.seek(mark)
            return Requests([json.loads(line) for line in f.read().decode().splitlines()])

    def stop(self):
        if self.running:
            self.proxy.terminate()
            self.proxy.wait()
            subprocess.run([os.path.join(SERVICES, "s3rver.sh"), "stop", self.dir], check=False)
            shutil.rmtree(self.dir, ignore_errors=True)
        self.running = False


class Requests:
    """What went over the network between two moments."""

    def __init__(self, lines):
        gets = [line for line in lines if line["method"] == "GET"]
        self.count = len(lines)
        self.down = sum(line["down"] for line in lines)
        self.up = sum(line["up"] for line in lines)
        self.objects = len({line["target"].partition("?")[0] for line in gets if "list-type" not in line["target"]})
        bodies = [line["down"] for line in gets if "list-type" not in line["target"] and line["status"] in (200, 206)]
        self.mean = sum(bodies) / len(bodies) if bodies else 0


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
        env["VARVE_REPOSITORY"] = f"s3://{self.server.env['S3_BUCKET']}/varve?endpoint=https://127.0.0.1:{self.server.port}"
        env["VARVE_CA_FILE"] = self.server.certificate
        return env


class RemoteRestic(Remote, Restic):
    def env(self):
        env = self.s3_env(super().env())
        env["RESTIC_REPOSITORY"] = f"s3:https://127.0.0.1:{self.server.port}/{self.server.env['S3_BUCKET']}/restic"
        env["SSL_CERT_FILE"] = self.server.certificate
        return env


# --- The cases ---


class Bench:
    def __init__(self, options, work):
        self.options = options
        self.runner = Runner(os.path.join(work, "log"))
        self.server = Server(work, options.delay, options.rate)
        self.rows = []  # (case, program, {measure: value})

    def row(self, case, program, seconds, requests, **more):
        values = {"s": seconds, "requests": requests.count, "down MB": requests.down / 1e6, "up MB": requests.up / 1e6}
        values.update(more)
        self.rows.append((case, program.name, values))
        print(f"{case:34} {program.name:8} " + "  ".join(f"{k} {v:.4g}" for k, v in values.items()), flush=True)

    def timed(self, script, cwd):
        drop_caches()
        return self.runner.shell(script, cwd=cwd).seconds

    def link_share(self, size, seconds):
        return size * 8 / seconds / (self.options.rate * 1e6)

    def backups(self, p):
        mark = self.server.mark()
        result = p.backup("tree", self.options.tree)
        seen = self.server.since(mark)
        self.row("backup of new data", p, result.seconds, seen, link=self.link_share(seen.up, result.seconds))
        mark = self.server.mark()
        result = p.backup("tree", self.options.tree)
        seen = self.server.since(mark)
        self.row("backup again, unchanged", p, result.seconds, seen, objects=seen.objects)

    def mounted(self, p, case, script, fresh=True):
        """On a machine that never saw the repository: mount, and run the script in the snapshot."""
        if fresh:
            p.forget()
        drop_caches()
        mark, start = self.server.mark(), time.monotonic()
        path = p.mount("tree")
        first = time.monotonic() - start
        mounted = self.server.since(mark)
        mark = self.server.mark()
        seconds = script(path)
        self.row(case, p, seconds, self.server.since(mark), mean_KiB=self.server.since(mark).mean / 1024)
        return first, mounted, path

    def listing(self, p):
        find = lambda path: self.timed("find . -printf '%p %s %m %t\\n' >/dev/null", path)
        first, mounted, path = self.mounted(p, "find of all, nothing cached", find)
        if p.name == "varve":
            self.rows[-1][2]["tree packs MB"] = p.stored("trees") / 1e6
        self.row("mount and ls, nothing cached", p, first, mounted)
        mark = self.server.mark()
        seconds = self.timed("find . -printf '%p %s %m %t\\n' >/dev/null", path)
        self.row("find again", p, seconds, self.server.since(mark))
        p.unmount()
        self.mounted(p, "find after mounting again", find, fresh=False)
        p.unmount()

    def contents(self, p):
        counted = os.path.join(p.dir, "bytes")

        def tar(path):
            # Who waits a round trip for each file is not waited for to the end.
            return self.timed(f"{{ timeout {TAR_SECONDS} tar -cf - . || [ $? -eq 124 ]; }} | wc -c >{counted}", path)

        def read():
            with open(counted, encoding="ascii") as f:
                return int(f.read()) / 1e6

        p.forget()
        drop_caches()
        path = p.mount("tree")
        mark = self.server.mark()
        seconds = tar(path)
        seen, stored = self.server.since(mark), p.stored()
        more = {"tar MB": read(), "tar MB/s": read() / seconds, "of stored": seen.down / stored}
        self.row("tar of all, nothing cached", p, seconds, seen, link=self.link_share(seen.down, seconds), **more)
        mark = self.server.mark()
        seconds = tar(path)
        self.row("tar again", p, seconds, self.server.since(mark), **{"tar MB": read(), "tar MB/s": read() / seconds})
        p.unmount()

    def random_reads(self, p):
        """Of files whose directories have been listed, one block each."""
        p.forget()
        path = p.mount("tree")
        names = []
        for root, _, files in os.walk(path):
            names += [path for path in (os.path.join(root, name) for name in files) if not os.path.islink(path)]
        names = [n for n in random.Random(1).sample(sorted(names), 4 * READS) if os.path.getsize(n) > BLOCK][:READS]
        mark, start = self.server.mark(), time.monotonic()
        for name in names:
            with open(name, "rb", buffering=0) as f:
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
                f.seek(os.path.getsize(name) // 2)
                f.read(BLOCK)
        seconds, seen = time.monotonic() - start, self.server.since(mark)
        self.row("a random read of 4 KiB", p, seconds / len(names), seen, per_read=seen.count / len(names))
        p.unmount()

    def run(self, p):
        p.use(self.server)
        shutil.rmtree(p.dir, ignore_errors=True)
        os.makedirs(p.mountpoint)
        p.init()
        self.backups(p)
        self.listing(p)
        self.contents(p)
        self.random_reads(p)

    def write(self, out, machine, versions):
        os.makedirs(out, exist_ok=True)
        with open(os.path.join(out, "remote.json"), "w", encoding="utf-8") as f:
            data = {"machine": machine, "versions": versions, "delay_ms": self.options.delay, "mbit": self.options.rate}
            data["rows"] = [{"case": c, "program": p, **v} for c, p, v in self.rows]
            json.dump(data, f, indent=1)
        return os.path.join(out, "remote.json")


def main():
    options = arguments()
    if options.tree is None:
        text = subprocess.run([os.path.join(HERE, "data.sh"), "tree"], check=True, stdout=subprocess.PIPE).stdout.decode()
        options.tree = re.search(r"^TREE=(.*)$", text, re.M).group(1).strip("'\"")
    if not may_drop_caches():
        print("bench-remote: not root: caches are not dropped, cold is not cold", file=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    work = tempfile.mkdtemp(prefix="varve-remote-", dir=options.work or "/var/tmp")
    bench = Bench(options, work)
    known = {
        "varve": lambda: RemoteVarve(bench.runner, work, os.path.abspath(options.build)),
        "restic": lambda: RemoteRestic(bench.runner, work),
    }
    programs, failed = [known[name]() for name in options.programs.split(",")], False
    try:
        for p in programs:
            try:
                bench.run(p)
            except (Failed, OSError, subprocess.SubprocessError) as error:
                print(f"{p.name}: {error}", file=sys.stderr)
                failed = True
                p.unmount()
        versions = {p.name: p.version() for p in programs}
        print("written:", bench.write(options.out or os.path.join(options.build, "bench"), describe_machine(work), versions))
    finally:
        bench.runner.stop()
        for p in programs:
            p.unmount()
        bench.server.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
