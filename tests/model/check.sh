#!/usr/bin/env bash
# The model of the protocol (retention.pml), in all orders of its steps; then what must be able to happen, and the variants,
# each with a rule taken away: for those the checker must find how a snapshot loses its chunk, or the model proves nothing.
#
#   tests/model/check.sh [NAME...]      BUILD: where to work (default build); MEMORY: MiB for one run (default 3500)
#                                       LONG=1: also what takes long, with LONG_MEMORY (default 14000)
#
# `TRAIL=1 tests/model/check.sh NAME` shows the steps to what was found.  Exit status 0 if all is as it must be, else 1.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
work=${BUILD:-$top/build}/model
memory=${MEMORY:-3500}
limit=600
mkdir -p "$work"
work=$(cd "$work" && pwd)
wanted=("$@")
failed=0

for program in spin cc; do
	command -v $program >/dev/null || { echo "$program is not installed"; exit 77; }
done

is_wanted() {
	local name

	[ ${#wanted[@]} -gt 0 ] || return 0
	for name in "${wanted[@]}"; do
		[ "$name" = "$1" ] && return 0
	done
	return 1
}

figure() {
	sed -n "s/^ *\([0-9.e+]*\) *$1.*/\1/p" "$2" | head -n 1
}

# run NAME whole|broken|searched WHAT [DEFINE...]: whole: no assertion fails in any state, and all were looked at; searched: in none
# of those that could be looked at in SEARCH_SECONDS.
run() {
	local name=$1 want=$2 what=$3 dir=$work/$1 start=$SECONDS seconds=$limit errors states got=unclear mode=(-DHC4)

	shift 3
	is_wanted "$name" || return 0
	if [ "$want" = searched ]; then
		seconds=${SEARCH_SECONDS:-60}
		mode=(-DBITSTATE)
	fi
	rm -rf "$dir"
	mkdir -p "$dir"
	cd "$dir"
	cp "$top/tests/model/retention.pml" .
	spin -a "$@" retention.pml >spin.out 2>&1 || { cat spin.out; exit 1; }
	cc -O2 -w -DSAFETY "${mode[@]}" -DMEMLIM="$memory" -o pan pan.c
	timeout -s INT "$seconds" ./pan -E -m2000000 >out 2>&1 || true
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' out)
	states=$(figure 'states, stored' out)
	if grep -q 'assertion violated' out; then
		got=broken
	elif [ "$want" = searched ]; then
		got=searched
		states=${states:-$(sed -n 's/.*States= *\([0-9.e+]*\).*/\1/p' out | tail -n 1)}
	elif [ "$errors" = 0 ] && ! grep -qE 'Search not completed|max search depth too small|out of memory' out; then
		got=whole
	fi
	if [ "$got" = "$want" ]; then
		printf 'ok       %-22s %s: %s, %s states, %s s\n' "$name" "$what" "$got" "${states:-?}" $((SECONDS - start))
	else
		printf 'FAILED   %-22s %s: %s where %s was expected\n' "$name" "$what" "$got" "$want"
		tail -n 30 out | sed 's/^/    | /'
		failed=1
	fi
	if [ -n "${TRAIL:-}" ] && [ "$got" = broken ]; then spin -t -p -g "$@" retention.pml; fi
	rm -f pan pan.c pan.h pan.[bmpt]
	cd "$top"
}

# The same, of what takes long: with LONG=1, or if it is asked for by name.
run_long() {
	[ -n "${LONG:-}" ] || [ ${#wanted[@]} -gt 0 ] || return 0
	limit=7200 memory=${LONG_MEMORY:-14000} run "$@"
}

one=(-DNWRITER=1 -DNPRUNER=1)
two_pruners=(-DNWRITER=1 -DNPACK=2 -DNO_MERGE)
late=(-DNWRITER=1 -DNPRUNER=1 -DNPACK=2 -DNO_MERGE -DMOUNT -DLATE_RUNS)
repack=(-DNWRITER=1 -DNPRUNER=1 -DNPACK=2 -DNO_MERGE -DREPACK)

# --- The protocol -------------------------------------------------------------------------------------------------------
run writer-and-pruner whole "a writer that merges too, a pruner, 3 packs" "${one[@]}"
run two-writers whole "two writers, a pruner, 2 packs, a record" -DNPRUNER=1 -DNPACK=2 -DNO_MERGE -DNRECORD=1 -DDOOM_ANYTHING
run two-pruners searched "a writer, two pruners, 2 packs" "${two_pruners[@]}"
run one-record whole "the same with one record at a time" "${two_pruners[@]}" -DNRECORD=1 -DDOOM_ANYTHING
run repack whole "a writer, a pruner, a repacker, 2 packs" "${repack[@]}"
run mount whole "a mount, a writer that merges, a pruner, 2 packs" "${one[@]}" -DNPACK=2 -DMOUNT
run late-runs whole "a mount, a writer, a pruner, runs that come late" "${late[@]}"
run_long two-writers-more whole "two writers, a pruner, 2 packs" -DNPRUNER=1 -DNPACK=2 -DNO_MERGE
run_long two-pruners-more whole "a writer, two pruners, 2 packs, anything doomed" "${two_pruners[@]}" -DDOOM_ANYTHING
run_long mount-more whole "a mount, a writer, two pruners, one record" "${two_pruners[@]}" -DNRECORD=1 -DDOOM_ANYTHING -DMOUNT

# --- What must be able to happen ----------------------------------------------------------------------------------------
run can-free broken "an unneeded pack goes" "${one[@]}" -DNPACK=2 -DCAN_FREE
run can-end broken "all of it goes, and no record is left" "${one[@]}" -DNPACK=2 -DCAN_END
run can-spare broken "a doomed pack that is needed is kept" "${one[@]}" -DNPACK=2 -DCAN_SPARE
run can-clear broken "it can be used again" "${one[@]}" -DNPACK=2 -DCAN_CLEAR
run can-copy broken "a snapshot lives on a copy alone" "${repack[@]}" -DCAN_COPY
run can-move broken "a mount finds its chunk in another pack" "${one[@]}" -DNPACK=2 -DMOUNT -DCAN_MOVE
run can-dangle broken "a run names a pack that is gone" "${late[@]}" -DCAN_DANGLE

# --- A rule less --------------------------------------------------------------------------------------------------------
run no-writers-rule broken "writers rely on doomed packs" "${one[@]}" -DNO_WRITERS_RULE
run no-time-for-writers broken "writers publish whenever they like" "${one[@]}" -DNO_TIME_FOR_WRITERS
run never-too-late broken "looking again counts however late" "${two_pruners[@]}" -DNEVER_TOO_LATE
run no-second-look broken "sweep does not mark again" "${one[@]}" -DNO_SECOND_LOOK
run manifest-first broken "the manifest before the pack" "${one[@]}" -DMANIFEST_FIRST
run index-first broken "the index is read before doomed/" "${one[@]}" -DINDEX_FIRST
run one-stage broken "an un-doomed pack may be used at once" "${two_pruners[@]}" -DONE_STAGE
run no-time-for-sessions broken "a session deletes by old lists" "${two_pruners[@]}" -DNO_TIME_FOR_SESSIONS
run keep-any broken "each session keeps the copy it likes" "${two_pruners[@]}" -DKEEP_ANY
run merge-anything broken "runs with doomed packs are merged" "${one[@]}" -DMERGE_ANYTHING
run no-time-for-copies broken "a copy is named whenever one likes" "${repack[@]}" -DNO_TIME_FOR_COPIES
run copied-goes-at-once broken "what was copied is deleted, not doomed" "${repack[@]}" -DCOPIED_GOES_AT_ONCE
run lists-once broken "a mount goes by the runs it has listed" "${one[@]}" -DNPACK=2 -DMOUNT -DLISTS_ONCE
run asks-any-run broken "a mount asks runs that name what is gone" "${late[@]}" -DASKS_ANY_RUN
run old-run-first broken "old runs go before the new ones come" "${one[@]}" -DOLD_RUN_FIRST
exit $failed
