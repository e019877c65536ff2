#!/usr/bin/env bash
# The manual pages: mandoc finds nothing to complain about, and where there is a program ($VARVE, as tests/run.sh gives it),
# every command and every option that it tells of is in varve(1).
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

mandoc -W warning -T lint "${pages[@]}" || bad=1

[ -n "${VARVE:-}" ] && [ -x "$VARVE" ] || exit $bad

# The page as a reader sees it, in one line, without the backspaces that make bold.
text=$(mandoc -T utf8 -O width=500 docs/varve.1 | sed $'s/.\b//g')

# "varve help" lists the commands, each in a line that begins with spaces and its name.
mapfile -t commands < <("$VARVE" help | sed -nE 's/^ +([a-z][a-z-]+) .*/\1/p' | sort -u)
[ ${#commands[@]} -ge 15 ] || complain "only ${#commands[@]} commands found in what 'varve help' prints"
for c in "${commands[@]}"; do
	grep -qE "^ *(varve )?$c( |\$)" <<<"$text" || complain "varve.1: no command $c"
	options=$("$VARVE" help "$c" | grep -oE -- '(^|[[ ,])--[a-z][a-z-]+' | grep -oE -- '--.*' | sort -u)
	for o in $options; do
		grep -qE -- "(^|[^a-z-])$o([^a-z-]|\$)" <<<"$text" || complain "varve.1: no option $o (varve $c)"
	done
done
exit $bad
