"""What all parts of the soak share: programs, sources that change, repositories, and what must hold after each blow."""
import ctypes
import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import time


class Lost(Exception):
    """What must not happen has happened."""


class Skip(Exception):
    """A part cannot run here."""


class Rig:
    """The programs of a build, and a directory to work in."""

    def __init__(self, build, work, seed):
        self.build, self.work, self.seed = os.path.abspath(build), os.path.realpath(work), seed
        self.varve, self.varvefs = f'{self.build}/varve', f'{self.build}/varvefs'
        self.tools = f'{self.build}/tests/tools'
        self.mounted = []
        self.running = []
        for program in (self.varve, self.varvefs):
            if not os.access(program, os.X_OK):
                raise SystemExit(f'soak: {program} is not there; run: make soak')

    def rng(self, *words):
        """Random numbers of their own for a part and a round, the same for the same seed."""
        return random.Random(':'.join(map(str, (self.seed, *words))))

    def preload(self, name, **variables):
        """The environment that puts a library of tests/preload before the C library's functions."""
        library = f'{self.build}/tests/preload/{name}.so'
        if not os.path.exists(library):
            raise SystemExit(f'soak: {library} is not there; run: make soak')
        env = {key: str(value) for key, value in variables.items()}
        env['LD_PRELOAD'] = library
        # The sanitizer wants to be the first library, for its own malloc, which these leave alone.
        env['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'
        return env

    def directory(self, name):
        path = f'{self.work}/{name}'
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
        return path

    def mount_tmpfs(self, name, size):
        path = self.directory(name)
        command = ['mount', '-t', 'tmpfs', '-o', f'size={size},mode=700', 'tmpfs', path]
        done = subprocess.run(command, capture_output=True)
        if done.returncode != 0:
            raise Skip('cannot mount a tmpfs here')
        self.mounted.append(path)
        return path

    def unmount(self, path):
        for command in (['fusermount3', '-uz', path], ['umount', '-l', path]):
            if os.path.ismount(path) or is_dead_mount(path):
                subprocess.run(command, capture_output=True)
        if path in self.mounted:
            self.mounted.remove(path)

    def end(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        for path in list(self.mounted):
            self.unmount(path)


def is_dead_mount(path):
    """A filesystem whose daemon was killed: its root cannot be looked at."""
    try:
        os.stat(path)
        return False
    except OSError as e:
        return e.errno == 107  # ENOTCONN


def die_with_parent():
    """In a child: nothing of ours is left behind, whoever kills us.  1 is PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


# --- Trees ------------------------------------------------------------------------------------------------------------

def file_digest(path):
    h = hashlib.blake2b(digest_size=16)
    with open(path, 'rb', buffering=0) as f:
        while data := f.read(1 << 20):
            h.update(data)
    return h.hexdigest()


def entry_digest(path, st):
    """All that must come back of an entry, as one line."""
    line = f'{st.st_mode:o} {st.st_uid} {st.st_gid}'
    if stat.S_ISREG(st.st_mode):
        line += f' {st.st_size} {st.st_mtime_ns} {file_digest(path)}'
    elif stat.S_ISLNK(st.st_mode):
        line += f' {os.readlink(path)}'
    return line


def tree_digest(top):
    """{path: line} of everything below ${top}."""
    out, todo = {}, ['']
    while todo:
        at = todo.pop()
        with os.scandir(f'{top}/{at}') as entries:
            for e in entries:
                name = f'{at}/{e.name}' if at else e.name
                st = e.stat(follow_symlinks=False)
                out[name] = entry_digest(f'{top}/{name}', st)
                if stat.S_ISDIR(st.st_mode):
                    todo.append(name)
    return out


def compare(what, got, want):
    """Raise Lost unless the two digests are the same; say where they are not."""
    if got == want:
        return
    wrong = [f'{path}: {got.get(path, "missing")} where {want.get(path, "nothing")} was expected'
             for path in sorted(set(got) | set(want)) if got.get(path) != want.get(path)]
    raise Lost(f'{what}: {len(wrong)} entries are wrong: ' + '; '.join(wrong[:5]))


class Source:
    """A tree that changes a little from one backup to the next: new, rewritten, moved, deleted and double files."""

    def __init__(self, top, rng, files=60, size=40000):
        self.top, self.rng, self.size, self.made = top, rng, size, 0
        os.makedirs(top)
        for _ in range(files):
            self.create()

    def contents(self):
        n = self.rng.randrange(self.size * 2)
        kind = self.rng.randrange(3)
        if kind == 0:
            return self.rng.randbytes(n)
        if kind == 1:
            return (b'line %d of something that compresses\n' % self.made) * (n // 36)
        # What is in other files as well, and so is deduplicated against them.
        common = random.Random(self.rng.randrange(8)).randbytes(self.size)
        return common + self.rng.randbytes(n // 4)

    def path(self):
        self.made += 1
        directory = f'{self.top}/{self.rng.randrange(6)}/{self.rng.randrange(4)}'
        os.makedirs(directory, exist_ok=True)
        return f'{directory}/{self.made}'

    def create(self):
        with open(self.path(), 'wb') as f:
            f.write(self.contents())

    def pick(self):
        files = sorted(os.path.join(d, f) for d, _, names in os.walk(self.top) for f in names)
        return self.rng.choice(files) if files else None

    def mutate(self, changes=8):
        for _ in range(changes):
            victim = self.pick()
            kind = self.rng.randrange(6) if victim else 0
            if kind == 0:
                self.create()
            elif kind == 1:
                with open(victim, 'wb') as f:
                    f.write(self.contents())
            elif kind == 2:
                with open(victim, 'ab') as f:
                    f.write(self.contents()[:5000])
            elif kind == 3:
                os.rename(victim, self.path())
            elif kind == 4:
                os.remove(victim)
            else:
                shutil.copy(victim, self.path())

    def digest(self):
        return tree_digest(self.top)


# --- Repositories -----------------------------------------------------------------------------------------------------

class Result:
    def __init__(self, process, out, err):
        self.status, self.out, self.err = process.returncode, out, err

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines() if line.startswith('{')]

    def summary(self):
        """The last object that the command printed with --json."""
        return self.lines()[-1]


class Repo:
    """A repository, what is known to be in it, and one machine's cache of it."""

    SIZES = ('--pack-size', '1M', '--chunk-avg', '16K')

    def __init__(self, rig, name, url=None, init=True, env=None, grace=None):
        self.rig, self.name, self.grace = rig, name, grace
        self.url = url or f'{rig.work}/{name}'
        self.key, self.cache = f'{rig.work}/{name}.key', f'{rig.work}/{name}.cache'
        self.env = env or {}
        self.history = {}  # snapshot -> digest of what was backed up
        if init:
            shutil.rmtree(self.url if '://' not in self.url else self.cache, ignore_errors=True)
            shutil.rmtree(self.cache, ignore_errors=True)
            with open(os.open(self.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as f:
                f.write(os.urandom(64))
            self.run('init', *self.SIZES, *(['--grace', f'{grace}s'] if grace else []))

    def environment(self, extra=None, cache=None):
        return {**os.environ, 'VARVE_REPOSITORY': self.url, 'VARVE_KEY_FILE': self.key,
                'VARVE_CACHE_DIR': cache or self.cache, **self.env, **(extra or {})}

    def start(self, *args, env=None, cwd=None, cache=None):
        process = subprocess.Popen([self.rig.varve, *args], env=self.environment(env, cache), cwd=cwd,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   errors='replace', preexec_fn=die_with_parent)
        self.rig.running.append(process)
        return process

    def finish(self, process, what, status=(0,), limit=600):
        """Wait for it.  Raise Lost unless it ends with one of these."""
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise Lost(f'{what} did not end within {limit} s: {err[-2000:]}') from None
        finally:
            self.rig.running.remove(process)
        if status is not None and process.returncode not in status:
            raise Lost(f'{what}: exit status {process.returncode}: {out[-3000:]}{err[-3000:]}')
        return Result(process, out, err)

    def run(self, *args, status=(0,), env=None, cwd=None, cache=None, limit=600):
        return self.finish(self.start(*args, env=env, cwd=cwd, cache=cache), ' '.join(['varve', *args]), status, limit)

    def cold(self):
        """The place of a cache that is empty."""
        shutil.rmtree(f'{self.cache}.cold', ignore_errors=True)
        return f'{self.cache}.cold'

    def backup(self, source, **more):
        """Back up; what was backed up joins the history."""
        result = self.run('backup', '--json', '.', cwd=source.top, **more)
        if result.status == 0:
            self.history[result.summary()['snapshot']] = source.digest()
        return result

    def snapshots(self, **more):
        return [s['id'] for s in self.run('snapshots', '--json', **more).lines() if 'id' in s]

    def check(self, *args, **more):
        """No damage, for somebody who has no cache."""
        return self.run('check', '--json', *(args or ('--read-data',)), cache=self.cold(), **more)

    def verify(self, snapshot=None, **more):
        """All snapshots of the history, or one, are there and read back byte for byte."""
        there = self.snapshots(**more)
        for wanted in [snapshot] if snapshot else self.history:
            if wanted not in there:
                raise Lost(f'snapshot {wanted} is not listed any more')
            to = self.rig.directory(f'{self.name}.restored')
            self.run('restore', wanted, '--target', to, **more)
            compare(f'snapshot {wanted}', tree_digest(to), self.history[wanted])
            shutil.rmtree(to)

    def adopt_new(self, source):
        """A snapshot that a killed backup has published after all is of what it was to back up."""
        new = [s for s in self.snapshots() if s not in self.history]
        if len(new) > 1:
            raise Lost(f'one backup has made {len(new)} snapshots')
        for s in new:
            self.history[s] = source.digest()
        return bool(new)

    def wait_grace(self):
        """Until what has been doomed may be swept."""
        time.sleep(self.grace + 0.2)

    def objects(self, kind):
        """Names in the store, of a local one."""
        walk = os.walk(f'{self.url}/{kind}')
        return {os.path.relpath(os.path.join(d, f), self.url) for d, _, names in walk for f in names}

    # --- Mounts -------------------------------------------------------------------------------------------------------

    def mount(self, mountpoint, options='', env=None, cache=None):
        """Mount in the foreground, in a process that is returned once the mount is usable."""
        os.makedirs(mountpoint, exist_ok=True)
        command = [self.rig.varvefs, self.url, mountpoint, '-f'] + (['-o', options] if options else [])
        with open(f'{mountpoint}.log', 'ab') as log:
            process = subprocess.Popen(command, env=self.environment(env, cache), stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, preexec_fn=die_with_parent)
        self.rig.running.append(process)
        self.rig.mounted.append(mountpoint)
        deadline = time.monotonic() + 30
        while not os.path.ismount(mountpoint):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Lost(f'no mount: {tail(f"{mountpoint}.log")}')
            time.sleep(0.01)
        return process

    def unmount(self, mountpoint, process):
        self.rig.unmount(mountpoint)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            raise Lost(f'the daemon of {mountpoint} does not end') from None
        finally:
            self.rig.running.remove(process)


def tail(path, size=2000):
    with open(path, errors='replace') as f:
        return f.read()[-size:]
