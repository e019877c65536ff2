#!/usr/bin/env bash
# The newest restic and borg that can be had: those of the distribution's development release, without installing anything.
#
#   tests/bench/peers.sh
#
# They are unpacked, with all they need to run, in $BENCH_PEERS (default /var/tmp/varve-bench/peers), unless they are there.
# PEERS_RELEASE names another release.  What is printed on stdout may be read by a shell: RESTIC=, BORG=; nothing for one that
# cannot be had, or was given in the environment.
set -euo pipefail

dir=${BENCH_PEERS:-/var/tmp/varve-bench/peers}
release=${PEERS_RELEASE:-sid}
keys=/usr/share/keyrings/debian-archive-keyring.gpg

say() {
	echo "peers: $*" >&2
}

# apt with lists of its own, to which no package is installed; the packages come from where this machine's come from.
own_apt() {
	local command=$1

	shift
	"$command" -q -o Dir::Etc::sourcelist="$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::State="$dir/apt" -o Dir::State::status="$dir/apt/status" -o Dir::Cache="$dir/apt" \
		-o Debug::NoLocking=1 -o APT::Sandbox::User=root "$@"
}

lists() {
	local from

	# shellcheck disable=SC2016 # apt's own variables
	from=$(apt-get indextargets --format '$(REPO_URI)' 'Component: main' | grep -v security | head -n 1)
	[ -n "$from" ] || return 1
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial"
	: >"$dir/apt/status"
	echo "deb [signed-by=$keys] $from $release main" >"$dir/apt/sources.list"
	own_apt apt-get update >&2
}

# unpack NAME PACKAGE...: these and what they need, in $dir/NAME/.
unpack() {
	local name=$1 deb

	shift
	say "fetching $*, of $release"
	rm -rf -- "$dir/$name.part" "$dir"/apt/archives/*.deb
	mkdir -p "$dir/$name.part"
	own_apt apt-get install -y --download-only --no-install-recommends "$@" >&2
	for deb in "$dir"/apt/archives/*.deb; do
		dpkg-deb -x "$deb" "$dir/$name.part"
	done
	rm -rf -- "$dir"/apt/archives/*.deb
	mv -- "$dir/$name.part" "$dir/$name"
}

# A Go program, which needs no library.
get_restic() {
	[ -e "$dir/restic" ] || unpack restic restic
	"$dir/restic/usr/bin/restic" version >&2
	printf 'RESTIC=%q\n' "$dir/restic/usr/bin/restic"
}

# With a C library, and a Python, of its own.
get_borg() {
	local python

	[ -e "$dir/borg" ] || unpack borg borgbackup python3-pyfuse3
	python=$(find "$dir/borg/usr/bin" -name 'python3.[0-9]*' -type f | sort -V | tail -n 1)
	cat >"$dir/borg/run" <<-S
		#!/bin/sh
		export PYTHONHOME=$dir/borg/usr
		exec $dir/borg/usr/lib64/ld-linux-x86-64.so.2 --library-path $dir/borg/usr/lib/x86_64-linux-gnu \\
			$python $dir/borg/usr/bin/borg "\$@"
	S
	chmod +x "$dir/borg/run"
	"$dir/borg/run" --version >&2
	printf 'BORG=%q\n' "$dir/borg/run"
}

[ -z "${RESTIC:-}" ] || [ -z "${BORG:-}" ] || exit 0
command -v apt-get >/dev/null || exit 0
[ -e "$dir/restic" ] && [ -e "$dir/borg" ] || lists || { say "no packages of $release here"; exit 0; }
[ -n "${RESTIC:-}" ] || get_restic || say "no restic of $release"
[ -n "${BORG:-}" ] || get_borg || say "no borg of $release"
