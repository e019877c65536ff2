#!/usr/bin/env bash
# Everything that reads the code without running it; `make lint` calls it with BUILD and STANDARD, the compiler's flags.
# One line for each step, and what it has to say where it finds something.  Exit status 1 if any step did.
# Arguments, if any, are names of the steps to run: make lint T="layers words".
# shellcheck disable=SC2317 # the steps are called by name
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

: "${BUILD:=build/lint}" "${MAKE:=make}"
: "${JOBS:=$(nproc)}"
standard=()
eval "standard+=(${STANDARD:?run it by: make lint})"
mapfile -t c_files < <(find repo fs tools tests -name '*.c' | sort)
mapfile -t h_files < <(find repo fs tools tests -name '*.h' | sort)
mapfile -t scripts < <({ find . -name .git -prune -o -name 'build*' -prune -o -name '*.sh' -print; echo .ci/run; } | sort)

step_gcc() {
	$MAKE -s -k -j"$JOBS" CC=gcc WERROR=1 BUILD="$BUILD/gcc" objects
}

step_clang() {
	$MAKE -s -k -j"$JOBS" CC=clang WERROR=1 BUILD="$BUILD/clang" objects
}

# Each header must stand alone: it is read and included alone.
step_headers() {
	printf '%s\n' "${h_files[@]}" |
		xargs -P "$JOBS" -I{} gcc "${standard[@]}" -Wno-unused -fsyntax-only -include {} -xc /dev/null
}

# It does not believe in functions that never return, of which the test programs live.
step_cppcheck() {
	cppcheck --quiet --std=c11 --language=c -I. -D_GNU_SOURCE -j "$JOBS" --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability --suppress=missingIncludeSystem --template=gcc repo fs tools 2>&1
}

step_clang-tidy() {
	# The product only: the tests, a third of all files, would cost time that CI lacks.
	# One file a run: with several its va_list check forgets what it knew (clang 14).
	# shellcheck disable=SC2016 # sh expands them
	printf '%s\n' "${c_files[@]}" | grep -v '^tests/' | xargs -P "$JOBS" -n 1 sh -c 'flags=$1; shift; clang-tidy --quiet "$@" -- $flags' - \
		"${standard[*]}" 2>&1 | grep -vE '^[0-9]+ warnings? generated|^Suppressed|^Use -header-filter'
	[ "${PIPESTATUS[2]}" -eq 0 ]
}

# Names that the tests made hold no surprises for ls (SC2012); some functions have optional arguments (SC2119, SC2120);
# "a && b || c" is meant as it runs (SC2015).
step_shellcheck() {
	shellcheck -x -P tests -e SC2012,SC2015,SC2119,SC2120 "${scripts[@]}"
}

step_layers() {
	tests/lint/layers.sh
}

step_manuals() {
	tests/lint/manuals.sh
}

# Files that the documents name are there.
step_paths() {
	local f bad=0

	# shellcheck disable=SC2016 # backquotes as in the text
	while IFS= read -r f; do
		[ -e "$f" ] || { echo "named in README.md or docs/, and not there: $f"; bad=1; }
	done < <(grep -ohE '`(repo|fs|tools|tests|docs|packaging)/[A-Za-z0-9_./-]*[A-Za-z0-9_/]`' README.md docs/*.md | tr -d '`' | sort -u)
	return "$bad"
}

# Past 100 lines the second half of a function wants a name of its own.
step_functions() {
	ctags -x --c-kinds=f --_xformat='%F:%n: %N ends in line %{end}' "${c_files[@]}" |
		awk -F'[: ]+' '{ if ($NF - $2 + 1 > 100) { print $0 ", " $NF - $2 + 1 " lines"; bad = 1 } } END { exit bad }'
}

# A tab counts 8 columns.
step_columns() {
	local f bad=0

	for f in "${c_files[@]}" "${h_files[@]}"; do
		expand -t 8 "$f" | LC_ALL=C.UTF-8 grep -nE '^.{121,}' | sed "s|^|$f:|" && bad=1
	done
	return "$bad"
}

# Work that is left is said elsewhere than in the code.
step_words() {
	! grep -nE '\b(TODO|FIXME|XXX|HACK)\b' "${c_files[@]}" "${h_files[@]}" Makefile README.md
}

steps=("$@")
[ $# -gt 0 ] || steps=(layers words columns functions paths shellcheck manuals headers gcc clang cppcheck clang-tidy)
failed=0
for step in "${steps[@]}"; do
	start=$SECONDS
	out=$("step_$step" 2>&1)
	case $? in
	0) word=ok out= ;;
	77) word=skipped ;;
	*) word=FAILED failed=1 ;;
	esac
	printf '%-8s lint %-12s %s s\n' $word "$step" $((SECONDS - start))
	[ -z "$out" ] || printf '%s\n' "$out" | sed 's/^/    | /'
done
exit $failed
