#!/usr/bin/env python3
"""
Measure how varve's costs grow: with the files of a directory, snapshots, chunks, the length of a sparse file, and files.

All data is generated.  The table has a line for each measure, with its slope between the two largest sizes on logarithmic
scales: 1 is a straight line, 0 flat.  A line that is steeper than it should be is marked.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time

import curves
from growth import GROUPS, Scale
from measure import Failed, describe_machine, may_drop_caches


def arguments():
    env = os.environ.get
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument(
        "--scale",
        choices=("small", "middle", "full"),
        default=env("SCALE") or "middle",
        help="sizes (SCALE): small takes a minute, middle (default) ten, full an hour and 60 GB of disk",
    )
    parser.add_argument("--only", default=env("ONLY") or "", help="groups (ONLY), a,b,... of: " + ", ".join(g.name for g in GROUPS))
    parser.add_argument("--sizes", default=env("SIZES") or "", help="other sizes for one group (SIZES), n,n,...")
    parser.add_argument("--build", default=env("BUILD") or "build", help="where varve and varvefs are (BUILD)")
    parser.add_argument("--work", default=env("BENCH_WORK"), help="parent of the work directory (BENCH_WORK), default /var/tmp")
    parser.add_argument("--out", default=None, help="where results go, default BUILD/bench")
    parser.add_argument("--name", default="scale", help="name of the files there, default scale")
    return parser.parse_args()


def chosen_groups(options):
    words = [w for w in options.only.split(",") if w]
    unknown = set(words) - {g.name for g in GROUPS}
    if unknown:
        sys.exit(f"bench-scale: no such group: {', '.join(sorted(unknown))}")
    groups = [g for g in GROUPS if not words or g.name in words]
    if options.sizes and len(groups) != 1:
        sys.exit("bench-scale: --sizes is for one group")
    return groups


def run_group(scale, group, sizes):
    for size in sizes:
        start = time.monotonic()
        try:
            group.measure(scale, size)
        except (Failed, OSError, subprocess.SubprocessError) as error:
            scale.failed.append(f"{group.name} {size}")
            print(f"{group.name} {size}: failed: {error}", file=sys.stderr)
            scale.varve.unmount()
        print(f"{group.name} {size}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)


def main():
    options = arguments()
    groups = chosen_groups(options)
    parent = options.work or "/var/tmp"
    os.makedirs(parent, exist_ok=True)
    scale = Scale(tempfile.mkdtemp(prefix="varve-scale-", dir=parent), os.path.abspath(options.build))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if not may_drop_caches():
        print("bench-scale: not root: caches are not dropped, cold is not cold", file=sys.stderr)
    try:
        machine = describe_machine(scale.work)
        version = scale.varve.version()
        for group in groups:
            sizes = [int(s) for s in options.sizes.split(",")] if options.sizes else group.sizes[options.scale]
            run_group(scale, group, sizes)
    except KeyboardInterrupt:
        print("bench-scale: interrupted; what there is:", file=sys.stderr)
    finally:
        scale.close()
    table = curves.Curves([g for g in groups if g.name in scale.results], scale.results, machine, version, scale.failed)
    out = options.out or os.path.join(options.build, "bench")
    written = table.write(out, options.name)
    print(table.text(), end="")
    print(f"\nwritten: {', '.join(written)} in {out}")
    return 1 if scale.failed else 0


if __name__ == "__main__":
    sys.exit(main())
