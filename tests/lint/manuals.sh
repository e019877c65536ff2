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

mandoc -T lint -W warning "${pages[@]}" || bad=1

[ -x "${VARVE:-}" ] && [ -x "${VARVEFS:-}" ] || exit $bad

# The pages as a reader sees them, without the backspaces that make bold.
page() {
	mandoc -T utf8 -O width=500 "$1" | sed $'s/.\b//g'
}

# has TEXT WORD: is it there as a word of its own?
has() {
	grep -qE -- "(^|[^A-Za-z0-9-])$2([^A-Za-z0-9-]|\$)" <<<"$1"
}

page1=$(page docs/varve.1)
count=0
# "COMMAND" or "COMMAND --option", where "-" is what all commands have.
while read -r command option; do
	count=$((count + 1))
	has "$page1" "${option:-$command}" || complain "varve.1: no ${option:-command} $command"
done < <("$VARVE" help --list)
[ $count -ge 50 ] || complain "only $count commands and options found in what 'varve help --list' prints"

page8=$(page docs/varvefs.8)
count=0
# The left column of the help: options, and mount options with "=WHAT", separated by commas.
while read -r option; do
	count=$((count + 1))
	has "$page8" "$option" || complain "varvefs.8: no option $option"
done < <("$VARVEFS" --help | sed -nE '/^ +and /d; s/^  +([a-z-].*)/\1/p' | sed -E 's/  .*//; s/, */\n/g' | sed 's/[ =].*//; /^[a-z-]/!d')
[ $count -ge 15 ] || complain "only $count options found in what 'varvefs --help' prints"

exit $bad
