"""The programs that are compared: how each is asked to do the same thing."""

import os
import shutil
import subprocess
import time

from measure import Failed, peak_memory, processes_with, tree_size

PASSWORD = "a password for the benchmark"
MOUNT_SECONDS = 60


class Program:
    """A backup program with a repository below ${work}.  Subclasses fill in the commands."""

    name = ""

    def __init__(self, runner, work):
        self.runner = runner
        self.dir = os.path.join(work, self.name)
        self.repo = os.path.join(self.dir, "repo")
        self.mountpoint = os.path.join(self.dir, "mnt")
        self.have = set()  # what was backed up into this repository: "tree", "next", "big"
        self.backup_peak = 0
        self.mount_peak = 0
        self.counters = {}  # of the last mount, if the program counts
        self.daemon = None

    def env(self):
        env = dict(os.environ)
        env["HOME"] = self.dir
        env["XDG_CACHE_HOME"] = os.path.join(self.dir, "cache")
        env["LC_ALL"] = "C.UTF-8"
        return env

    def run(self, argv, **options):
        return self.runner.run(argv, env=self.env(), **options)

    def reset(self):
        """Begin with an empty repository and no caches."""
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.mountpoint)
        self.have = set()
        self.init()

    def backup(self, what, source):
        """Back up the directory ${source}; return the result."""
        result = self.backup_command(what, source)
        self.have.add(what)
        self.backup_peak = max(self.backup_peak, result.peak)
        return result

    def size(self):
        return tree_size(self.repo)

    def mount(self, what):
        """Mount, and return the path of the backed up directory as soon as it can be listed."""
        self.mount_command(what)
        deadline = time.monotonic() + MOUNT_SECONDS
        while time.monotonic() < deadline:
            try:
                path = self.find_mounted(what)
                if path and os.listdir(path):
                    return path
            except OSError:
                pass
            if self.daemon is not None and self.daemon.poll() is not None:
                raise Failed(f"{self.name} mount: exit status {self.daemon.returncode}: {self.log_tail()}")
            time.sleep(0.002)
        raise Failed(f"{self.name} mount: nothing to be listed after {MOUNT_SECONDS} s")

    def log_tail(self):
        return self.runner.tail(max(0, os.path.getsize(self.runner.log_path) - 1000))

    def unmount(self):
        if not os.path.isdir(self.dir):
            return
        pids = processes_with(self.mountpoint)
        self.mount_peak = max(self.mount_peak, peak_memory(pids))
        if os.path.ismount(self.mountpoint):
            self.counters = self.read_counters()
        while os.path.ismount(self.mountpoint):
            for argv in (["fusermount3", "-u", self.mountpoint], ["umount", "-l", self.mountpoint]):
                if subprocess.run(argv, stderr=subprocess.DEVNULL, check=False).returncode == 0:
                    break
            else:
                time.sleep(0.2)
        if self.daemon is not None:
            self.daemon.wait()
            self.daemon = None
        for _ in range(500):
            if not processes_with(self.mountpoint):
                break
            time.sleep(0.02)

    def start_daemon(self, argv):
        self.daemon = subprocess.Popen(
            argv,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            stdout=self.runner.log,
            stderr=self.runner.log,
            start_new_session=True,
        )

    def read_counters(self):
        """What the mount has been asked and what it asked of the store."""
        return {}

    def version(self):
        raise NotImplementedError

    def init(self):
        raise NotImplementedError

    def backup_command(self, what, source):
        raise NotImplementedError

    def mount_command(self, what):
        raise NotImplementedError

    def find_mounted(self, what):
        raise NotImplementedError

    def restore(self, what, target):
        """Restore into the empty directory ${target}."""
        raise NotImplementedError

    def check(self):
        """Verify every byte of the repository."""
        raise NotImplementedError


class Varve(Program):
    name = "varve"

    def __init__(self, runner, work, build):
        super().__init__(runner, work)
        self.program = os.path.join(build, "varve")
        self.build = build
        self.threads = 0  # of backups; 0: as varve finds right
        self.key_file = None  # used instead of the password

    def env(self):
        env = super().env()
        env["VARVE_REPOSITORY"] = self.repo
        if self.key_file:
            env["VARVE_KEY_FILE"] = self.key_file
        else:
            env["VARVE_PASSWORD"] = PASSWORD
        env["VARVE_CACHE_DIR"] = os.path.join(self.dir, "cache")
        env["PATH"] = self.build + ":" + env["PATH"]
        return env

    def version(self):
        return self.runner.output([self.program, "version"]).strip().splitlines()[0]

    def init(self):
        self.run([self.program, "init"])

    def add_key_file(self):
        """Make a key file that opens the repository; return its path."""
        path = os.path.join(self.dir, "key")
        with open(path, "wb") as f:
            f.write(os.urandom(64))
        self.run([self.program, "key", "add", "--role", "owner", "--new-key-file", path])
        return path

    def backup_command(self, what, source):
        threads = ["--threads", str(self.threads)] if self.threads else []
        return self.run([self.program, "backup", "-q"] + threads + ["--tag", what, "."], cwd=source)

    def mount_command(self, what):
        self.run([self.program, "mount", self.mountpoint])

    def find_mounted(self, what):
        tag = os.path.join(self.mountpoint, "tags", what)
        return os.path.join(tag, sorted(os.listdir(tag))[-1])

    def read_counters(self):
        try:
            text = os.getxattr(self.mountpoint, "user.varve.requests").decode()
        except OSError:
            return {}
        return {name: int(count) for name, count in (line.split() for line in text.splitlines())}

    def restore(self, what, target):
        return self.run([self.program, "restore", "-q", "--tag", what, "latest", "--target", target])

    def check(self):
        return self.run([self.program, "check", "-q", "--read-data"])


class Restic(Program):
    name = "restic"

    def __init__(self, runner, work):
        super().__init__(runner, work)
        self.program = os.environ.get("RESTIC") or "restic"

    def env(self):
        env = super().env()
        env["RESTIC_REPOSITORY"] = self.repo
        env["RESTIC_PASSWORD"] = PASSWORD
        env["RESTIC_CACHE_DIR"] = os.path.join(self.dir, "cache")
        return env

    def version(self):
        return " ".join(self.runner.output([self.program, "version"]).split()[:2])

    def init(self):
        self.run([self.program, "init"])

    def backup_command(self, what, source):
        return self.run([self.program, "backup", "-q", "--tag", what, "."], cwd=source)

    def mount_command(self, what):
        self.start_daemon([self.program, "mount", self.mountpoint])

    def find_mounted(self, what):
        return os.path.join(self.mountpoint, "tags", what, "latest")

    def restore(self, what, target):
        return self.run([self.program, "restore", "-q", "--tag", what, "latest", "--target", target])

    def check(self):
        return self.run([self.program, "check", "-q", "--read-data"])


class Borg(Program):
    name = "borg"

    def __init__(self, runner, work):
        super().__init__(runner, work)
        self.program = os.environ.get("BORG") or "borg"
        self.number = 0
        self.archive = {}

    def env(self):
        env = super().env()
        env["BORG_REPO"] = self.repo
        env["BORG_PASSPHRASE"] = PASSWORD
        env["BORG_BASE_DIR"] = self.dir
        return env

    def version(self):
        return self.runner.output([self.program, "--version"]).strip()

    def init(self):
        self.run([self.program, "init", "-e", "repokey-blake2"])

    def backup_command(self, what, source):
        self.number += 1
        self.archive[what] = f"::{what}-{self.number}"
        # Status 1 is a warning, for example that a file changed.
        return self.run([self.program, "create", "-C", "zstd,3", self.archive[what], "."], cwd=source, accept=(0, 1))

    def mount_command(self, what):
        self.start_daemon([self.program, "mount", "-f", self.archive[what], self.mountpoint])

    def find_mounted(self, what):
        return self.mountpoint if os.path.ismount(self.mountpoint) else None

    def restore(self, what, target):
        return self.run([self.program, "extract", self.archive[what]], cwd=target)

    def check(self):
        return self.run([self.program, "check", "--verify-data"])
