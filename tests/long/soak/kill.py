"""kill -9 of the writer, of prune and of the mount: at random moments, and at random operations on the store."""
import os
import shutil
import signal
import subprocess
import time

from rig import Lost, Repo, Source, compare, die_with_parent, tree_digest

ROUNDS_OF_A_REPOSITORY = 12
WRITES = 'create,write,sync,rename,unlink,mkdir'
WAYS = ('kill', 'killed', 'half')
GRACE = 1  # seconds


class Moment:
    """When to kill: after some time, or at some operation on the store, a local one."""

    def __init__(self, rig, rng, repo, by_clock):
        self.rng, self.repo, self.by_clock = rng, repo, by_clock
        self.count = f'{rig.work}/operations'
        self.rig = rig
        self.seconds, self.operations = 0.2, 40  # of the run before, whatever it was

    def environment(self):
        if self.by_clock:
            return {}
        with open(self.count, 'wb') as f:
            f.write(bytes(8))
        return self.rig.preload('faults', FAULT_DIR=self.repo.url, FAULT_OPS=WRITES, FAULT_COUNT=self.count,
                                FAULT_NTH=self.rng.randrange(1, self.operations + 2), FAULT_DO=self.rng.choice(WAYS))

    def strike(self, process):
        """Wait for the moment.  The process may end before it."""
        if not self.by_clock:
            return
        try:
            process.wait(timeout=self.rng.uniform(0, self.seconds * 1.1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)

    def learn(self, seconds):
        """How long a run takes that nobody kills."""
        self.seconds = seconds

    def learn_operations(self, n):
        self.operations = max(n, 1)


def count_operations(rig, repo, *args, cwd=None):
    """Run it unharmed; return its result and how many operations on the store it made."""
    count = f'{rig.work}/operations'
    if os.path.exists(count):
        os.remove(count)
    env = rig.preload('faults', FAULT_DIR=repo.url, FAULT_OPS=WRITES, FAULT_COUNT=count)
    result = repo.run(*args, cwd=cwd, env=env)
    with open(count, 'rb') as f:
        return result, int.from_bytes(f.read(8), 'little')


def reused(repo, source, runs_before):
    """The next backup works; if the killed one had put its index run, it stores no contents again."""
    kept = repo.objects('index') - runs_before
    result = repo.backup(source).summary()
    if kept and result['data_added'] != 0:
        raise Lost(f'{result["data_added"]} bytes were stored again although {sorted(kept)} name them')
    return bool(kept)


def writers(rig, tally, part, tries):
    """kill-writer: as many backups are killed as were asked for."""
    tried = attempt = 0
    while tried < tries:
        rng = rig.rng(part, tried, attempt)
        repo = Repo(rig, part)
        source = Source(rig.directory(part + '.source') + '/tree', rng)
        first, operations = count_operations(rig, repo, 'backup', '--json', '.', cwd=source.top)
        repo.history[first.summary()['snapshot']] = source.digest()
        for _ in range(ROUNDS_OF_A_REPOSITORY):
            if tried >= tries:
                break
            attempt += 1
            source.mutate(rng.randrange(1, 16))
            moment = Moment(rig, rng, repo, by_clock=rng.random() < 0.5)
            moment.learn(first.summary()['seconds'] + 0.05)
            moment.learn_operations(operations)
            runs = repo.objects('index')
            started = time.monotonic()
            process = repo.start('backup', '--json', '.', cwd=source.top, env=moment.environment())
            moment.strike(process)
            result = repo.finish(process, 'the backup to be killed', (0, -signal.SIGKILL))
            repo.adopt_new(source)
            if result.status == 0:
                continue
            repo.check()
            kept = reused(repo, source, runs)
            repo.verify()
            repo.check('--read-data')
            tried += 1
            tally.add(part, 1, 1, seconds=time.monotonic() - started, **{'found stored data again': int(kept)})


def prunable(rig, part, rng):
    """A repository from which half of the snapshots have been forgotten."""
    repo = Repo(rig, part, grace=GRACE)
    source = Source(rig.directory(part + '.source') + '/tree', rng)
    for _ in range(4):
        repo.backup(source)
        source.mutate(20)
    for snapshot in list(repo.history)[:-1:2]:
        repo.run('forget', snapshot)
        del repo.history[snapshot]
    return repo, source


def prunes(rig, tally, part, tries):
    """kill-prune: one that dooms, sweeps and ends at once; backups go on, and the next prune ends what this one began."""
    tried = attempt = 0
    while tried < tries:
        rng = rig.rng(part, attempt)
        attempt += 1
        repo, source = prunable(rig, part, rng)
        moment = Moment(rig, rng, repo, by_clock=False)
        moment.learn_operations(12)
        for _ in range(ROUNDS_OF_A_REPOSITORY):
            if tried >= tries:
                break
            started = time.monotonic()
            result = repo.run('prune', env=moment.environment(), status=(0, -signal.SIGKILL))
            repo.check()
            repo.verify()
            source.mutate(6)
            repo.backup(source)
            if rng.random() < 0.7:
                repo.wait_grace()
            _, operations = count_operations(rig, repo, 'prune')
            moment.learn_operations(operations)
            repo.check()
            repo.verify()
            forget_oldest(repo)
            if result.status != 0:
                tried += 1
                tally.add(part, 1, 1, seconds=time.monotonic() - started)


def forget_oldest(repo, keep=3):
    for snapshot in list(repo.history)[:-keep]:
        repo.run('forget', snapshot)
        del repo.history[snapshot]


def read_on(top, rng_seed):
    """A process that reads all of a mount, in its own order, until it meets an error."""
    command = ['tar', '-cf', '-', '-C', top, '.'] if rng_seed % 2 else ['grep', '-r', '-c', 'nothing', top]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)


def mounts(rig, tally, part, tries):
    """kill-mount: at any moment from its start on, with readers, with a cache that stays; then a new one reads all."""
    rng = rig.rng(part)
    repo = Repo(rig, part)
    source = Source(rig.directory(part + '.source') + '/tree', rng)
    mountpoint = f'{rig.work}/{part}.mnt'
    for tried in range(tries):
        if tried % 8 == 0:
            source.mutate(12)
            repo.backup(source)
        started = time.monotonic()
        if rng.random() < 0.2:
            shutil.rmtree(repo.cache)
        process = start_mount(repo, mountpoint, rng)
        readers = [read_on(f'{mountpoint}/snapshots', n) for n in range(3)] if os.path.ismount(mountpoint) else []
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        for reader in readers:
            try:
                reader.wait(timeout=30)
            except subprocess.TimeoutExpired:
                raise Lost('a reader hangs although its filesystem was killed') from None
        repo.unmount(mountpoint, process)
        process = repo.mount(mountpoint)
        try:
            read_all(repo, mountpoint)
        finally:
            repo.unmount(mountpoint, process)
        repo.check()
        tally.add(part, 1, 1, seconds=time.monotonic() - started)


def start_mount(repo, mountpoint, rng):
    """Mount, and in one case of three do not wait until it is usable."""
    if rng.random() < 0.67:
        return repo.mount(mountpoint)
    os.makedirs(mountpoint, exist_ok=True)
    process = subprocess.Popen([repo.rig.varvefs, repo.url, mountpoint, '-f'], env=repo.environment(),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               preexec_fn=die_with_parent)
    repo.rig.running.append(process)
    repo.rig.mounted.append(mountpoint)
    return process


def read_all(repo, mountpoint):
    for snapshot, digest in repo.history.items():
        compare(f'snapshot {snapshot} in the mount', tree_digest(f'{mountpoint}/ids/{snapshot}/'), digest)
