# Sourced by scenarios after scenario.sh: some rounds of the soak (tests/long/soak.py), the same ones every time.
# shellcheck shell=bash

soak_program=$(cd "$(dirname "${BASH_SOURCE[0]}")/../long" && pwd)/soak.py

# soak PART=COUNT...: nothing may be lost.
soak() {
	need python3
	expect_status 0 python3 -B "$soak_program" --build "$(dirname "$VARVE")" --work "$WORK/soak" \
		--seed "${TEST_SEED:-1}" "$@"
	expect_match '^\| ' "$WORK/out"
	ok "seed ${TEST_SEED:-1}: $(grep -E '^\| [a-z]' "$WORK/out" | grep -v '^| what' | cut -d'|' -f 2-5 | tr -d '\n')"
}
