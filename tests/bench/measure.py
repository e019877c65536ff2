"""Timing of whole processes, and what there is to know about the machine."""

import os
import platform
import re
import shutil
import signal
import subprocess
import time


class Failed(Exception):
    """A program under measurement did not do what it should."""


class Result:
    """One finished process: seconds of wall, user and system time, peak memory in bytes."""

    def __init__(self, seconds, usage):
        self.seconds = seconds
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak = usage.ru_maxrss * 1024


class Runner:
    """Runs commands; what they print goes to a log that is shown when one fails."""

    def __init__(self, log_path):
        self.log_path = log_path
        self.log = open(log_path, "ab")
        self.child = None

    def run(self, argv, cwd=None, env=None, stdin=None, stdout=None, accept=(0,)):
        start_of_log = self.log.tell()
        self.log.write(("\n$ " + " ".join(argv) + "\n").encode())
        self.log.flush()
        start = time.monotonic()
        # A session of its own, so that a terminal's interrupt reaches us first.
        self.child = subprocess.Popen(
            argv,
            cwd=cwd,
            env=env,
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or self.log,
            stderr=self.log,
            start_new_session=True,
        )
        _, status, usage = os.wait4(self.child.pid, 0)
        seconds = time.monotonic() - start
        self.child.returncode = os.waitstatus_to_exitcode(status)
        code, self.child = self.child.returncode, None
        if code not in accept:
            raise Failed(f"{' '.join(argv[:3])} ...: exit status {code}: {self.tail(start_of_log)}")
        return Result(seconds, usage)

    def shell(self, script, cwd=None, env=None, accept=(0,)):
        """A pipeline; its parts count together."""
        return self.run(["bash", "-o", "pipefail", "-c", script], cwd=cwd, env=env, accept=accept)

    def output(self, argv, cwd=None, env=None):
        """What a command prints, for questions that are not timed."""
        done = subprocess.run(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, check=False
        )
        if done.returncode != 0:
            raise Failed(f"{' '.join(argv[:3])} ...: exit status {done.returncode}")
        return done.stdout.decode(errors="surrogateescape")

    def tail(self, since):
        with open(self.log_path, "rb") as f:
            f.seek(since)
            lines = f.read().decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-4:])[-400:]

    def stop(self):
        if self.child is not None:
            os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()
            self.child = None


def may_drop_caches():
    return os.access("/proc/sys/vm/drop_caches", os.W_OK)


def drop_caches():
    os.sync()
    if may_drop_caches():
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
            f.write("3\n")


def processes_with(text):
    """The processes that have ${text} in their command line, but for ourselves."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                if text.encode() in f.read():
                    found.append(int(entry))
        except OSError:
            continue
    return found


def peak_memory(pids):
    """Sum of the peak resident sizes, bytes."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
                for line in f:
                    if line.startswith("VmHWM:"):
                        total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def memory_of(pids):
    """Bytes: anonymous memory now, and the peak resident size, which has the mapped parts of files as well."""
    anonymous = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as f:
                for line in f:
                    if line.startswith("RssAnon:"):
                        anonymous += int(line.split()[1]) * 1024
        except OSError:
            continue
    return anonymous, peak_memory(pids)


def tree_size(path):
    """Bytes of all files below ${path}."""
    total = 0
    for root, _, files in os.walk(path):
        for name in files:
            total += os.lstat(os.path.join(root, name)).st_size
    return total


def _first_line(argv):
    try:
        out = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout.decode()
    except OSError:
        return ""
    return out.strip().splitlines()[0] if out.strip() else ""


def _tool_version(name):
    """GNU tar 1.34 and Zstandard v1.5.4 alike: the first number with dots in the first line."""
    found = re.search(r"v?([0-9]+(\.[0-9]+)+)", _first_line([name, "--version"]))
    return f"{name} {found.group(1)}" if found else name


def describe_machine(work):
    cpu = ""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith(("model name", "Model", "Hardware")):
                cpu = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    filesystem = _first_line(["findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", work])
    return {
        "cpu": cpu or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": memory,
        "kernel": platform.release(),
        "filesystem": " ".join(filesystem.split()),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "caches_dropped": may_drop_caches(),
        "tools": [_tool_version(name) for name in ("tar", "zstd", "rsync") if shutil.which(name)],
    }
