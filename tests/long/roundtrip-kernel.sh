#!/usr/bin/env bash
# The round trip on real data, judged by rsync and by treecmp: a kernel's source and /usr are backed up, mounted and restored.
#
#   BUILD=build tests/long/roundtrip-kernel.sh [kernel|DIRECTORY]...    (default: kernel /usr)
#
# The kernel's source is fetched into BENCH_DATA (tests/bench/data.sh), and everything else happens beside it, in
# BENCH_WORK: the repository, and what is restored.  Takes some minutes, and twice the size of /usr on the disk.
set -euo pipefail
# shellcheck source=tests/lib/long.sh
. "$(dirname "$0")/../lib/long.sh"
data=${BENCH_DATA:-/var/tmp/varve-bench}
mkdir -p "${BENCH_WORK:-$data}"
long_begin roundtrip "${BENCH_WORK:-$data}"

treecmp=$build/tests/tools/treecmp
[ -x "$treecmp" ] || make -C "$top" --no-print-directory BUILD="$build" "$treecmp"
need rsync
need_fuse

# nothing_to_do A B: rsync would change nothing in B to make it A.
nothing_to_do() {
	rsync -aHAXSx --checksum --dry-run --itemize-changes --delete "$1/" "$2/" >"$WORK/changes"
	[ ! -s "$WORK/changes" ] || {
		head -n 40 "$WORK/changes" >&2
		tell_if_source_changed
		die "rsync would change $(wc -l <"$WORK/changes") entries of $2 to make it $1"
	}
}

# The system may have been at work in /usr.
tell_if_source_changed() {
	find "$source" -xdev -newercc "$WORK/start" -print 2>/dev/null | head -n 10 | sed 's/^/changed meanwhile: /' >&2
}

same() {
	"$treecmp" --max 40 "$@" || {
		tell_if_source_changed
		die "treecmp $*"
	}
}

# round_trip NAME SOURCE: back it up, and compare it with a mount and with what is restored.
round_trip() {
	local tag=$1 start=$SECONDS

	source=$2
	touch "$WORK/start"
	(cd "$source" && "$VARVE" backup -q -x --tag "$tag" .)
	ok "$tag: backup"
	mount_varve "$WORK/mnt"
	mounted=$(echo "$WORK/mnt/tags/$tag"/*)
	nothing_to_do "$source" "$mounted"
	nothing_to_do "$mounted" "$source"
	same --nlink --dirent --all-inodes "$source" "$mounted"
	umount_varve "$WORK/mnt"
	ok "$tag: mount"
	"$VARVE" restore -q --tag "$tag" latest --target "$WORK/restored"
	nothing_to_do "$source" "$WORK/restored"
	nothing_to_do "$WORK/restored" "$source"
	same "$source" "$WORK/restored"
	ok "$tag: restore; $((SECONDS - start)) s"
	rm -rf --one-file-system -- "$WORK/restored"
}

new_repo "$WORK/repo"
[ $# -gt 0 ] || set -- kernel /usr
for what; do
	case $what in
	kernel)
		eval "$(BENCH_DATA=$data "$top/tests/bench/data.sh" tree)"
		# Set by that.
		# shellcheck disable=SC2153
		round_trip kernel "$TREE"
		round_trip next "$NEXT"
		;;
	/*) round_trip "${what//\//.}" "$what" ;;
	*) die "kernel or an absolute path, not $what" ;;
	esac
done
expect_status 0 "$VARVE" check --read-data
ok "check"
