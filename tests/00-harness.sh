#!/usr/bin/env bash
# The tests' own machinery: the runner counts right and notices what it should; the layer check finds what is planted.
. "$(dirname "$0")/lib/scenario.sh"

top=$PWD
need ps pgrep

# A tree of its own with scripts that end in every way there is.
fake=$WORK/fake
mkdir -p "$fake/tests/lint" "$fake/tests/unit/crypt" "$fake/build/tests/unit/crypt"
cp tests/run.sh "$fake/tests/"
echo 'exit 0' >"$fake/tests/lint/layers.sh"
echo 'exit 0' >"$fake/tests/lint/manuals.sh"
echo 'echo fine' >"$fake/tests/10-passes.sh"
echo 'echo "the reason is told"; false' >"$fake/tests/11-fails.sh"
echo 'echo noise; echo "no such thing here"; exit 77' >"$fake/tests/12-skips.sh"
echo 'sleep 60' >"$fake/tests/13-hangs.sh"
cat >"$fake/tests/14-sanitizer.sh" <<'T'
report=${ASAN_OPTIONS%%:*}
echo "a heap overflow in a daemon" >"${report#log_path=}.123"
T
cat >"$fake/tests/15-environment.sh" <<'T'
[ -z "${VARVE_REPOSITORY:-}" ] && [ "$VARVE_CACHE_DIR" = "$WORK/cache" ] && [ "$TZ" = UTC ] && [ "$TEST_SWITCH" = on ] &&
	[ -z "$(ls -A "$WORK")" ] && grep -q 'SigIgn:.*0000$' /proc/self/status
T
touch "$fake/tests/unit/three_test.c"
cat >"$fake/build/tests/unit/three_test" <<'T'
#!/bin/sh
echo "ok 1 - one"; echo "not ok 2 - two"; echo "# 1 != 2"; echo "not ok 3 # SKIP three"; exit 1
T
chmod +x "$fake/build/tests/unit/three_test"

inner() {
	env -u WORK VARVE_REPOSITORY=/nowhere TEST_SWITCH=on "$fake/tests/run.sh" -j 4 -l 3 "$fake/build" "$@"
}

expect_status 1 inner
expect_equal "the last line" "$(tail -n 1 "$WORK/out")" "5 passed, 4 failed, 2 skipped"
expect_match '^ok +10-passes' "$WORK/out"
expect_match '^ok +15-environment' "$WORK/out"
expect_match '^FAILED +11-fails' "$WORK/out"
expect_match 'the reason is told' "$WORK/out"
expect_match '^skipped +12-skips +no such thing here$' "$WORK/out"
expect_match '^FAILED +13-hangs .*time limit' "$WORK/out"
expect_match 'a heap overflow in a daemon' "$WORK/out"
expect_match '^FAILED +unit/three +1 passed, 1 failed, 1 skipped' "$WORK/out"
expect_no_match '^ .*fine' "$WORK/out"
ok "every outcome is counted once"

expect_status 0 inner 10-pass 12-
expect_equal "the last line" "$(tail -n 1 "$WORK/out")" "1 passed, 0 failed, 1 skipped"
expect_status 1 inner nothing-of-that-name
ok "patterns select"

# Where nothing may be skipped, what a sanitizer rules out may, with a sanitizer.
touch "$fake/tests/unit/crypt/keyslot_test.c"
printf '#!/bin/sh\necho "ok 1 - test_one"; echo "not ok 2 # SKIP test_no_memory"\n' >"$fake/build/tests/unit/crypt/keyslot_test"
chmod +x "$fake/build/tests/unit/crypt/keyslot_test"
NO_SKIP=1 SANITIZE='' expect_status 1 inner 10-pass 12- keyslot three
expect_equal "the last line" "$(tail -n 1 "$WORK/out")" "3 passed, 4 failed, 0 skipped"
expect_match '^FAILED +12-skips .*may not skip: no such thing here$' "$WORK/out"
expect_match '^FAILED +unit/crypt/keyslot +1 passed, 1 failed, .*may not skip$' "$WORK/out"
expect_match '^FAILED +unit/three +1 passed, 2 failed, ' "$WORK/out"
NO_SKIP=1 SANITIZE=address expect_status 0 inner 10-pass keyslot
expect_equal "the last line" "$(tail -n 1 "$WORK/out")" "2 passed, 0 failed, 1 skipped"
NO_SKIP=1 SANITIZE=address expect_status 1 inner three
SANITIZE='' expect_status 0 inner keyslot
ok "skips that fail"

echo 'sleep 50 & echo left' >"$fake/tests/16-leaves.sh"
expect_status 1 inner 16-
expect_match '^FAILED +16-leaves .*left a process behind' "$WORK/out"
expect_no_match ' sleep 50$' <(pgrep -af 'sleep 50' | grep -F "$fake" || true)
ok "processes left behind are found and ended"

# The layer check over a tree with one offence a line.
tree=$WORK/tree
mkdir -p "$tree/repo/util" "$tree/repo/store" "$tree/repo/object" "$tree/repo/index" "$tree/repo/tree/page" "$tree/fs" "$tree/tools"
echo '#include "repo/util/bytes/buf.h"' >"$tree/repo/store/store.c"
echo '#include "repo/object/compress.h"' >"$tree/repo/index/run.c"
echo '#include <zstd.h>' >"$tree/repo/object/compress.c"
expect_status 0 "$top/tests/lint/layers.sh" "$tree"

plant() {
	echo "$2" >"$tree/$1"
	expect_status 1 "$top/tests/lint/layers.sh" "$tree"
	expect_match "^$1:1: .*$3" "$WORK/out"
	expect_equal "offences" "$(wc -l <"$WORK/out")" 1
	rm "$tree/$1"
}
plant repo/util/log.c '#include "repo/store/store.h"' 'a layer above'
plant repo/index/index.c '#include "repo/object/object.h"' 'a layer above'
plant repo/object/chunker.c '#include "repo/pack/pack.h"' 'a layer above'
plant tools/ls.c '#include "fs/inode.h"' 'a layer beside'
plant fs/main.c '#include "tools/json.h"' 'a layer beside'
plant repo/tree/page/page.c '#include <lmdb.h>' 'belongs to repo/index/lmdb/lmdb.c'
plant repo/store/log.c '# include <fuse3/fuse_lowlevel.h>' 'belongs to fs/'
plant tools/main.c '#include <jansson.h>' 'belongs to tools/print/json.c'
plant repo/tree/tree.c '#include "page.h"' 'not written from the top'
ok "the layer check finds each offence"
