#!/usr/bin/env bash
# The manual pages: mandoc finds nothing to complain about; and what they tell of is what there is, neither more nor
# less.  Part of that is read from the sources, and part, where there are programs ($VARVE and $VARVEFS, as tests/run.sh
# gives them), from what they print as help.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

shopt -s nullglob
pages=(docs/*.[1-8])
[ ${#pages[@]} -gt 0 ] || { echo "no manual pages"; exit 77; }
command -v mandoc >/dev/null || { echo "mandoc is not installed"; exit 77; }

bad=0
complain() {
	echo "$*"
	bad=1
}

mandoc -T lint -W warning "${pages[@]}" || bad=1

# same WHAT LEAST GOT WANT: two files with a thing a line must be the same lists, of at least so many things.
same() {
	local line

	sort -u -o "$3" "$3"
	sort -u -o "$4" "$4"
	[ "$(wc -l <"$4")" -ge "$2" ] || complain "$1: fewer than $2 found: has something moved?"
	while IFS= read -r line; do complain "$1: in the page, but not there: $line"; done < <(comm -23 "$3" "$4")
	while IFS= read -r line; do complain "$1: not in the page: $line"; done < <(comm -13 "$3" "$4")
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
got=$tmp/got want=$tmp/want

# section NAME PAGE: the lines of a section.
section() {
	awk -v name="$1" '/^\.Sh / { on = $0 == ".Sh " name } on' "$2"
}

# sources FOLDER...: all lines of the C sources and headers in or below folders.
sources() {
	find "$@" -name '*.[ch]' -exec cat {} +
}

# --- varve.1 ---------------------------------------------------------------------------------------------------------

# "COMMAND", "COMMAND --OPTION" and "COMMAND -X --OPTION"; COMMAND is "-" for the common options.
options_of_page() {
	awk '
	/^\.S[hs] / { command = "" }
	/^\.Ss Common options/ { command = "-" }
	/^\.Ss varve / { command = $3; print command }
	command != "" {
		line = $0
		while (match(line, /(Fl [A-Za-z0] , )?Fl -[a-z][a-z-]*/)) {
			found = substr(line, RSTART, RLENGTH)
			line = substr(line, RSTART + RLENGTH)
			sub(/ , /, " ", found)
			gsub(/Fl /, "-", found)
			long_name = found
			sub(/^-[A-Za-z0] /, "", long_name)
			# A command may speak of a common option.
			if (command == "-")
				common[long_name] = 1
			else if (long_name in common)
				continue
			print command, found
			print command, long_name
		}
	}' docs/varve.1
}

options_of_program() {
	local command

	"$VARVE" help --list
	for command in $("$VARVE" help --list | sed '/ /d'); do
		"$VARVE" help "$command" | sed -n "/^Common options/q; s/^  \\(-.\\), \\(--[a-z-]*\\).*/$command \\1 \\2/p"
	done
	"$VARVE" help help | sed -n '/^Common options/,$s/^  \(-.\), \(--[a-z-]*\).*/- \1 \2/p'
}

if [ -x "${VARVE:-}" ]; then
	options_of_page >"$got"
	options_of_program >"$want"
	same "varve.1: commands and options" 90 "$got" "$want"
fi

# Some are put together: site_open() adds _USER and _PASSWORD to what it is given.
section ENVIRONMENT docs/varve.1 | grep -oE 'VARVE_[A-Z_]+' | sed -E 's/^(VARVE_(HTTP|WEBDAV))_(USER|PASSWORD)$/\1/' >"$got"
sources repo tools | grep -oE '"VARVE_[A-Z_]+"' | tr -d '"' >"$want"
same "varve.1: environment" 6 "$got" "$want"

# Names in JSON that the page writes as ".Li a , b"; "_hex" stands for itself.
section "JSON OUTPUT" docs/varve.1 | sed -n 's/^\.Li \(.*\)/\1/p' | tr -d ',;' | tr -s ' ' '\n' |
	grep -E '^[a-z_]+$' >"$got"
sources tools | grep -oE 'json_set_[a-z0-9]+\([a-z]+, "[a-z_]+"' | sed 's/.*"\(.*\)"/\1/' >"$want"
same "varve.1: names in JSON" 60 "$got" "$want"

section "EXIT STATUS" docs/varve.1 | grep -oE '^\.It [0-9]+' | cut -d ' ' -f 2 >"$got"
{ sources tools | sed -nE 's/^\tEXIT_[A-Z_]+ = ([0-9]+),.*/\1/p' && echo 130; } >"$want"
same "varve.1: exit statuses" 7 "$got" "$want"

# --- varvefs.8 -------------------------------------------------------------------------------------------------------

# Options for mount(8): what the program has in its table, and what its help tells of.
section "MOUNT OPTIONS" docs/varvefs.8 | grep -E '^\.(It )?Cm ' >"$tmp/lines"
{
	grep -oE 'Cm [a-z_]+ Ns =' "$tmp/lines" | cut -d ' ' -f 2
	sed -E 's/^\.(It )?Cm //; s/[a-z_]+ Ns .*//' "$tmp/lines" | tr -d ',.' | tr -s ' ' '\n'
} | grep -vE '^(comment|x-)?$' >"$got"
{ sources fs | grep -oE '\{ "[a-z_]+", [A-Z]' | cut -d '"' -f 2 && echo gmt; } >"$want"
same "varvefs.8: mount options" 30 "$got" "$want"

if [ -x "${VARVEFS:-}" ]; then
	# The left column of the help, without what has other lines of the table.
	"$VARVEFS" --help | sed -nE '/^ +and /d; s/^  +([a-z-].*)/\1/p' | sed -E 's/  .*//; s/, */\n/g' |
		sed 's/[ =[].*//; /^[a-z]/!d' >"$tmp/help"
	while IFS= read -r option; do
		complain "varvefs --help: no such option: $option"
	done < <(comm -23 <(sort -u "$tmp/help") "$want")
	sed -n '/^\.Sh SYNOPSIS/,/^\.Sh/p' docs/varvefs.8 | grep -oE 'Fl -?[A-Za-z]+' | sed 's/Fl /-/' | sort -u >"$got"
	"$VARVEFS" --help | grep -oE '(^|[ [])--?[A-Za-z]+' | tr -d ' [' | sort -u >"$tmp/flags"
	while IFS= read -r option; do
		complain "varvefs.8: not in the synopsis: $option"
	done < <(comm -13 "$got" "$tmp/flags")
fi

section "STATUS ATTRIBUTES" docs/varvefs.8 | grep -oE '^\.It Li user\.varve\.[a-z]+' | sed 's/.*\.//' >"$got"
{ find fs -name xattr.c -exec sed -nE 's/.*strcmp\(name, "([a-z]+)"\).*/\1/p' {} + && echo requests; } >"$want"
same "varvefs.8: status attributes" 7 "$got" "$want"

# --- varve-format.5 --------------------------------------------------------------------------------------------------

# What bytes begin with and what keys are derived for: texts that no reader can do without.
sed 's/\\(dq/"/g' docs/varve-format.5 >"$tmp/format"
sources repo/crypt repo/pack repo/doomed repo/object repo/tree repo/snapshot repo/index/run |
	grep -oE '"(VARVE[A-Z]{2}[0-9]|VPKEND[0-9]|VIX[0-9]|VTP[0-9]|VSP[0-9]|varve [a-z -]+)' | sort -u >"$want"
[ "$(wc -l <"$want")" -ge 16 ] || complain "varve-format.5: fewer than 16 texts found in the sources"
while IFS= read -r text; do
	grep -qF -- "$text" "$tmp/format" || complain "varve-format.5: not in the page: $text\""
done <"$want"

exit $bad
