# shellcheck shell=bash
# Damage to one file: for scenarios that see what is made of it.  Read after scenario.sh.

# flip FILE [AT]: turn a bit of the byte at AT, from the end if that is negative, in the middle if it is not given; the second
# time turns it back.
flip() {
	local size at=${2:-} b

	size=$(stat -c %s "$1")
	[ -n "$at" ] || at=$((size / 2))
	[ "$at" -ge 0 ] || at=$((size + at))
	b=$(od -An -tu1 -j "$at" -N 1 "$1")
	chmod u+w "$1"
	# shellcheck disable=SC2059 # the byte is the format
	printf "\\x$(printf %02x $((b ^ 16)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# cut_short FILE: leave two thirds of it.
cut_short() {
	chmod u+w "$1"
	truncate -s $(($(stat -c %s "$1") * 2 / 3)) "$1"
}

# gone FILE: there is none.
gone() {
	rm -f "$1"
}
