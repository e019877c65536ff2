#!/usr/bin/env bash
# gcc -fanalyzer over the product's files, or over those whose path contains one of the arguments; `make analyze` calls it
# with STANDARD, the compiler's flags.  Exit status 1 if it has anything to say.
#
# Left out, as gcc 12 knows nothing of them and is wrong each time: what is freed by a function in another file that the
# caller hands it to (leak), and locks and lists that are walked under an invariant (null dereference of a list's end).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

standard=()
eval "standard+=(${STANDARD:?run it by: make analyze})"
mapfile -t files < <(find repo fs tools -name '*.c' | sort)
if [ $# -gt 0 ]; then
	mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -F -- "$(printf '%s\n' "$@")")
fi

# shellcheck disable=SC2016 # the inner shell expands them
out=$(printf '%s\n' "${files[@]}" | xargs -P "${JOBS:-$(nproc)}" -I{} \
	nice gcc "${standard[@]}" -O1 -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-file-leak -c -o /dev/null {} 2>&1)
printf '%s\n' "$out"
! grep -q 'Wanalyzer' <<<"$out"
