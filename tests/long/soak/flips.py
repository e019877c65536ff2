"""Bits that flip: each is found by check, what is read is right or an error, and a replica makes it well again."""
import os
import shutil
import subprocess
import time

from faults import read_or_eio
from rig import Lost, Repo, tail, tree_digest


class Place:
    """One bit of one object."""

    def __init__(self, repo, name, at, bit):
        self.path, self.name, self.at, self.bit = f'{repo.url}/{name}', name, at, bit

    def flip(self):
        os.chmod(self.path, 0o600)
        with open(self.path, 'r+b') as f:
            f.seek(self.at)
            byte = f.read(1)[0]
            f.seek(self.at)
            f.write(bytes([byte ^ 1 << self.bit]))


def sizes_of(repo):
    """Every object but the config, without which there is no repository to look at; largest first is not needed."""
    out = []
    for kind in ('keys', 'packs', 'trees', 'index', 'snapshots'):
        out += [(name, os.path.getsize(f'{repo.url}/{name}')) for name in sorted(repo.objects(kind))]
    return out


def choose(repo, rng, n):
    """Places at random by bytes, so that large objects have more; no two in the same byte."""
    objects = sizes_of(repo)
    total, chosen = sum(size for _, size in objects), {}
    while len(chosen) < n:
        at = rng.randrange(total)
        for name, size in objects:
            if at < size:
                chosen[name, at] = Place(repo, name, at, rng.randrange(8))
                break
            at -= size
    return list(chosen.values())


def expect_found(repo, places):
    """check names each damaged object."""
    result = repo.check('--read-data', status=(5,))
    found = {line.get('object') for line in result.lines() if line.get('type') == 'finding'}
    missed = sorted({p.name for p in places} - found)
    if missed:
        raise Lost(f'check did not find the damage in {missed[:5]}')


def read_mount(rig, repo, part, snapshot, want):
    mountpoint = f'{rig.work}/{part}.mnt'
    process = repo.mount(mountpoint, options='nopush', cache=repo.cold())
    try:
        refused = read_or_eio(f'{mountpoint}/ids/{snapshot}', want)
        if process.poll() is not None:
            raise Lost(f'the mount has died: {tail(mountpoint + ".log")}')
    except FileNotFoundError as e:
        raise Lost(f'the mount says that something is not there: {e}') from None
    finally:
        repo.unmount(mountpoint, process)
    return refused


def repair(repo, replica):
    """From the replica, by the command."""
    repo.run('repair', '--read-data', '--from', replica)
    repo.check('--read-data')


def large(rig, part, tree):
    """A repository of a large tree, its digest, and a replica of it."""
    repo = Repo(rig, part, init=True)
    repo.run('backup', '--json', '.', cwd=tree)
    snapshot, want = repo.snapshots()[0], tree_digest(tree)
    repo.history[snapshot] = want
    repo.verify()
    replica = f'{rig.work}/{part}.replica'
    shutil.rmtree(replica, ignore_errors=True)
    repo.run('sync', replica)
    return repo, snapshot, want, replica


def flips(rig, tally, part, tries, tree=None, batch=20):
    """bit-flips: ${batch} at a time."""
    rng = rig.rng(part)
    repo, snapshot, want, replica = large(rig, part, tree or made_tree(rig, part, rng))
    tally.add(part, **{'bytes in the repository': 0})
    size = sum(n for _, n in sizes_of(repo))
    tally.rows[part]['bytes in the repository'] = size
    for begun in range(0, tries, batch):
        started = time.monotonic()
        places = choose(repo, rng, min(batch, tries - begun))
        for p in places:
            p.flip()
        expect_found(repo, places)
        refused = read_mount(rig, repo, part, snapshot, want)
        if begun // batch % 10 == 9 or begun == 0:
            repair(repo, replica)
        else:
            for p in places:
                p.flip()
        tally.add(part, len(places), len(places), seconds=time.monotonic() - started,
                  **{'reads that were refused': refused})
    for kind in ('packs', 'trees', 'index', 'snapshots'):
        done = subprocess.run(['diff', '-rq', f'{replica}/{kind}', f'{repo.url}/{kind}'],
                              capture_output=True, text=True)
        if done.returncode != 0 and kind in ('packs', 'trees', 'snapshots'):
            raise Lost(f'after all repairs: {done.stdout[:500]}')
    repo.check('--read-data')


def made_tree(rig, part, rng, files=400):
    top = rig.directory(f'{part}.tree')
    for i in range(files):
        os.makedirs(f'{top}/{i % 20}', exist_ok=True)
        with open(f'{top}/{i % 20}/{i}', 'wb') as f:
            f.write(rng.randbytes(rng.randrange(20000)) + b'the same line again\n' * rng.randrange(500))
    return top
