#!/usr/bin/env bash
# ls, find, dump, diff, stats, cache, help: looking inside.
. "$(dirname "$0")/lib/scenario.sh"

need tar
new_repo
src=$WORK/src
mkdir -p "$src/d/e" "$src/long/$(printf 'n%.0s' $(seq 150))"
echo one >"$src/d/file"
ln "$src/d/file" "$src/d/hard"
ln -s ../d "$src/d/e/sym"
mkfifo "$src/fifo"
printf 'x' >"$src/new
line"
printf 'x' >"$src/long/$(printf 'n%.0s' $(seq 150))/f"
truncate -s 5M "$src/sparse"
printf 'data' | dd of="$src/sparse" bs=1 seek=3000000 conv=notrunc status=none
touch -d '1950-01-02 03:04:05.678901234' "$src/d/file"
chmod 4711 "$src/d/hard"
cd "$src"
expect_status 0 "$VARVE" backup --time 2024-01-01 .

expect_equal "ls" "$("$VARVE" ls latest:d | tr '\n' ' ')" "e file hard "
expect_equal "ls of a file" "$("$VARVE" ls latest:d/file)" d/file
expect_match '^-rws--x--x +2 .* 4 1950-01-02 03:04:05 file$' <("$VARVE" ls -l --utc latest:d)
expect_match '^lrwx.* sym -> \.\./d$' <("$VARVE" ls -l latest:d/e)
expect_status 0 "$VARVE" ls --json latest:d
expect_match '"path":"file","type":"file","mode":"4711".*"links":2,"mtime_s":-631,' <(sed 's/"mtime_s":-631[0-9]*/"mtime_s":-631/' "$WORK/out")
expect_status 1 "$VARVE" ls latest:nothing
expect_match 'nothing: no such path' "$WORK/err"
expect_status 1 "$VARVE" ls latest:d/file/x
expect_status 2 "$VARVE" ls
ok ls

expect_match '^[0-9a-f]{8} d/file$' <("$VARVE" find file)
expect_equal "find of a path" "$("$VARVE" find '/d/*' | wc -l)" 3
expect_equal "find in none" "$("$VARVE" find --host nobody file)" ""
expect_match '"path":"d/e/sym"' <("$VARVE" find --json -s latest 'sym')
ok find

# Names with a newline: NULs keep them apart, a terminal sees them quoted, and so does who lists snapshots.
expect_equal "ls with NULs" "$("$VARVE" ls -0 latest | tr '\n\0' '?\n' | grep -x 'new?line')" 'new?line'
expect_equal "find with NULs" "$("$VARVE" find --null 'new*' | tr '\n\0' '?\n' | cut -d ' ' -f 2)" 'new?line'
expect_equal "ls -l with NULs" "$("$VARVE" ls -l0 latest | tr -cd '\0' | wc -c)" "$("$VARVE" ls --json latest | wc -l)"
expect_status 2 "$VARVE" ls -0 --json latest
expect_status 2 "$VARVE" find -0 --json x
expect_status 0 "$VARVE" backup -q -H "$(printf 'a\nb\033[1m')" -t "$(printf 't\n1')" new*
expect_status 0 "$VARVE" snapshots --path "$src/$(printf 'new\nline')"
expect_equal "lines of a snapshot" "$(wc -l <"$WORK/out")" 1
expect_match '  a\\nb\\x1b\[1m .*/new\\nline  \[t\\n1\]$' "$WORK/out"
if command -v script >/dev/null; then
	TERM=dumb script -qec "$VARVE ls latest" /dev/null </dev/null >"$WORK/out"
	expect_match '^new\\nline' "$WORK/out"
fi
rm -r "$VARVE_REPOSITORY"
new_repo "$WORK/repo2"
expect_status 0 "$VARVE" backup --time 2024-01-01 .
ok "odd names"

expect_equal "dump" "$("$VARVE" dump latest:d/file)" one
"$VARVE" dump latest:sparse | cmp - sparse
mkdir "$WORK/untar"
"$VARVE" dump latest: | tar -C "$WORK/untar" -xpf -
"$TOOLS/treecmp" --ignore mtime --holes logical "$WORK/untar" "$src" || die "tar gave something else"
expect_equal "mtime through tar" "$(stat -c %y "$WORK/untar/d/file")" "$(stat -c %y d/file)"
expect_equal "links through tar" "$(stat -c %h "$WORK/untar/d/file")" 2
[ "$(stat -c %b "$WORK/untar/sparse")" -lt 1000 ] || die "holes are gone"
"$VARVE" dump latest:d | tar -tf - >"$WORK/list"
expect_match '^d/e/sym$' "$WORK/list"
expect_status 1 "$VARVE" dump latest:fifo
# A reader that has enough is no complaint.
"$VARVE" dump latest:sparse | head -c 10 >/dev/null || true
ok dump

echo changed >d/file
rm fifo
mkdir fifo
touch fifo/in
chmod 700 d/e
rm -r long
expect_status 0 "$VARVE" backup --time 2024-01-02 .
"$VARVE" diff latest~1 latest 2>/dev/null | LC_ALL=C sort >"$WORK/diff"
expect_match '^M d/file$' "$WORK/diff"
expect_match '^M d/hard$' "$WORK/diff"
expect_match '^U d/e$' "$WORK/diff"
expect_match '^T fifo$' "$WORK/diff"
expect_match '^\+ fifo/in$' "$WORK/diff"
expect_match '^- long$' "$WORK/diff"
expect_match '^- long/n{150}/f$' "$WORK/diff"
expect_no_match 'sparse|sym' "$WORK/diff"
expect_equal "no difference" "$("$VARVE" diff -q latest latest)" ""
expect_status 0 "$VARVE" diff --json latest~1 latest
expect_match '"change":"M","content":true' "$WORK/out"
expect_status 2 "$VARVE" diff latest
ok diff

expect_status 0 "$VARVE" stats
expect_match '^snapshots +2 ' "$WORK/out"
expect_status 0 "$VARVE" stats --json latest
expect_match '"files":5,' "$WORK/out"
expect_status 0 "$VARVE" cache
expect_match 'objects in [0-9]+ packs' "$WORK/out"
expect_status 0 "$VARVE" cache --clear
expect_status 0 "$VARVE" dump latest:d/file
expect_equal "without a cache" "$(cat "$WORK/out")" changed
ok "stats, cache"

expect_status 0 "$VARVE" help
expect_status 0 "$VARVE" help backup
expect_match '--exclude-caches' "$WORK/out"
expect_status 0 "$VARVE" backup --help
expect_status 0 "$VARVE" version
expect_match '^varve [0-9.]+' "$WORK/out"
expect_status 2 "$VARVE"
expect_status 2 "$VARVE" nonsense
expect_match 'no such command: nonsense' "$WORK/err"
expect_status 2 "$VARVE" ls --nonsense latest
expect_status 0 "$VARVE" --repo "$VARVE_REPOSITORY" -q snapshots
expect_equal "options in front" "$(wc -l <"$WORK/out")" 2

# Results that cannot be written are no success; a reader that has had enough is no failure.
full() {
	"$@" >/dev/full
}
for words in --help -h --version version 'version --json' help 'help backup' 'help --list' 'backup --help' snapshots \
	'snapshots --json' 'ls -R latest' 'ls --json latest' 'find *' 'dump latest:d/file' 'dump latest:' 'diff latest~1 latest' \
	'diff --json latest~1 latest' stats 'stats latest' check 'key list' cache 'repair --json'; do
	set -f
	# shellcheck disable=SC2086 # words
	expect_status 1 full "$VARVE" $words
	set +f
	expect_match '^varve: stdout: write error' "$WORK/err"
done
expect_status 1 full "$VARVE" restore latest -T "$WORK/restored"
expect_match '^varve: stdout: write error' "$WORK/err"
# More than one buffer: that the first could not be written is not forgotten.
expect_status 1 full "$VARVE" dump latest:sparse
expect_match '^varve: stdout: write error' "$WORK/err"
expect_status 1 full "$VARVEFS" --help
expect_match '^varvefs: stdout: write error' "$WORK/err"
(
	trap '' PIPE
	{ "$VARVE" dump latest:sparse 2>"$WORK/err" && "$VARVE" help --list 2>>"$WORK/err"; } | true
) || true
expect_no_match 'write error' "$WORK/err"
ok "stdout that is full"
