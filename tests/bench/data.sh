#!/usr/bin/env bash
# The data of the benchmark and of the long round trip: two releases of a Linux kernel's source, unpacked, and one big file.
#
#   tests/bench/data.sh [tree|big]...    (default: both)
#
# Everything is made in $BENCH_DATA (default /var/tmp/varve-bench) from the distribution's packages, unless it is there:
# linux-*/ the two trees, big.tar 4 GiB.  What is printed on stdout may be read by a shell: TREE=, NEXT=, BIG=.
set -euo pipefail

dir=${BENCH_DATA:-/var/tmp/varve-bench}
size=$((4 << 30))

say() {
	echo "data: $*" >&2
}

die() {
	say "$*"
	exit 1
}

# Trees, oldest version first.
trees() {
	find "$dir/" -mindepth 1 -maxdepth 1 -type d -name 'linux-*' ! -name '*.part' | sort -V
}

# The versions of the package that can be had, newest first.
versions() {
	apt-cache madison "$1" | awk -F'|' '{ gsub(/ /, "", $2); print $2 }'
}

# Version 6.1 if there, for the figures that are written down are of it.
package_name() {
	apt-cache search --names-only '^linux-source-[0-9.]+$' | awk '
		$1 == "linux-source-6.1" { best = $1 }
		{ last = $1 }
		END { print best ? best : last }'
}

# unpack PACKAGE VERSION: the source in it becomes $dir/linux-VERSION.
unpack() {
	local part=$dir/linux-$2.part

	say "fetching and unpacking $1 $2"
	rm -rf -- "$part"
	mkdir -p -- "$part/deb" "$part/tree"
	(cd "$part/deb" && apt-get download -q "$1=$2" >&2)
	dpkg-deb --fsys-tarfile "$part"/deb/*.deb | tar -xOf - --wildcards './usr/src/linux-source-*.tar.*' |
		tar -xJf - -C "$part/tree" --strip-components=1
	[ -e "$part/tree/Makefile" ] || die "$1 $2 holds no kernel source"
	mv -- "$part/tree" "$dir/linux-${2//[^0-9A-Za-z.-]/_}"
	rm -rf -- "$part"
}

# Two trees; where the distribution has only one release, the second is the first after some changes.
make_trees() {
	local package newest oldest

	command -v apt-get >/dev/null || die "no apt-get here: put two source trees at $dir/linux-1 and $dir/linux-2"
	package=$(package_name)
	[ -n "$package" ] || die "no package linux-source-N found; apt-get update?"
	newest=$(versions "$package" | head -n 1)
	oldest=$(versions "$package" | tail -n 1)
	[ -n "$newest" ] || die "no version of $package can be had"
	mkdir -p -- "$dir"
	rm -rf -- "$dir"/linux-*.part
	unpack "$package" "$newest"
	if [ "$oldest" != "$newest" ]; then
		unpack "$package" "$oldest"
	else
		say "only one release of $package: the next version is a changed copy"
		change_copy "$(trees | head -n 1)"
	fi
}

# Add a comment at the end of every hundredth C file.
change_copy() {
	cp -a -- "$1" "$1-next.part"
	find "$1-next.part" -name '*.c' | sort | awk 'NR % 100 == 1' | while IFS= read -r f; do
		echo "/* changed */" >>"$f"
	done
	mv -- "$1-next.part" "$1-next"
}

# Fails harmlessly for tar, whose reader has enough at some point.
make_big() {
	say "making $dir/big.tar"
	mkdir -p -- "$dir"
	{ tar -cf - -C / usr/lib usr/bin usr/share 2>/dev/null || true; } | head -c "$size" >"$dir/big.tar.part"
	mv -- "$dir/big.tar.part" "$dir/big.tar"
}

[ $# -gt 0 ] || set -- tree big
for what; do
	case $what in
	tree)
		[ "$(trees 2>/dev/null | wc -l)" -ge 2 ] || make_trees
		printf 'TREE=%q\nNEXT=%q\n' "$(trees | head -n 1)" "$(trees | tail -n 1)"
		;;
	big)
		[ -e "$dir/big.tar" ] || make_big
		printf 'BIG=%q\n' "$dir/big.tar"
		;;
	*) die "tree or big, not $what" ;;
	esac
done
