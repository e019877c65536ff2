#!/usr/bin/env bash
# backup: paths, excludes, streams, tags, parents, exit statuses.
. "$(dirname "$0")/lib/scenario.sh"

new_repo
src=$WORK/src
mkdir -p "$src/a/b" "$src/c"
echo one >"$src/a/one"
echo two >"$src/a/b/two.log"
echo three >"$src/c/three"
cd "$src"

ls_all() {
	"$VARVE" ls -R "${1:-latest}" | sort | tr '\n' ' '
}

# How paths are stored.
expect_status 0 "$VARVE" backup .
expect_equal "dot" "$(ls_all)" "a a/b a/b/two.log a/one c c/three "
expect_status 0 "$VARVE" backup a
expect_equal "relative" "$(ls_all)" "a a/b a/b/two.log a/one "
expect_status 0 "$VARVE" backup a/b ./c/../c
expect_equal "two, one with dots" "$(ls_all)" "a a/b a/b/two.log c c/three "
expect_status 0 "$VARVE" backup "$src/a/one"
expect_equal "absolute" "$(ls_all "latest:$src")" "a a/one "
expect_status 0 "$VARVE" backup a a/b a
expect_equal "overlapping" "$(ls_all)" "a a/b a/b/two.log a/one "
ln -s a link
expect_status 0 "$VARVE" backup link
expect_equal "a symlink" "$(ls_all)" "link "
expect_status 0 "$VARVE" backup link/
expect_match '^link/one$' <("$VARVE" ls -R latest)
rm link
ok "how paths are stored"

# Excludes.
expect_status 0 "$VARVE" backup --exclude '*.log' .
expect_equal "a name" "$(ls_all)" "a a/b a/one c c/three "
expect_status 0 "$VARVE" backup -e /a/b .
expect_equal "a path" "$(ls_all)" "a a/one c c/three "
printf '# comment\n*\n!a\n!one\n/not/here\n' >"$WORK/patterns"
expect_status 0 "$VARVE" backup --exclude-from "$WORK/patterns" .
expect_equal "taken back" "$(ls_all)" "a a/one "
expect_no_match 'matched nothing' "$WORK/err"
expect_status 0 "$VARVE" backup -e ./a/b .
expect_equal "with a dot in front" "$(ls_all)" "a a/one c c/three "
expect_status 0 "$VARVE" backup -e "$src/a/b" .
expect_equal "the absolute path of what was given as a dot" "$(ls_all)" "a a/one c c/three "
(cd a && expect_status 0 "$VARVE" backup -e "$src/a/b" -e "$src/c/three" ../c .)
expect_equal "of two relative sources" "$(ls_all)" "c one "
expect_status 0 "$VARVE" backup -e "$src/a/b/" "$src/a" c
expect_equal "of one of two" "$(ls_all "latest:$src")" "a a/one "
expect_status 0 "$VARVE" backup -e '*.lgo' -e /a/b -e '!a/one' -e '*.log' .
expect_match '^varve: exclude pattern matched nothing: \*\.lgo$' "$WORK/err"
expect_equal "patterns told" "$(grep -c 'matched nothing' "$WORK/err")" 2 # and *.log, which is in a/b only
expect_status 0 "$VARVE" backup -q -e '*.lgo' .
expect_equal "quiet" "$(cat "$WORK/err")" ""
mkdir cache
echo 'Signature: 8a477f597d28d172789f06886806bc55' >cache/CACHEDIR.TAG
echo x >cache/x
expect_status 0 "$VARVE" backup --exclude-caches cache
expect_equal "a cache" "$(ls_all)" "cache cache/CACHEDIR.TAG "
rm -r cache
expect_status 2 "$VARVE" backup -e 'a[' .
expect_status 2 "$VARVE" backup --exclude-from "$WORK/missing" .
ok excludes

# Streams.
printf 'from stdin' | "$VARVE" backup -q --stdin-name db/dump.sql
expect_equal "stdin" "$("$VARVE" dump latest:db/dump.sql)" "from stdin"
expect_status 0 "$VARVE" backup --stdin-name out -- sh -c 'echo from a command'
expect_equal "a command" "$("$VARVE" dump latest:out)" "from a command"
n=$("$VARVE" snapshots | wc -l)
expect_status 1 "$VARVE" backup --stdin-name out -- sh -c 'echo half; exit 3'
expect_match 'ended with status 3: no snapshot' "$WORK/err"
expect_status 1 "$VARVE" backup --stdin-name out -- /no/such/command
expect_status 2 "$VARVE" backup --stdin-name out a/one
for bad in ../x / '' . a//b; do expect_status 2 "$VARVE" backup --stdin-name "$bad"; done
for bad in .. . a/b ''; do
	expect_status 2 "$VARVE" backup --host "$bad" .
	expect_status 2 "$VARVE" backup --tag "$bad" .
done
expect_equal "snapshots" "$("$VARVE" snapshots | wc -l)" "$n"
: | "$VARVE" backup -q --stdin-name empty
expect_equal "an empty stream" "$("$VARVE" dump latest:empty | wc -c)" 0
head -c 5000000 /dev/urandom >"$WORK/big"
"$VARVE" backup -q --stdin-name big <"$WORK/big"
"$VARVE" dump latest:big | cmp - "$WORK/big"
ok streams

# Tags, host, time; filters.
expect_status 0 "$VARVE" backup -H here -t t1 -t t2 --time '2020-02-03 04:05:06' .
expect_match '2020-02-03 04:05:06  here .*\[t1,t2\]' <("$VARVE" snapshots)
expect_equal "by host" "$("$VARVE" snapshots --host here | wc -l)" 1
expect_equal "by tag" "$("$VARVE" snapshots --tag t2 | wc -l)" 1
expect_equal "by path" "$("$VARVE" snapshots --path "$src/a/one" | wc -l)" 1
expect_equal "newest two" "$("$VARVE" snapshots --latest 2 | wc -l)" 2
expect_status 0 "$VARVE" snapshots --json --host here
expect_match '"time":"2020-02-03T04:05:06[.0-9]*Z".*"tags":\["t1","t2"\]' "$WORK/out"
expect_status 0 "$VARVE" ls --host here latest
expect_status 1 "$VARVE" ls --host nobody latest
expect_status 0 "$VARVE" ls '2020-02-03 04:05'
expect_status 0 "$VARVE" ls '2020-02-03 04:05:c'
expect_equal "a path in a time" "$(cat "$WORK/out")" three
expect_status 1 "$VARVE" ls '2019-01-01'
ok "tags, hosts, times"

# Unchanged files are not read again; a parent can be chosen, or none.
expect_status 0 "$VARVE" backup --json -H again .
expect_match '"files_new":3' "$WORK/out"
expect_status 0 "$VARVE" backup --json -H again .
expect_match '"files_unchanged":3,.*"data_added":0,"tree_added":0' "$WORK/out"
expect_status 0 "$VARVE" backup --json -H again --parent none .
expect_match '"files_new":3,.*"data_added":0' "$WORK/out"
echo more >>a/one
expect_status 0 "$VARVE" backup --json -H again .
expect_match '"files_changed":1,"files_unchanged":2' "$WORK/out"
expect_status 1 "$VARVE" backup --parent ffff0000 .
ok parents

# Dry run.
n=$("$VARVE" snapshots | wc -l)
before=$(find "$VARVE_REPOSITORY" -type f | sort | sha256sum)
echo dry >dry
expect_status 0 "$VARVE" backup -n --json .
expect_match '"dry_run":true' "$WORK/out"
expect_equal "objects" "$(find "$VARVE_REPOSITORY" -type f | sort | sha256sum)" "$before"
rm dry
ok "dry run"

# Backups do not feed on themselves: the repository, its index and mounts are left out.
mkdir "$WORK/all" "$WORK/all/mnt"
cp -a "$VARVE_REPOSITORY" "$WORK/all/repo"
echo own >"$WORK/all/own"
own() {
	VARVE_REPOSITORY=$WORK/all/repo VARVE_CACHE_DIR=$WORK/all/cache "$@"
}
for _ in 1 2 3; do
	expect_status 0 own "$VARVE" backup "$WORK/all"
	expect_match 'all/repo: the repository itself, contents left out' "$WORK/err"
	own "$VARVE" ls -R "latest:$WORK/all" >"$WORK/listed"
	expect_equal "in the repository" "$(grep -c '^repo' "$WORK/listed")" 1
	expect_equal "in the index" "$(grep '^cache/' "$WORK/listed" | grep -vc '^cache/seen')" 1
	expect_equal "in what was seen" "$(grep -c '^cache/seen' "$WORK/listed")" 2
	expect_match '^own$' "$WORK/listed"
done
expect_status 3 own "$VARVE" backup "$WORK/all/own" "$WORK/all/repo/packs" "$WORK/all/repo/config"
expect_match 'all/repo/packs: lies in the repository' "$WORK/err"
expect_match 'all/repo/config: lies in the repository' "$WORK/err"
expect_equal "all but the repository" "$(own "$VARVE" ls "latest:$WORK/all")" own
(cd "$WORK/all/repo/packs" && expect_status 1 own "$VARVE" backup .)
expect_status 1 own "$VARVE" backup "$(echo "$WORK"/all/cache/*)/data.mdb"
if command -v fusermount3 >/dev/null && { : <>/dev/fuse; } 2>/dev/null; then
	scenario_mounts+=("$WORK/all/mnt")
	expect_status 0 own "$VARVE" mount "$WORK/all/mnt"
	expect_status 0 own "$VARVE" backup "$WORK/all"
	expect_match 'all/mnt: a mount of varvefs, contents left out' "$WORK/err"
	expect_equal "in the mount" "$(own "$VARVE" ls -R "latest:$WORK/all" | grep -c '^mnt')" 1
	umount_varve "$WORK/all/mnt"
fi
rm -r "$WORK/all"
ok "the repository among the sources"

# What cannot be read is told, counted, and does not stop the rest.
expect_status 3 "$VARVE" backup missing a
expect_match 'missing' "$WORK/err"
expect_equal "the rest" "$(ls_all)" "a a/b a/b/two.log a/one "
expect_status 1 "$VARVE" backup missing
expect_match '^varve: no snapshot was made: nothing .* could be backed up$' "$WORK/err"
expect_status 2 "$VARVE" backup
expect_status 2 "$VARVE" backup --no-such-option .
expect_equal "snapshots" "$("$VARVE" snapshots | wc -l)" $((n + 1))
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 700 "$WORK" && chmod 000 c/three && chown -R 12345 "$src" "$WORK/repo" "$WORK/repo.key"
	mkdir "$WORK/usercache" && chown 12345 "$WORK/usercache" && chmod 711 "$WORK"
	as_user() {
		setpriv --reuid=12345 --clear-groups env VARVE_CACHE_DIR="$WORK/usercache" "$@"
	}
	expect_status 3 as_user "$VARVE" backup .
	expect_match 'c/three: .*Permission denied' "$WORK/err"
	expect_equal "without the unreadable" "$(ls_all)" "a a/b a/b/two.log a/one c "
	expect_match 'partial: 1 unreadable' <("$VARVE" snapshots --latest 1)
	expect_status 1 as_user "$VARVE" backup c/three
	expect_match 'no snapshot was made' "$WORK/err"
fi
ok "unreadable items"
