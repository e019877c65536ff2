#!/usr/bin/env python3
"""The long half of the tests: what must be survived, done again and again, and counted.

    soak.py [--build DIR] [--work DIR] [--seed N] [--results FILE] [PART[=COUNT]]...

Without parts: all, with the counts of the table below.  The same seed makes the same sources, the same faults at the
same operations and the same cuts; what goes by the clock differs.  Prints one table; with --results, counts are added
to those of the file, so that a long soak may be run in pieces.  The first loss ends a part: the seed, and what was lost,
are told, and the directory is kept.  Exit status 0, 1 if anything was lost, 77 if nothing could run here.

It wants root where it says so: tmpfs for a full disk.
"""
import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), 'soak'))

import faults
import flips
import kill
import power
import together
from rig import Lost, Rig, Skip
from tally import Tally

# What is called so, by what, and how often (together: for how many seconds).
PARTS = {
    'kill-writer': (kill.writers, 200),
    'kill-prune': (kill.prunes, 200),
    'kill-mount': (kill.mounts, 200),
    'enospc': (faults.full_disks, 50),
    'eio': (faults.errors, 50),
    'eio-prune': (faults.prune_errors, 50),
    'eio-mount': (faults.mount_errors, 50),
    'power-cut': (power.cuts, 2000),
    'bit-flips': (flips.flips, 2000),
    'together': (together.together, 600),
    'together-s3': (together.together_s3, 600),
}


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--build', default='build')
    p.add_argument('--work', help='a directory for all that is written (default: a new one)')
    p.add_argument('--seed', type=int, default=None)
    p.add_argument('--results')
    p.add_argument('--tree', help='the large tree whose backup gets its bits flipped (default: one that is made)')
    p.add_argument('parts', nargs='*', metavar='PART[=COUNT]')
    return p.parse_args()


def chosen(words):
    out = []
    for word in words or PARTS:
        name, _, count = word.partition('=')
        if name not in PARTS:
            raise SystemExit(f'soak: no part {name}; there are {" ".join(PARTS)}')
        out.append((name, int(count) if count else PARTS[name][1]))
    return out


def run_part(rig, tally, name, count, options):
    """True unless something was lost."""
    body = PARTS[name][0]
    more = {'tree': options.tree} if name == 'bit-flips' and options.tree else {}
    print(f'soak: {name}, {count}, seed {rig.seed}', file=sys.stderr, flush=True)
    try:
        body(rig, tally, name, count, **more)
        return True
    except Skip as e:
        print(f'soak: {name}: skipped: {e}', file=sys.stderr)
        return True
    except Lost as e:
        tally.add(name, 1, 0, 1)
        print(f'soak: {name}: LOST (seed {rig.seed}): {e}', file=sys.stderr, flush=True)
    except Exception:
        tally.add(name, 1, 0, 1)
        print(f'soak: {name}: failed (seed {rig.seed}):\n{traceback.format_exc()}', file=sys.stderr, flush=True)
    return False


def stop(*_):
    raise SystemExit(130)


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, stop)
    seed = options.seed if options.seed is not None else int(time.time())
    work = options.work or tempfile.mkdtemp(prefix='varve-soak.', dir=os.environ.get('TMPDIR', '/var/tmp'))
    os.makedirs(work, exist_ok=True)
    rig, tally, well = Rig(options.build, work, seed), Tally(options.results), True
    try:
        for name, count in chosen(options.parts):
            well = run_part(rig, tally, name, count, options) and well
    finally:
        rig.end()
        print(tally.table())
        if well and not options.work:
            shutil.rmtree(work, ignore_errors=True)
        elif not well:
            print(f'soak: all of it is kept in {work}', file=sys.stderr)
    if not tally.rows:
        return 77
    return 0 if well else 1


if __name__ == '__main__':
    sys.exit(main())
