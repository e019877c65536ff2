"""A full disk and a disk that fails, under the writer, prune and the mount."""
import os
import subprocess
import time

from kill import prunable, read_all
from rig import Lost, Repo, Source, compare, entry_digest

EVERY_WRITE = 'create,write,sync,rename,unlink,mkdir'
EVERYTHING = EVERY_WRITE + ',open,read'


def after(repo, source, part):
    """What must hold once the disk is well again."""
    repo.check()
    repo.verify()
    repo.backup(source)
    repo.verify(list(repo.history)[-1])
    left = [f for f in os.listdir(f'{repo.url}/tmp')]
    if left:
        raise Lost(f'{part}: half-written objects are left: {left}')


def used(path):
    v = os.statvfs(path)
    return (v.f_blocks - v.f_bfree) * v.f_frsize


def full_disks(rig, tally, part, tries):
    """enospc: a filesystem that gets full at a random moment of a backup; afterwards it has room again."""
    tried = attempt = 0
    while tried < tries:
        rng = rig.rng(part, attempt)
        attempt += 1
        disk = rig.mount_tmpfs(part, '64m')
        try:
            repo = Repo(rig, part, url=f'{disk}/repo')
            source = Source(rig.directory(part + '.source') + '/tree', rng)
            repo.backup(source)
            for _ in range(5):
                if tried >= tries:
                    break
                source.mutate(40)
                started = time.monotonic()
                size = used(disk) + rng.randrange(4096, 900000)
                subprocess.run(['mount', '-o', f'remount,size={size // 1024}k', disk], check=True)
                result = repo.run('backup', '--json', '.', status=(0, 1), cwd=source.top)
                if result.status == 0:
                    repo.history[result.summary()['snapshot']] = source.digest()
                elif 'No space left' not in result.err:
                    raise Lost(f'a full disk is not told: {result.err}')
                repo.check()
                subprocess.run(['mount', '-o', 'remount,size=64m', disk], check=True)
                if result.status == 0:
                    continue
                after(repo, source, part)
                tried += 1
                tally.add(part, 1, 1, seconds=time.monotonic() - started)
        finally:
            rig.unmount(disk)


def fault(rig, rng, repo, ops, operations):
    """One operation of those fails with EIO, or some, or all from there on."""
    return rig.preload('faults', FAULT_DIR=repo.url, FAULT_OPS=ops, FAULT_DO='EIO',
                       FAULT_NTH=rng.randrange(1, operations + 1),
                       FAULT_LAST=rng.choice((1, 1, 3, 0)), FAULT_COUNT=f'{rig.work}/operations')


def operations_of(rig, repo, ops, *args, cwd=None):
    count = f'{rig.work}/operations'
    if os.path.exists(count):
        os.remove(count)
    result = repo.run(*args, cwd=cwd, env=rig.preload('faults', FAULT_DIR=repo.url, FAULT_OPS=ops, FAULT_COUNT=count))
    with open(count, 'rb') as f:
        return result, max(1, int.from_bytes(f.read(8), 'little'))


def counted(rig):
    with open(f'{rig.work}/operations', 'rb') as f:
        return int.from_bytes(f.read(8), 'little')


def met(rig, nth):
    """Did it come to that?"""
    return counted(rig) >= int(nth)


def zero(rig):
    with open(f'{rig.work}/operations', 'wb') as f:
        f.write(bytes(8))


def errors(rig, tally, part, tries):
    """eio: the writer's disk fails at a random operation."""
    tried = attempt = 0
    while tried < tries:
        rng = rig.rng(part, attempt)
        attempt += 1
        repo = Repo(rig, part)
        source = Source(rig.directory(part + '.source') + '/tree', rng)
        first, operations = operations_of(rig, repo, EVERYTHING, 'backup', '--json', '.', cwd=source.top)
        repo.history[first.summary()['snapshot']] = source.digest()
        for _ in range(8):
            if tried >= tries:
                break
            source.mutate(20)
            started = time.monotonic()
            env = fault(rig, rng, repo, EVERYTHING, operations)
            zero(rig)
            result = repo.run('backup', '--json', '.', status=(0, 1), cwd=source.top, env=env)
            if result.status != 0 and not result.err.strip():
                raise Lost('a backup fails without a word')
            if result.status == 0:
                repo.history[result.summary()['snapshot']] = source.digest()
            repo.adopt_new(source)
            remove_leftovers(repo)
            after(repo, source, part)
            if met(rig, env['FAULT_NTH']):
                tried += 1
                tally.add(part, 1, 1, seconds=time.monotonic() - started, **{'ended well': int(result.status == 0)})


def remove_leftovers(repo):
    """Where the disk would not even delete, a part of an object may stay in tmp/; a writer removes it a day later."""
    for name in os.listdir(f'{repo.url}/tmp'):
        os.remove(f'{repo.url}/tmp/{name}')


def prune_errors(rig, tally, part, tries):
    """eio-prune: the disk fails under a doom or a sweep."""
    tried = attempt = 0
    while tried < tries:
        rng = rig.rng(part, attempt)
        attempt += 1
        repo, source = prunable(rig, part, rng)
        started = time.monotonic()
        for _ in range(3):
            env = fault(rig, rng, repo, EVERYTHING, 60)
            zero(rig)
            result = repo.run('prune', status=(0, 1, 5), env=env)
            if result.status != 0 and not result.err.strip():
                raise Lost('a prune fails without a word')
            remove_leftovers(repo)
            after(repo, source, part)
            if met(rig, env['FAULT_NTH']) and tried < tries:
                tried += 1
                tally.add(part, 1, 1, seconds=time.monotonic() - started)
                started = time.monotonic()
            repo.wait_grace()


def mount_errors(rig, tally, part, tries):
    """eio-mount: what is read while the disk fails is right, or an error but not absence; afterwards all is right."""
    rng = rig.rng(part)
    repo = Repo(rig, part)
    source = Source(rig.directory(part + '.source') + '/tree', rng, files=200)
    repo.backup(source)
    snapshot, want = next(iter(repo.history.items()))
    mountpoint = f'{rig.work}/{part}.mnt'
    # How many operations there are, before it is usable and in all.
    before = total = 0
    tried = 0
    while tried < tries:
        started = time.monotonic()
        env = rig.preload('faults', FAULT_DIR=repo.url, FAULT_OPS='open,read', FAULT_DO='EIO',
                          FAULT_COUNT=f'{rig.work}/operations', FAULT_LAST=rng.choice((1, 2, 10)),
                          FAULT_NTH=rng.randrange(before + 1, total + 1) if total else 0)
        zero(rig)
        process = repo.mount(mountpoint, options='cache_mem=4M,nopush', env=env)
        before = max(before, counted(rig))
        try:
            refused = read_or_eio(f'{mountpoint}/ids/{snapshot}', want)
            read_all(repo, mountpoint)
        finally:
            repo.unmount(mountpoint, process)
        if total:
            tried += 1
            tally.add(part, 1, 1, seconds=time.monotonic() - started, **{'reads that were refused': refused})
        elif refused:
            raise Lost('a read was refused although nothing failed')
        total = max(total, counted(rig))


def read_or_eio(top, want):
    """Read everything by the paths that it must have; return how many could not be read."""
    refused = 0
    for path, line in want.items():
        try:
            st = os.lstat(f'{top}/{path}')
            got = entry_digest(f'{top}/{path}', st)
        except OSError as e:
            if e.errno not in (5, 110):  # EIO, ETIMEDOUT
                raise Lost(f'{path}: {e}, where only an I/O error may be') from None
            refused += 1
            continue
        compare(path, {path: got}, {path: line})
    return refused
