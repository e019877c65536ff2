#!/usr/bin/env bash
# packaging/demo.sh [DIR]: show what varve does, with the programs in DIR (default: build), on this machine's own files.
# `make demo` installs what is missing and builds before.
#
# Everything is written below one temporary directory ($DEMO_DIR, or a new one), which is kept to play with; the machine's own
# files are only read.
set -eu -o pipefail

programs=$(cd "${1:-build}" && pwd)
[ -x "$programs/varve" ] || { echo "no varve in $programs; run: make demo" >&2; exit 1; }
top=$(cd "$(dirname "$0")/.." && pwd)

dir=${DEMO_DIR:-$(mktemp -d "${TMPDIR:-/tmp}/varve-demo.XXXXXX")}
mkdir -p "$dir/mnt"
mnt=$dir/mnt

# As the commands are shown to the reader, who will want to type them.
export PATH=$programs:$PATH
export VARVE_REPOSITORY=$dir/repository VARVE_PASSWORD_FILE=$dir/passphrase VARVE_CACHE_DIR=$dir/cache

unmount_at_end() {
	local status=$?

	mountpoint -q "$mnt" && { varve unmount "$mnt" || fusermount3 -uz "$mnt"; }
	[ $status -eq 0 ] || echo "The demonstration failed. What it wrote is in $dir." >&2
	exit $status
}
trap unmount_at_end EXIT

bold='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; fi

step() {
	printf '\n%s# %s%s\n' "$bold" "$*" "$plain"
}

# Show a command with the directory's name shortened, as it is long and says nothing, and run it.
try() {
	local shown

	printf -v shown '%s ' "$@"
	shown=${shown//"$dir"/\$DEMO}
	printf '%s$ %s%s\n' "$bold" "${shown% }" "$plain"
	"$@"
}

# Exit status 3: done, but some files could not be read, which is no surprise in /etc for one who isn't root.
backup() {
	local status=0

	try varve backup "$@" || status=$?
	[ $status -eq 0 ] || [ $status -eq 3 ] || exit $status
	[ $status -eq 0 ] || echo "(exit status 3: done, but for what $(id -un) may not read)"
}

# Directories that every machine has more or less of, until there is something to do.
choose_sources() {
	local d mb total=0

	sources=()
	for d in /etc /usr/share/doc /usr/share/man /usr/include /usr/share/perl5 /usr/share; do
		if [ ! -d "$d" ] || [ ! -r "$d" ] || [ -L "$d" ]; then continue; fi
		mb=$({ du -sxm "$d" 2>/dev/null || true; } | cut -f 1)
		[ "${mb:-0}" -le 300 ] || continue
		sources+=("$d")
		total=$((total + mb))
		[ $total -lt 30 ] || break
	done
}

choose_sources
project=$dir/project
mkdir -p "$project"
cp -r "$top"/repo "$top"/fs "$top"/tools "$top"/Makefile "$project/"
(umask 077 && head -c 24 /dev/urandom | base64 >"$VARVE_PASSWORD_FILE")

echo "\$DEMO below is $dir."
echo "It has a passphrase in a file, and a copy of varve's source to change something in."

step "A repository: a directory here, encrypted with the passphrase"
try varve init

step "First backup: ${sources[*]} of this machine, and the project"
backup "${sources[@]}" "$project"

step "Some work is done: one file grows, one is new, one is gone"
echo "# a line more" >>"$project/Makefile"
echo "remember the milk" >"$project/notes.txt"
rm "$project/repo/util/bytes/buf.h"

step "Second backup: what did not change is neither read nor stored again"
backup "${sources[@]}" "$project"
try varve snapshots

if ! { : <>/dev/fuse; } 2>/dev/null; then
	step "/dev/fuse can't be opened here, so nothing is mounted; a file straight from the repository:"
	try varve dump "latest:$project/notes.txt"
	exit
fi

step "Every snapshot is a directory"
try varve mount "$mnt"
try ls "$mnt"
try ls "$mnt/snapshots"
before=$mnt/snapshots/$(find "$mnt/snapshots" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | head -n 1)
try ls -l "$before$project"

step "What has changed in the project between then and now?"
try diff -rq "$before$project" "$mnt/latest$project" || [ $? -eq 1 ]

step "Copy the lost file out"
try cp -a "$before$project/repo/util/bytes/buf.h" "$dir/buf.h"
try cmp "$top/repo/util/bytes/buf.h" "$dir/buf.h"
echo "(cmp says nothing: the same, byte for byte)"

whole=${sources[${#sources[@]} - 1]}
step "Is $whole in the mount the same as on disk: contents, owners, times, links, attributes?"
try rsync -aHAXS --checksum --delete --dry-run --itemize-changes "$mnt/latest$whole/" "$whole/"
echo "(rsync says nothing: it would have nothing to change)"

try varve unmount "$mnt"

cat <<T

${bold}Now you.${plain} The repository stays in $dir until you remove it. Type:

  export PATH=$programs:\$PATH
  export VARVE_REPOSITORY=$VARVE_REPOSITORY VARVE_PASSWORD_FILE=$VARVE_PASSWORD_FILE VARVE_CACHE_DIR=$VARVE_CACHE_DIR
  varve mount $mnt
  ls "$mnt/at/$(date '+%Y-%m-%d %H:%M')"    # any time: what was there then
  varve diff latest~1 latest
  varve restore latest:$project --target $dir/restored
  varve check --read-data
  varve unmount $mnt; rm -r $dir              # when you have seen enough
  sudo make install; varve help               # for your own files
T
