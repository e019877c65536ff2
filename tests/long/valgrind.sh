#!/usr/bin/env bash
# Scenarios with every process of ours under valgrind's memcheck: BUILD=build tests/long/valgrind.sh [PATTERN...]
#
# A folder beside the programs has scripts of their names that run them so.  Reads of what is not there, of what was never
# written, and what is freed twice count; memory that is still held at the end does not, as the address sanitizer looks for
# that.  Exit status 1 if a scenario fails or anything was found; all reports are printed then.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=$(cd "${BUILD:-build}" && pwd)
patterns=("$@")
[ $# -gt 0 ] || patterns=(10-init 12-look 40-mount-namespace 46-hardening)
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 1; }

dir=$build/valgrind
rm -rf "$dir"
mkdir -p "$dir/reports"
ln -s "$build/tests" "$dir/tests"
for program in varve varvefs; do
	# The sandbox is of system calls that valgrind does not know, or makes itself.
	cat >"$dir/$program" <<-S
		#!/bin/sh
		export VARVE_NO_SANDBOX=1
		exec valgrind -q --trace-children=yes --trace-children-skip='/bin/*,/usr/bin/*' --child-silent-after-fork=yes \\
			--leak-check=no --error-exitcode=99 --log-file='$dir/reports/%p' $build/$program "\$@"
	S
	chmod +x "$dir/$program"
done

status=0
SANITIZE=valgrind JOBS=${JOBS:-2} tests/run.sh -l 1800 "$dir" "${patterns[@]}" || status=1
found=$(find "$dir/reports" -type f -size +0)
if [ -n "$found" ]; then
	echo "valgrind has found something:"
	# shellcheck disable=SC2086 # names that were made above
	cat $found
	status=1
fi
echo "$(find "$dir/reports" -type f | wc -l) processes"
exit $status
