#!/usr/bin/env bash
# Do the instruments find what they are for?  A comparer that never finds anything would let every test pass.
#
# Wants TOOLS, the folder with treecmp and mktree, and WORK, an empty directory.  Exit status 0, or 1 with what went wrong.
set -eEuo pipefail
trap 'echo "selftest.sh:$LINENO: failed: $BASH_COMMAND" >&2' ERR

treecmp=$TOOLS/treecmp
mktree=$TOOLS/mktree
base=$WORK/base
copy=$WORK/copy
root=false
if [ "$(id -u)" -eq 0 ]; then root=true; fi

wrong() {
	trap - ERR
	echo "selftest: $*" >&2
	sed 's/^/  treecmp: /' "$WORK/found" | cut -c 1-300 | head -n 20 >&2
	exit 1
}

# compare STATUS ARGUMENT...: run treecmp, its output to $WORK/found, and insist on the exit status.
compare() {
	local want=$1 got=0

	shift
	"$treecmp" "$@" >"$WORK/found" 2>&1 || got=$?
	[ "$got" -eq "$want" ] || wrong "exit status $got where $want was expected: $*"
}

equal() {
	compare 0 "$@"
	grep -q '^0 differences, 0 errors in [0-9]' "$WORK/found" || wrong "no count of zero: $*"
}

# --- A small tree with one of everything ---

make_base() {
	mkdir -p "$base/dir/sub" "$base/empty"
	echo "some text" >"$base/file"
	echo "some text" >"$base/same"
	printf '' >"$base/dir/nothing"
	head -c 3000000 /dev/zero | tr '\0' x >"$base/dir/large"
	echo one >"$base/dir/one"
	ln "$base/dir/one" "$base/dir/sub/linked"
	echo one >"$base/dir/alone"
	ln -s target "$base/link"
	mkfifo "$base/fifo"
	truncate -s 4M "$base/sparse"
	printf data | dd of="$base/sparse" bs=1 seek=2M conv=notrunc status=none
	touch -d '1969-12-31 23:59:58.123456789' "$base/old"
	touch "$base/name
with newline"
	chmod 4755 "$base/same"
	setfattr -n user.one -v value "$base/file"
	setfattr -n user.empty "$base/file"
	setfattr -n user.on-directory -v x "$base/dir"
	if $root; then
		mknod "$base/device" c 1 3
		ln -s target "$base/marked"
		setfattr -h -n trusted.on-symlink -v x "$base/marked"
	fi
	find "$base" -depth -print0 | xargs -0 touch -h -d '2001-02-03 04:05:06.000000007'
}

# finds FIELD PATH CHANGE...: the one difference after CHANGE, made in a copy, is in that field of that path.  Other times
# that it touches by the way do not count.
finds() {
	local field=$1 path=$2 ignore=mtime

	shift 2
	[ "$field" != mtime ] || ignore=dirent
	rm -rf "$copy"
	cp -a "$base" "$copy"
	(cd "$copy" && "$@")
	compare 1 "${options[@]}" --ignore $ignore "$base" "$copy"
	grep -Fq "\"$path\": $field" "$WORK/found" || wrong "$field of $path not found after: $*"
	grep -q '^1 differences, 0 errors' "$WORK/found" || wrong "more than one difference after: $*"
	compare 1 "${options[@]}" --ignore $ignore "$copy" "$base"
	# And it is that field which was compared: without it nothing is left.
	compare 0 "${options[@]}" --ignore "$ignore,$field" "$base" "$copy"
}

poke() { # FILE OFFSET BYTE
	printf '%s' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

replace_file() { # FILE COMMAND...: the file goes, the command makes something else of that name
	rm "$1"
	shift
	"$@"
}

break_link() {
	cp -p dir/sub/linked dir/sub/x
	mv dir/sub/x dir/sub/linked
}

merge_link() {
	ln -f dir/one dir/alone
}

fill_hole() {
	dd if=/dev/zero of=sparse bs=64K seek=4 count=1 conv=notrunc status=none
}

find_each_field() {
	local options=(--holes exact)

	finds name dir/one.new touch dir/one.new
	finds name dir/nothing rm dir/nothing
	finds name empty rmdir empty
	finds name 'name\nwith newline' rm "name
with newline"
	finds type file replace_file file mkfifo file
	finds type link replace_file link mkdir link
	finds mode file chmod 600 file
	finds mode same chmod u-s same
	finds mode dir chmod +t dir
	finds mtime file touch -d '2001-02-03 04:05:06.000000008' file
	finds mtime dir touch -d '2001-02-03 04:05:07.000000007' dir
	finds mtime link touch -h -d '2001-02-03 04:05:06' link
	finds mtime fifo touch -d '2001-02-03 04:05:06' fifo
	finds size dir/nothing truncate -s 1 dir/nothing
	finds size file truncate -s -1 file
	finds target link replace_file link ln -s Target link
	finds data file poke file 0 S
	finds data file poke file 9 x
	finds data dir/large poke dir/large 1048576 y
	finds data dir/large poke dir/large 2999999 y
	finds data sparse poke sparse 2097155 A
	finds xattr file setfattr -n user.one -v Value file
	finds xattr file setfattr -n user.two -v value file
	finds xattr file setfattr -x user.empty file
	finds xattr file setfattr -n user.empty -v x file
	finds xattr dir setfattr -x user.on-directory dir
	finds links dir/sub/linked break_link
	finds links dir/one merge_link
	finds holes sparse fill_hole
	options=(--nlink)
	finds nlink file ln file ../outside
	rm "$WORK/outside"
	options=(--blocks 100 --holes none)
	finds blocks sparse fill_hole
	options=(--holes logical)
	finds holes sparse fill_hole
}

find_what_root_has() {
	local options=() got

	finds uid file chown 70000 file
	finds gid link chown -h :70000 link
	finds uid dir chown 1 dir
	finds rdev device replace_file device mknod device c 1 5
	finds xattr marked setfattr -h -x trusted.on-symlink marked
	finds xattr marked setfattr -h -n trusted.on-symlink -v y marked
	# A file that cannot be read is an error, not a difference, and not equal either.
	rm -rf "$copy"
	cp -a "$base" "$copy"
	chmod 000 "$copy/file" "$copy/dir/sub"
	touch -r "$base/dir" "$copy/dir"
	chmod 711 "$WORK"
	got=0
	setpriv --reuid 65534 --regid 65534 --clear-groups "$treecmp" --ignore mode "$base" "$copy" >"$WORK/found" 2>&1 || got=$?
	[ $got -eq 2 ] || wrong "exit status $got for what cannot be read"
	grep -Fq '"file": cannot open: Permission denied' "$WORK/found" || wrong "nothing said about a file that cannot be read"
	grep -Fq '"dir/sub": cannot read directory: Perm' "$WORK/found" || wrong "nothing said about an unreadable directory"
	chmod 700 "$copy/dir/sub"
}

# acl_of LAST: an access ACL, version 2: owner 6, user 1000 with the permissions LAST, group 4, mask 6, others 4.
acl_of() {
	printf '0sAgAAAAEABgD/////AgA%s' "$1"
}

find_acls() {
	local options=()

	setfattr -n system.posix_acl_access -v "$(acl_of GAOgDAAAEAAQA/////xAABgD/////IAAEAP////8=)" "$base/same" || return 0
	touch -d '2001-02-03 04:05:06.000000007' "$base/same"
	finds xattr same setfattr -n system.posix_acl_access -v "$(acl_of EAOgDAAAEAAQA/////xAABgD/////IAAEAP////8=)" same
	setfattr -n system.posix_acl_default -v "$(acl_of GAOgDAAAEAAQA/////xAABgD/////IAAEAP////8=)" "$base/dir"
	finds xattr dir setfattr -x system.posix_acl_default dir
}

# What "logical" is to accept: other granularity, smaller holes filled; and not: data that became a hole.
judge_hole_modes() {
	rm -rf "$WORK/h1" "$WORK/h2"
	mkdir "$WORK/h1" "$WORK/h2"
	truncate -s 1M "$WORK/h1/f" "$WORK/h2/f"
	dd if=/dev/zero of="$WORK/h1/f" bs=4K seek=100 count=1 conv=notrunc status=none
	dd if=/dev/zero of="$WORK/h2/f" bs=4K seek=100 count=1 conv=notrunc status=none
	dd if=/dev/zero of="$WORK/h1/f" bs=4K seek=110 count=1 conv=notrunc status=none
	dd if=/dev/zero of="$WORK/h2/f" bs=4K seek=110 count=1 conv=notrunc status=none
	equal --holes exact --ignore mtime "$WORK/h1" "$WORK/h2"
	dd if=/dev/zero of="$WORK/h2/f" bs=4K seek=101 count=9 conv=notrunc status=none
	equal --holes logical --ignore mtime "$WORK/h1" "$WORK/h2"
	compare 1 --holes exact --ignore mtime "$WORK/h1" "$WORK/h2"
	equal --holes none --ignore mtime "$WORK/h1" "$WORK/h2"
	dd if=/dev/zero of="$WORK/h1/f" bs=4K seek=200 count=1 conv=notrunc status=none
	compare 1 --holes logical --ignore mtime "$WORK/h1" "$WORK/h2"
	grep -Fq '"f": holes: data at 819200-823296 != a hole' "$WORK/found" || wrong "data that is a hole was not found"
	compare 1 --holes logical --ignore mtime "$WORK/h2" "$WORK/h1"
}

judge_options() {
	rm -rf "$copy"
	cp -a "$base" "$copy"
	rm -r "$copy/dir" "$copy/file" "$copy/same"
	compare 1 --max 1 "$base" "$copy"
	[ "$(grep -c '!=' "$WORK/found")" -eq 1 ] || wrong "--max 1 did not print one line"
	grep -q '^4 differences, 0' "$WORK/found" || wrong "--max 1 did not count all four"
	compare 1 --ignore name "$base" "$copy"
	compare 0 --ignore name --ignore-root "$base" "$copy"
	equal --extra-in-b --ignore mtime,nlink "$copy" "$base"
	compare 1 --extra-in-b --ignore mtime,nlink "$base" "$copy"
	compare 2 "$base" "$WORK/nowhere"
	compare 2 "$base"
	compare 2 --ignore nonsense "$base" "$copy"
	rm -rf "$copy"
	cp -a "$base" "$copy"
	setfattr -n user.more -v x "$copy/file"
	compare 1 "$base" "$copy"
	compare 0 --ignore-xattr 'user.m*' "$base" "$copy"
}

# --- Generated trees ---

judge_generator() {
	local size=(--chunk "4K,16K,64K" --segment 8K --wide 3000 --tall 1100 --huge 1T --skip comb)

	$root || size+=(--skip unreadable)
	"$mktree" "${size[@]}" --seed 5 "$WORK/t1" 2>"$WORK/left-out"
	"$mktree" "${size[@]}" --seed 5 "$WORK/t2" 2>/dev/null
	"$mktree" "${size[@]}" --seed 6 --only contents,types,wide "$WORK/t3" 2>/dev/null
	sed 's/^/  /' "$WORK/left-out"
	equal --nlink --all-inodes --dirent --read-holes "$WORK/t1" "$WORK/t2"
	compare 1 "$WORK/t1/contents" "$WORK/t3/contents"
	# Deep, wide and far: a change there is seen.
	judge_far tall
	judge_far long
	find "$WORK/t2/wide" -type f -printf '%f\n' | sort | sed -n 1500p >"$WORK/name"
	touch "$WORK/t2/wide/$(cat "$WORK/name")"
	compare 1 "$WORK/t1/wide" "$WORK/t2/wide"
	grep -Fq "\"$(cat "$WORK/name")\": mtime" "$WORK/found" || wrong "a change in a wide directory was not found"
	[ -e "$WORK/t2/huge/huge" ] || return 0
	printf x | dd of="$WORK/t2/huge/huge" bs=1 seek=549755813888 conv=notrunc status=none
	compare 1 --ignore mtime "$WORK/t1/huge" "$WORK/t2/huge"
	grep -Fq '"huge": data: ' "$WORK/found" || wrong "a byte of the large sparse file was not found"
}

# A change as far down as TREE goes is found.
judge_far() {
	find "$WORK/t2/$1" -name bottom -execdir chmod 640 {} \;
	compare 1 "$WORK/t1/$1" "$WORK/t2/$1"
	grep -Fq '/bottom": mode: 0644 != 0640' "$WORK/found" || wrong "a change at the end of $1 was not found"
	find "$WORK/t2/$1" -name bottom -execdir chmod 644 {} \;
	equal "$WORK/t1/$1" "$WORK/t2/$1"
}

judge_copy() {
	# cp does not reach beyond PATH_MAX, takes a hole of one byte for data, and sorts ACLs.
	rm -rf "$WORK/t2" "$WORK/t3" "$WORK/t1/long" "$WORK/t1/tall" "$WORK/t1/huge"
	rm -rf "$WORK/t1/sparse/hole-one-byte" "$WORK/t1/acls/unordered"
	cp -a "$WORK/t1" "$WORK/t2"
	equal --nlink --holes none "$WORK/t1" "$WORK/t2"
	rm -rf "$WORK/t1/reserved" "$WORK/t2/reserved"
	touch -r "$WORK/t1" "$WORK/t2"
	equal --nlink --holes exact "$WORK/t1" "$WORK/t2"
}

judge_mutations() {
	local kinds

	cp -a "$WORK/t1" "$WORK/t3"
	"$mktree" --mutate 9 --rounds 3 "$WORK/t2" >"$WORK/log2"
	"$mktree" --mutate 9 --rounds 3 "$WORK/t3" >"$WORK/log3"
	cmp "$WORK/log2" "$WORK/log3"
	kinds=$(cut -d: -f1 "$WORK/log2" | sort -u | wc -l)
	[ "$kinds" -ge 19 ] || wrong "only $kinds kinds of changes were made"
	equal --nlink --ignore mtime "$WORK/t2" "$WORK/t3"
	compare 1 "$WORK/t1" "$WORK/t2"
	"$mktree" --mutate 9 --sneaky "$WORK/t3" >"$WORK/log3"
	[ "$(wc -l <"$WORK/log3")" -eq 5 ] || wrong "--sneaky did not make five changes"
	compare 1 --ignore mtime --holes none "$WORK/t2" "$WORK/t3"
	compare 0 --ignore mtime,data --holes none "$WORK/t2" "$WORK/t3"
}

: >"$WORK/found"
make_base
cp -a "$base" "$copy"
equal --nlink --all-inodes --dirent --blocks 0 "$base" "$copy"
find_each_field
if $root; then find_what_root_has; fi
find_acls
judge_hole_modes
judge_options
judge_generator
judge_copy
judge_mutations
