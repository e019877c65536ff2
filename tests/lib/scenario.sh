# Sourced by the scenario scripts: . "$(dirname "$0")/lib/scenario.sh"
#
# A script runs under tests/run.sh, which says in the environment where things are: VARVE and VARVEFS (the programs), TOOLS
# (the folder of the test programs), WORK (an empty directory of its own, removed afterwards), VARVE_CACHE_DIR, and SANITIZE
# (not empty if the programs are built with sanitizers, which makes them slow and large).  Started by hand it hands itself
# to tests/run.sh, with the build in $BUILD (default: build).
#
# Any command that fails ends the script, as does any unset variable; the place is printed.
# shellcheck shell=bash
set -eEuo pipefail

scenario_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
if [ -z "${WORK:-}" ]; then
	exec "$scenario_top/tests/run.sh" "${BUILD:-$scenario_top/build}" "$(basename "$0" .sh)"
fi

scenario_mounts=()
scenario_ends=()

# at_exit COMMAND...: run it when the script ends, however it does; the last one first, after all is unmounted.
at_exit() {
	local line

	printf -v line '%q ' "$@"
	scenario_ends=("$line" "${scenario_ends[@]}")
}

# What is mounted at the end is unmounted by force: the script has failed then, or is not about unmounting.
scenario_exit() {
	local status=$? dir line

	trap - ERR
	set +e
	for dir in "${scenario_mounts[@]}"; do
		mountpoint -q "$dir" && { fusermount3 -u -- "$dir" || fusermount3 -uz -- "$dir"; } 2>/dev/null
	done
	for line in "${scenario_ends[@]}"; do
		eval "$line"
	done
	exit $status
}
trap scenario_exit EXIT
trap 'echo "${BASH_SOURCE[0]##*/}:$LINENO: failed: $BASH_COMMAND" >&2' ERR

# ok TEXT: tell how far the script is; shown only if it fails later.
ok() {
	echo "ok: $*"
}

# die TEXT: end the script as failed.
die() {
	trap - ERR
	echo "die: $*" >&2
	exit 1
}

# skip REASON: end the script as skipped.
skip() {
	trap - ERR
	echo "$*"
	exit 77
}

# need CMD...: skip unless all of these commands exist.
need() {
	local c

	for c in "$@"; do
		command -v "$c" >/dev/null || skip "$c is not installed"
	done
}

# as_root: skip unless the script runs as root.
as_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
}

# need_fuse: skip where nothing can be mounted.
need_fuse() {
	need fusermount3
	{ : <>/dev/fuse; } 2>/dev/null || skip "no /dev/fuse to be opened"
}

# expect_status N CMD...: run CMD and die unless its exit status is N.  Its stdout is in $WORK/out, its stderr in $WORK/err.
expect_status() {
	local want=$1 got=0

	shift
	"$@" >"$WORK/out" 2>"$WORK/err" || got=$?
	[ "$got" -eq "$want" ] || {
		sed 's/^/out: /' "$WORK/out" | tail -n 20 >&2
		sed 's/^/err: /' "$WORK/err" | tail -n 40 >&2
		die "exit status $got where $want was expected: $*"
	}
}

# expect_match REGEX FILE: die unless a line of FILE matches the extended regular expression.
expect_match() {
	grep -Eqe "$1" -- "$2" || {
		sed 's/^/file: /' "$2" | head -n 40 >&2
		die "no line of $2 matches: $1"
	}
}

# expect_no_match REGEX FILE: die if a line of FILE matches.
expect_no_match() {
	! grep -Ee "$1" -- "$2" >&2 || die "a line of $2 matches: $1"
}

# expect_equal WHAT GOT WANT: die unless the two strings are the same.
expect_equal() {
	[ "$2" = "$3" ] || die "$1 is '$2' where '$3' was expected"
}

# new_repo [DIR [INIT-ARGUMENT...]]: make a repository (default: $WORK/repo) that a key file unlocks, which takes no time, and
# export VARVE_REPOSITORY and VARVE_KEY_FILE for all that follows.
new_repo() {
	export VARVE_REPOSITORY=${1:-$WORK/repo}
	export VARVE_KEY_FILE=$VARVE_REPOSITORY.key

	[ $# -eq 0 ] || shift
	(umask 077 && head -c 64 /dev/urandom >"$VARVE_KEY_FILE")
	expect_status 0 "$VARVE" init "$@"
}

# mount_varve DIR [ARGUMENT...]: make DIR if need be and mount there; "varve mount ARGUMENT... DIR" must return with the mount
# usable.  It is unmounted at the end of the script at the latest.
mount_varve() {
	local dir=$1

	shift
	need_fuse
	mkdir -p "$dir"
	scenario_mounts+=("$dir")
	expect_status 0 "$VARVE" mount "$@" "$dir"
	mountpoint -q "$dir" || die "varve mount returned with nothing mounted at $dir"
}

# umount_varve [DIR]: unmount DIR (default: what was mounted last), which must succeed.
umount_varve() {
	local dir=${1:-${scenario_mounts[-1]}}

	expect_status 0 "$VARVE" unmount "$dir"
	! mountpoint -q "$dir" || die "still mounted after unmount: $dir"
}

# prune_until PATTERN ARGUMENT...: run varve with these until what it prints has PATTERN (extended).  A prune has a quarter of
# the grace, here a second or so; one that is late leaves the rest to the next, and on a busy machine some are.
prune_until() {
	local pattern=$1 n

	shift
	for n in $(seq 20); do
		expect_status 0 "$VARVE" "$@"
		! grep -Eq -- "$pattern" "$WORK/out" || return 0
		sleep 1
	done
	die "no \"$pattern\" after $n prunes"
}
