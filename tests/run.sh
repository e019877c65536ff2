#!/usr/bin/env bash
# Run the tests of a build: tests/run.sh [-j JOBS] [-l SECONDS] BUILD [PATTERN...]
#
# A test is a unit test program, a corpus, a check in tests/lint or a scenario script tests/NN-name.sh; with patterns only
# those run whose name contains one of them.  One line for each, in a fixed order however many run at once, the output of
# those that fail, and at the end "N passed, N failed, N skipped" (also appended to the file $TOTALS, if that is set).
# Exit status 0, or 1 if anything failed.
#
# A test gets a clean environment (see environment() below), a directory WORK of its own and a time limit.  It passes with
# status 0 and skips with status 77, the last line of its output being the reason; with NO_SKIP=1 that has failed, but for
# what a sanitizer rules out (may_not_skip() below).  What it leaves mounted is unmounted; a
# process that it leaves behind, or a sanitizer's report from any process of it, makes it fail.
set -u

top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$top" || exit 1

jobs=${JOBS:-}
limit=300
while getopts j:l: opt; do
	case $opt in
	j) jobs=$OPTARG ;;
	l) limit=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || { echo "usage: tests/run.sh [-j JOBS] [-l SECONDS] BUILD [PATTERN...]" >&2; exit 2; }
build=$(cd "$1" && pwd) || exit 2
shift
patterns=("$@")
: "${jobs:=$(nproc)}"

# --- Which tests -----------------------------------------------------------------------------------------------------

wanted() {
	local p

	[ ${#patterns[@]} -gt 0 ] || return 0
	for p in "${patterns[@]}"; do
		[[ $1 == *"$p"* ]] && return 0
	done
	return 1
}

names=()
add() {
	if wanted "$1"; then names+=("$1"); fi
}

# By the sources, not by what lies in the build directory: that may hold programs of sources that are gone.
list_tests() {
	local f

	while read -r f; do
		f=${f#tests/}
		add "${f%_test.c}"
	done < <(find tests/unit -name '*_test.c' 2>/dev/null | sort)
	for f in tests/fuzz/*_fuzz.c tests/fuzz/*/*_fuzz.c; do
		if [ -e "$f" ]; then add "corpus/$(basename "$f" _fuzz.c)"; fi
	done
	add lint/layers
	add lint/manuals
	for f in tests/[0-9][0-9]-*.sh; do
		if [ -e "$f" ]; then add "$(basename "$f" .sh)"; fi
	done
}

# The command line of test $1, into the array cmd.
command_of() {
	case $1 in
	unit/*) cmd=("$build/tests/unit/${1#unit/}_test") ;;
	corpus/*) cmd=("$build/tests/corpus/${1#corpus/}" "tests/fuzz/corpus/${1#corpus/}") ;;
	lint/*) cmd=(bash "tests/$1.sh") ;;
	*) cmd=(bash "tests/$1.sh") ;;
	esac
}

# --- One test --------------------------------------------------------------------------------------------------------

# The whole environment of test number $1, into the array vars.  TEST_* of the caller is handed on: switches of scenarios.
environment() {
	local san="log_path=$run/san/$1:exitcode=99"

	vars=(
		PATH="$build:$PATH:/usr/local/sbin:/usr/sbin:/sbin"
		HOME="$run/home.$1" TMPDIR="$run/home.$1" USER="$(id -un)" LC_ALL=C.UTF-8 TZ=UTC
		WORK="$run/$1" VARVE="$build/varve" VARVEFS="$build/varvefs" TOOLS="$build/tests/tools"
		VARVE_CACHE_DIR="$run/$1/cache" CMOCKA_MESSAGE_OUTPUT=TAP SANITIZE="${SANITIZE:-}"
		SERVICES_HOME="${SERVICES_HOME:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/varve-test-services}"
		ASAN_OPTIONS="$san:detect_stack_use_after_return=1" UBSAN_OPTIONS="$san:print_stacktrace=1"
		TSAN_OPTIONS="$san:second_deadlock_stack=1" LSAN_OPTIONS="$san"
	)
	while IFS= read -r v; do
		vars+=("$v=${!v}")
	done < <(compgen -e TEST_)
}

# Mountpoints below directory $1, the deepest first.  /proc writes odd bytes of names as octal escapes.
mounts_below() {
	local point

	while read -r _ _ _ _ point _; do
		printf -v point '%b' "$point"
		if [[ $point == "$1"/* ]]; then printf '%s\n' "$point"; fi
	done </proc/self/mountinfo | tac
}

# unmount_below DIR [lazily]
unmount_below() {
	local point

	mounts_below "$1" | while IFS= read -r point; do
		fusermount3 -u ${2:+-z} -- "$point" || umount ${2:+-l} -- "$point"
	done >/dev/null 2>&1
}

# Processes of the test whose WORK is $1, told by their environment.
processes_of() {
	local f

	grep -lzsxF -- "WORK=$1" /proc/[0-9]*/environ 2>/dev/null | while IFS=/ read -r _ _ f _; do
		# A process that has ended but was not waited for by its parent has no command line.
		if [ -n "$(tr '\0' ' ' 2>/dev/null <"/proc/$f/cmdline")" ]; then echo "$f"; fi
	done
}

kill_processes_of() {
	local pid

	for pid in $(processes_of "$1"); do
		kill -KILL "$pid" 2>/dev/null
	done
}

# Unmount and end what test number $1 left.  Return 1, with the processes in the log, if any had to be killed.
clean_up() {
	local work=$run/$1 left ret=0 deadline=$((SECONDS + 10))

	unmount_below "$work"
	while left=$(processes_of "$work") && [ -n "$left" ] && [ $SECONDS -lt $deadline ]; do
		sleep 0.1
	done
	if [ -n "$left" ]; then
		{
			echo "left behind after 10 s:"
			# shellcheck disable=SC2086 # a list of numbers
			ps -o pid,args -p "$(echo $left | tr ' ' ,)" | cut -c 1-200
		} >>"$run/log.$1" 2>&1
		ret=1
		kill_processes_of "$work"
	fi
	unmount_below "$work" lazily
	rm -rf --one-file-system -- "$work" "$run/home.$1" 2>/dev/null || {
		chmod -R u+rwX -- "$work" 2>/dev/null
		rm -rf --one-file-system -- "$work" "$run/home.$1" 2>>"$run/log.$1"
	}
	return $ret
}

# Count the results of a cmocka program from its log (TAP).  cmocka 1.1 writes a skipped test as "not ok N # SKIP".
count_tap() {
	passed=$(grep -cE '^ok [0-9]+ - ' "$1")
	skipped=$(grep -cE '^(not )?ok [0-9]+ # SKIP' "$1")
	failed=$(grep -cE '^not ok [0-9]+ - ' "$1")
}

# Of the skipped tests of the cmocka program called $1, with the log $2, how many had no right to it.  A sanitizer needs all
# addresses: where they are limited there is nothing to test.
may_not_skip() {
	grep -E '^(not )?ok [0-9]+ # SKIP' "$2" | while read -r line; do
		case "${SANITIZE:+sanitized} $1 ${line##* }" in
		"sanitized unit/crypt/keyslot test_no_memory" | "sanitized unit/index/env/index_env_room test_address_space") ;;
		*) echo "$line" ;;
		esac
	done | wc -l
}

# Run test number $1, called $2; leave "passed failed skipped seconds" and a remark in result.$1, the output in log.$1.
run_test() {
	local log=$run/log.$1 start=$SECONDS status passed=0 failed=0 skipped=0 remark="" cmd vars v

	mkdir -p "$run/$1" "$run/home.$1"
	command_of "$2"
	environment "$1"
	env -i "${vars[@]}" timeout -k 10 "$limit" "${cmd[@]}" >"$log" 2>&1 </dev/null
	status=$?
	[[ $2 != unit/* ]] || count_tap "$log"
	case $status in
	0) [ $((passed + skipped)) -gt 0 ] || [[ $2 == unit/* ]] || passed=1 ;;
	77) skipped=1 remark=$(tail -n 1 "$log") ;;
	124 | 137) failed=$((failed + 1)) remark="time limit of $limit s" ;;
	*) [ $failed -gt 0 ] || failed=1 remark="exit status $status" ;;
	esac
	if [ -n "${NO_SKIP:-}" ] && [ $skipped -gt 0 ]; then
		v=1
		[[ $2 != unit/* ]] || v=$(may_not_skip "$2" "$log")
		failed=$((failed + v)) skipped=$((skipped - v))
		[ "$v" -eq 0 ] || remark="may not skip${remark:+: $remark}"
	fi
	clean_up "$1" || { failed=$((failed + 1)) remark="left a process behind"; }
	if compgen -G "$run/san/$1.*" >/dev/null; then
		cat "$run/san/$1".* >>"$log"
		failed=$((failed + 1)) remark="a sanitizer's report"
	fi
	[ $((passed + failed + skipped)) -gt 0 ] || failed=1 remark="no test in it"
	# A script that passed until something was found afterwards is one failed test, not a passed and a failed one.
	if [ $failed -gt 0 ] && [[ $2 != unit/* ]]; then passed=0 failed=1 skipped=0; fi
	echo "$passed $failed $skipped $((SECONDS - start)) $remark" >"$run/result.tmp.$1"
	mv "$run/result.tmp.$1" "$run/result.$1"
}

# --- All of them -----------------------------------------------------------------------------------------------------

total_passed=0 total_failed=0 total_skipped=0

# Print the result of test number $1, called $2, and add it to the totals.
report() {
	local passed failed skipped seconds remark word=ok note

	read -r passed failed skipped seconds remark <"$run/result.$1"
	total_passed=$((total_passed + passed))
	total_failed=$((total_failed + failed))
	total_skipped=$((total_skipped + skipped))
	note="$seconds s"
	[[ $2 != unit/* ]] || note="$passed passed, $failed failed, $skipped skipped, $seconds s"
	note=${note/, 0 failed/}
	note=${note/, 0 skipped/}
	[ $((passed + failed)) -gt 0 ] || { word=skipped note=; }
	[ "$failed" -eq 0 ] || word=FAILED
	printf '%-8s %-34s %s%s\n' "$word" "$2" "$note" "${remark:+${note:+, }$remark}"
	[ "$failed" -eq 0 ] || sed 's/^/    | /' "$run/log.$1"
}

stop() {
	local i

	trap - INT TERM EXIT
	for i in "${!names[@]}"; do
		kill_processes_of "$run/$i"
		unmount_below "$run/$i" lazily
	done
	rm -rf --one-file-system -- "$run"
	exit "$1"
}

list_tests
[ ${#names[@]} -gt 0 ] || { echo "no test matches: ${patterns[*]}" >&2; exit 1; }

run=$(mktemp -d "${TMPDIR:-/tmp}/varve-check.XXXXXX") || exit 1
chmod 711 "$run" # tests that give up root need a way to their files
mkdir -m 1777 "$run/san"
chmod 1777 "$run/san"
trap 'stop 130' INT
trap 'stop 143' TERM
trap 'stop 1' EXIT

# Job control, so that background jobs don't start with SIGINT ignored: there are tests of it.
set -m
next=0 shown=0 running=0
while [ $shown -lt ${#names[@]} ]; do
	while [ $running -lt "$jobs" ] && [ $next -lt ${#names[@]} ]; do
		run_test $next "${names[$next]}" &
		next=$((next + 1)) running=$((running + 1))
	done
	wait -n
	[ $? -ne 127 ] || { echo "a test ended without a result" >&2; stop 1; }
	running=$((next - $(compgen -G "$run/result.[0-9]*" | wc -l)))
	while [ -e "$run/result.$shown" ]; do
		report $shown "${names[$shown]}"
		shown=$((shown + 1))
	done
done

closing="$total_passed passed, $total_failed failed, $total_skipped skipped"
[ -z "${TOTALS:-}" ] || echo "$closing" >>"$TOTALS"
echo "$closing"
[ $total_failed -eq 0 ]
stop $?
