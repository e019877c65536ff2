#!/usr/bin/env bash
# Run fuzz targets for FUZZ_SECONDS each, JOBS at once: tests/fuzz/run.sh DIR NAME...
#
# DIR has the programs; new inputs are kept there in corpus/NAME beside the seeds of tests/fuzz/corpus/NAME, and what crashed
# as NAME-crash-...: when mended, that file belongs to the seeds.  One line each; the log of those that found something.
set -u
cd "$(dirname "$0")/../.." || exit 1

export dir=$1 seconds=${FUZZ_SECONDS:-60}
shift

fuzz() {
	local name=$1 log=$dir/$1.log runs

	mkdir -p "$dir/corpus/$name" "tests/fuzz/corpus/$name"
	if "$dir/$name" -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=20 -print_final_stats=1 \
		-artifact_prefix="$dir/$name-" "$dir/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		printf '%-8s fuzz %-16s %s runs\n' ok "$name" "$runs"
	else
		printf '%-8s fuzz %-16s\n' FAILED "$name"
		sed 's/^/    | /' "$log" | tail -n 60
		return 1
	fi
}
export -f fuzz

printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -I{} bash -c 'fuzz {}'
