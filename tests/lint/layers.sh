#!/usr/bin/env bash
# Includes point down, and one file speaks to each foreign library.  Prints the offenders; exit status 1 if there are any.
# With a directory as argument that tree is judged instead of this one (tests/00-harness.sh).
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

files=()
for dir in repo fs tools; do
	[ ! -d "$dir" ] || mapfile -t -O ${#files[@]} files < <(find "$dir" -name '*.[ch]' | sort)
done
[ ${#files[@]} -gt 0 ] || { echo "no sources found"; exit 1; }

awk '
# The height of a file; includes may go to a lower one, or within the same folder.
function height(path, dir) {
	if (path ~ /^repo\/object\/(compress|chunker)\./)
		return 25 # tools of packs and indexes too: they stand on util and crypt alone
	dir = folder(path)
	return dir in level ? level[dir] : -1
}

# The folder of a file as far as layers go: fs/ and tools/ are one each, repo/x/ is one, however deep.
function folder(path, n, part) {
	n = split(path, part, "/")
	return part[1] == "repo" && n > 2 ? part[1] "/" part[2] : part[1]
}

function offend(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what
	bad = 1
}

# A foreign header and the files that may include it.
function foreign(header, pattern, owners) {
	if (name ~ header && FILENAME !~ owners)
		offend("<" name "> belongs to " pattern)
}

BEGIN {
	n = split("util crypt store pack index doomed object tree snapshot", names, " ")
	for (i = 1; i <= n; i++)
		level["repo/" names[i]] = i * 10 - 10
	level["repo/access"] = 85
	level["repo"] = 90
	level["repo/query"] = 95
	n = split("backup restore check retention sync", names, " ")
	for (i = 1; i <= n; i++)
		level["repo/" names[i]] = 100
	level["fs"] = level["tools"] = 110
}

FNR == 1 {
	mine = height(FILENAME)
	if (mine < 0)
		offend("no layer is known for this folder")
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	name = part[2]
	theirs = height(name)
	if (name !~ /^(repo|fs|tools)\//)
		offend("\"" name "\" is not written from the top of the tree")
	else if (theirs < 0)
		offend("\"" name "\" is in no known layer")
	else if (theirs > mine)
		offend("\"" name "\" is a layer above")
	else if (theirs == mine && folder(name) != folder(FILENAME))
		offend("\"" name "\" is in a layer beside")
}

/^[ \t]*#[ \t]*include[ \t]*</ {
	name = $0
	sub(/^[^<]*</, "", name)
	sub(/>.*/, "", name)
	foreign("^(zstd|zdict)", "repo/object/compress.c", "^repo/object/compress\\.c$")
	foreign("^sodium", "repo/crypt/crypt.c and keys/keyslot.c", "^repo/crypt/(crypt|keys/keyslot)\\.c$")
	foreign("^lmdb\\.h", "repo/index/lmdb/lmdb.c", "^repo/index/lmdb/lmdb\\.c$")
	foreign("^curl/", "repo/store/http/curl/", "^repo/store/http/curl/")
	foreign("^expat", "repo/store/parse/xml.c", "^repo/store/parse/xml\\.c$")
	foreign("^fuse", "fs/", "^fs/")
	foreign("^jansson", "tools/print/json.c and repo/store/", "^(tools/print|repo/store/parse)/json\\.c$")
	foreign("^ini\\.h", "tools/", "^tools/")
	foreign("^(systemd|seccomp)", "fs/", "^fs/")
	foreign("^cmocka", "tests/", "^tests/")
}

END { exit bad }
' "${files[@]}"
