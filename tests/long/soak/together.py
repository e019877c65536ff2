"""Writers, pruners and mounts on one repository at the same time, for a while."""
import os
import random
import shutil
import subprocess
import threading
import time

from rig import Lost, Repo, Skip, Source, entry_digest, tail

WRITERS, PRUNERS, MOUNTS = 4, 2, 4
READ_AT_A_TIME = 25


class Together:
    """What they all know.  The first failure ends it."""

    def __init__(self, rig, part, repo, seconds):
        self.rig, self.part, self.repo = rig, part, repo
        self.until = time.monotonic() + seconds
        self.lock = threading.Lock()
        self.done = {}      # snapshot -> digest, of backups that said that they are done
        self.counts = {}
        self.failure = None

    def on(self):
        return self.failure is None and time.monotonic() < self.until

    def count(self, what, n=1):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + n

    def machine(self, name):
        """The same repository on another machine: with a cache of its own, and a process that is its own."""
        repo = Repo(self.rig, self.repo.name, url=self.repo.url, init=False, env=self.repo.env, grace=self.repo.grace)
        repo.cache = f'{self.rig.work}/{self.part}.cache.{name}'
        shutil.rmtree(repo.cache, ignore_errors=True)
        return repo

    def guarded(self, body, *args):
        try:
            body(self, *args)
        except BaseException as e:  # whatever it is, it ends the part and is told
            with self.lock:
                self.failure = self.failure or f'{body.__name__} {args[0]}: {e}'


def writer(all_of_it, number):
    rng = all_of_it.rig.rng(all_of_it.part, 'writer', number)
    repo = all_of_it.machine(f'writer{number}')
    # All begin with the same, so that they rely on each other's packs.
    source = Source(all_of_it.rig.directory(f'{all_of_it.part}.source{number}') + '/tree', all_of_it.rig.rng('common'))
    source.rng = rng
    while all_of_it.on():
        result = repo.run('backup', '--json', '--host', f'host{number}', '.', cwd=source.top)
        with all_of_it.lock:
            all_of_it.done[result.summary()['snapshot']] = source.digest()
        all_of_it.count('backups')
        source.mutate(rng.randrange(1, 20))
        if rng.random() < 0.2:  # back to what was, which may be doomed by now
            back_to_the_beginning(all_of_it, source, rng)
        time.sleep(rng.uniform(0, 1))


def back_to_the_beginning(all_of_it, source, rng):
    shutil.rmtree(source.top)
    source.__init__(source.top, all_of_it.rig.rng('common'))
    source.rng = rng


def pruner(all_of_it, number):
    rng = all_of_it.rig.rng(all_of_it.part, 'pruner', number)
    repo = all_of_it.machine(f'pruner{number}')
    while all_of_it.on():
        repo.run('forget', '--keep-last', '2', '--group-by', 'host')
        repo.run('prune')
        all_of_it.count('prunes')
        time.sleep(rng.uniform(0, 1.5))


def is_listed(repo, snapshot):
    return snapshot in repo.snapshots()


def read_some(all_of_it, repo, rng, mountpoint):
    with all_of_it.lock:
        snapshot = rng.choice(list(all_of_it.done)[-12:])
        want = all_of_it.done[snapshot]
    for path in rng.sample(sorted(want), min(READ_AT_A_TIME, len(want))):
        full = f'{mountpoint}/ids/{snapshot}/{path}'
        try:
            got = entry_digest(full, os.lstat(full))
        except OSError as e:
            # The mount may not have heard of it yet (refresh), and what was forgotten may be gone.
            if is_listed(repo, snapshot) and not reads_after_refresh(full):
                if is_listed(repo, snapshot):
                    raise Lost(f'{full}: {e}, and the snapshot is there; {tail(mountpoint + ".log")}') from None
            all_of_it.count('reads of what was forgotten or new')
            return
        if got != want[path]:
            raise Lost(f'{full}: {got} where {want[path]} was backed up; {what_is_there(mountpoint, snapshot)}')
        all_of_it.count('files read')


def what_is_there(mountpoint, snapshot):
    """For the message: where the link leads to, and what that says that it is."""
    link = f'{mountpoint}/ids/{snapshot}'
    try:
        return f'{os.readlink(link)} is {os.getxattr(link, "user.varve.snapshot").decode()}'
    except OSError as e:
        return str(e)


def reads_after_refresh(path):
    """Within the time in which a mount hears of new snapshots."""
    for _ in range(30):
        try:
            entry_digest(path, os.lstat(path))
            return True
        except OSError:
            time.sleep(0.2)
    return False


def mount(all_of_it, number):
    rng = all_of_it.rig.rng(all_of_it.part, 'mount', number)
    repo = all_of_it.machine(f'mount{number}')
    mountpoint = f'{all_of_it.rig.work}/{all_of_it.part}.mnt{number}'
    while all_of_it.on() and not all_of_it.done:
        time.sleep(0.1)
    while all_of_it.on():
        process = repo.mount(mountpoint, options='refresh=1,cache_mem=8M')
        ends = time.monotonic() + rng.uniform(5, 60)
        try:
            while all_of_it.on() and time.monotonic() < ends:
                read_some(all_of_it, repo, rng, mountpoint)
        finally:
            repo.unmount(mountpoint, process)
        all_of_it.count('mounts')


def run_all(t):
    kinds = ((writer, WRITERS), (pruner, PRUNERS), (mount, MOUNTS))
    jobs = [(body, number) for body, count in kinds for number in range(count)]
    threads = [threading.Thread(target=t.guarded, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if t.failure:
        raise Lost(t.failure)


def conclude(t):
    """All is over: what is listed is whole."""
    repo = t.machine('judge')
    repo.check('--read-data')
    listed = repo.snapshots()
    repo.history = {s: t.done[s] for s in listed if s in t.done}
    if not repo.history:
        raise Lost('no snapshot is left of those that were made')
    repo.verify()
    t.count('snapshots read back at the end', len(repo.history))


def together(rig, tally, part, seconds, url=None, env=None, grace=8):
    started = time.monotonic()
    repo = Repo(rig, part, url=url, env=env, grace=grace)
    t = Together(rig, part, repo, seconds)
    run_all(t)
    conclude(t)
    backups = t.counts.pop('backups', 0)
    tally.add(part, backups, backups, seconds=time.monotonic() - started, **t.counts)


def together_s3(rig, tally, part, seconds):
    """The same over the small S3 server of the tests."""
    script = f'{os.path.dirname(os.path.abspath(__file__))}/../../services/s3rver.sh'
    lacks = subprocess.run([script, 'lacks'], capture_output=True, text=True)
    if lacks.returncode == 0:
        raise Skip(f's3rver cannot run here: {lacks.stdout.strip()}')
    home = f'{rig.work}/s3'
    out = subprocess.run([script, 'start', home], check=True, capture_output=True, text=True).stdout
    told = dict(line.removeprefix('export ').split('=', 1) for line in out.splitlines() if line.startswith('export '))
    env = {'AWS_ACCESS_KEY_ID': told['S3_ACCESS_KEY'], 'AWS_SECRET_ACCESS_KEY': told['S3_SECRET_KEY'],
           'AWS_EC2_METADATA_DISABLED': 'true'}
    url = f's3://varve/soak{random.randrange(1 << 30)}?endpoint={told["S3_ENDPOINT"]}&region={told["S3_REGION"]}'
    try:
        together(rig, tally, part, seconds, url=url, env=env, grace=16)
    finally:
        subprocess.run([script, 'stop', home], capture_output=True)
