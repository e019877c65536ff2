"""Power cuts: what was done to a directory store is recorded, and cut off at every fsync, with what was not synced left
out, kept, or mixed.  Whatever was said to be done must be whole in each of these states."""
import os
import shutil
import signal
import time

from disk import KINDS, Recording
from rig import Lost, Repo, Source, tree_digest


STORIES = 3  # kinds of them


class Script:
    """Commands on one repository under the recorder.  After each there is a mark, and a copy of the machine's cache."""

    def __init__(self, rig, part, rng):
        self.rig, self.part, self.rng = rig, part, rng
        self.repo = Repo(rig, part, grace=1)
        self.source = Source(rig.directory(part + '.source') + '/tree', rng, files=30, size=30000)
        self.log = f'{rig.work}/{part}.record'
        if os.path.exists(self.log):
            os.remove(self.log)
        self.repo.backup(self.source)
        self.sources = []  # all states of the source, as digests
        self.recording = Recording(self.repo.url)
        self.steps = []
        self.done()
        self.read = 0

    def done(self):
        """What must be there from now on, and the cache of now."""
        cache = f'{self.rig.work}/{self.part}.cache.{len(self.steps)}'
        shutil.rmtree(cache, ignore_errors=True)
        shutil.copytree(self.repo.cache, cache)
        self.steps.append({'history': dict(self.repo.history), 'cache': cache})
        self.recording.mark(len(self.steps) - 1)

    def run(self, *args, status=(0,), **more):
        """A command under the recorder, possibly killed by the other library."""
        env = self.rig.preload('record', RECORD_DIR=self.repo.url, RECORD_LOG=self.log)
        extra = more.pop('env', {})
        if 'LD_PRELOAD' in extra:
            # The one that kills is before the other, which has written down then what was done.
            extra['LD_PRELOAD'] += f':{env["LD_PRELOAD"]}'
        result = self.repo.run(*args, status=status, env={**env, **extra}, **more)
        part, self.read = f'{self.log}.part', self.take_rest()
        self.recording.read(part)
        return result

    def take_rest(self):
        """What the log has got since we looked into its own file; return the new length."""
        with open(self.log, 'rb') as log, open(f'{self.log}.part', 'wb') as out:
            log.seek(self.read)
            shutil.copyfileobj(log, out)
            return log.tell()

    def backup(self):
        self.source.mutate(6)
        result = self.run('backup', '--json', '.', cwd=self.source.top)
        self.repo.history[result.summary()['snapshot']] = self.source.digest()
        self.done()

    def killed_backup(self):
        """One that dies having made a directory, or given a name, that it has not synced."""
        self.source.mutate(6)
        self.sources.append(self.source.digest())
        fault = self.rig.preload('faults', FAULT_DIR=self.repo.url, FAULT_OPS=self.rng.choice(('mkdir', 'rename')),
                                 FAULT_NTH=self.rng.randrange(1, 4), FAULT_DO='killed')
        result = self.run('backup', '.', status=(0, -signal.SIGKILL), cwd=self.source.top, env=fault)
        if result.status == 0:
            self.repo.adopt_new(self.source)
        self.done()

    def prune(self):
        """Forget one, and prune it away; from the moment that forget begins it may be there or not."""
        victim = next(iter(self.repo.history))
        del self.repo.history[victim]
        self.done()
        self.run('forget', victim)
        self.done()
        for _ in range(3):
            self.run('prune')
            self.done()
            self.repo.wait_grace()


def scripts(rig, part, rng, number):
    """One of several stories, with what goes on at a time cut everywhere."""
    script = Script(rig, part, rng)
    script.backup()
    if number % 2:
        script.killed_backup()
    script.backup()
    if number % STORIES == 2:
        script.prune()
        script.backup()
    return script


def judge(rig, script, cut, kind, rng, cold):
    """Is all that was done by then whole in this state, and does life go on?"""
    to = rig.directory(f'{script.part}.state')
    script.recording.write_state(cut, kind, rng, to)
    step = script.steps[max(script.recording.done(cut), default=0)]
    repo = Repo(rig, script.part, init=False)
    repo.url, repo.cache = to, f'{rig.work}/{script.part}.warm'
    shutil.rmtree(repo.cache, ignore_errors=True)
    if not cold:
        shutil.copytree(step['cache'], repo.cache)
    repo.check()
    repo.history = dict(step['history'])
    repo.verify()
    look_at_others(repo, script)
    repo.backup(script.source)
    repo.verify(list(repo.history)[-1])
    repo.check('--read-data')


def look_at_others(repo, script):
    """Snapshots of which nobody was told that they are there, or just being forgotten: if they are listed they are whole."""
    known = [digest for s in script.steps for digest in s['history'].values()] + script.sources
    for snapshot in repo.snapshots():
        if snapshot in repo.history:
            continue
        to = repo.rig.directory(f'{repo.name}.restored')
        repo.run('restore', snapshot, '--target', to)
        digest = tree_digest(to)
        if digest not in known:
            raise Lost(f'snapshot {snapshot}, which was not done yet, is not what was backed up')


def cuts(rig, tally, part, tries):
    """power-cut: so many states, of several stories; each fsync of a story makes one in each of the four ways."""
    tried = story = 0
    while tried < tries:
        rng = rig.rng(part, story)
        script = scripts(rig, part, rng, story)
        story += 1
        places = sorted(set(script.recording.cuts))
        # All of them, unless so few are asked for that they would all be of the first story.
        share = max(1, tries // STORIES // len(KINDS))
        if share < len(places):
            places = rng.sample(places, share)
        for cut in places:
            for kind in KINDS:
                if tried >= tries:
                    break
                started = time.monotonic()
                try:
                    judge(rig, script, cut, kind, rig.rng(part, story, cut, kind), cold=rng.random() < 0.5)
                except Lost as e:
                    raise Lost(f'story {story - 1}, record {cut} of {script.recording.records}, {kind}: {e}') from None
                tried += 1
                tally.add(part, 1, 1, seconds=time.monotonic() - started)
        tally.add(part, **{'recorded stories': 1, 'fsyncs in them': len(script.recording.cuts)})
