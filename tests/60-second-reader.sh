#!/usr/bin/env bash
# A reader that was written from varve-format(5) alone reads what varve has written: so the page is right, and complete.
. "$(dirname "$0")/lib/scenario.sh"

need python3
python3 -c '' 2>/dev/null || skip "python3 does not start"
top=$PWD
src=$WORK/src

# reader ARGUMENT...: what it prints is in $WORK/out.
reader() {
	local status=0

	python3 -B "$top/tests/format/reader.py" "$VARVE_KEY_FILE" "$VARVE_REPOSITORY" "$@" \
		>"$WORK/out" 2>"$WORK/err" || status=$?
	[ $status -ne 77 ] || skip "$(tail -n 1 "$WORK/out")"
	[ $status -eq 0 ] || { tail -n 20 "$WORK/err" >&2; die "exit status $status: reader.py $*"; }
}

# The page's example is what the page shows, and is read by varve, whatever has changed since it was made.
export VARVE_KEY_FILE=$top/tests/format/example.key VARVE_REPOSITORY=$top/tests/format/example
reader example "$top/docs/varve-format.5"
reader verify
cp -r tests/format/example "$WORK/example"
expect_status 0 "$VARVE" restore -r "$WORK/example" --verify --target "$WORK/hello" 2024-01-01
expect_equal "the file" "$(cat "$WORK/hello/hello")" "hello, world"
expect_status 0 "$VARVE" check -r "$WORK/example" --read-data
ok "the example"

# Small chunks, so that there are many.  The sizes are those around which a chunker and segments may err.
new_repo "$WORK/repo" --chunk-avg 16K --pack-size 1M
options=(--seed 5 --chunk "4K,16K,64K" --tall 40 --wide 3000 --skip reserved)
[ "$(id -u)" -eq 0 ] || options+=(--skip "reserved,unreadable,modes,types")
mkdir "$src"
expect_status 0 "$TOOLS/mktree" "${options[@]}" "$src/tree"
# Lists of spans in pages: one that is cut by the ids of chunks, if anywhere, and one of 5,000 times the same chunk, which
# is cut where a page is full.
head -c 8M /dev/urandom >"$src/large"
python3 -c '
with open("'"$src/dotted"'", "wb") as f:
    for i in range(5000):
        f.seek(8192 * i)
        f.write(b"dotted line\n" * 341)
'
cd "$src"
expect_status 0 "$VARVE" backup --tag one --time '2001-02-03 04:05:06.789' .

# A second snapshot, so that there are several runs and packs.
expect_status 0 "$TOOLS/mktree" --mutate 6 "$src/tree"
expect_status 0 "$VARVE" backup --tag two .
reader extract latest "$WORK/read"
expect_status 0 "$TOOLS/treecmp" --max 40 --nlink "$src" "$WORK/read"
ok "a tree with everything in it: $(tail -n 1 "$WORK/out")"

reader snapshots
expect_equal "snapshots" "$(wc -l <"$WORK/out")" 2
expect_match '^[0-9a-f]{64} 981173106789000000 ' "$WORK/out"
reader cat latest large
cmp "$WORK/out" large
reader list latest
expect_equal "lines of names" "$(wc -l <"$WORK/out")" "$("$VARVE" ls -R latest | wc -l)"

# Every pack, object, signature; and where chunks and pages are cut.
reader verify
ok "$(cat "$WORK/out")"
expect_match '^[0-9]{2,} packs, [0-9]{4,} objects, [0-9]{2,} pages, [0-9]{2,} span pages, [0-9]{3,} files, [0-9]{3,} cut$' \
	"$WORK/out"

# The other ways to wrap a bundle, and the other cipher.
cipher=xchacha20-poly1305
! grep -qw aes /proc/cpuinfo || cipher=aes256-gcm
new_repo "$WORK/other" --cipher $cipher
echo 'correct horse' >"$WORK/pass"
public=$("$VARVE" key public --new-key-file "$WORK/recipient.key")
fast=(--kdf-memory 8M --kdf-passes 2)
expect_status 0 "$VARVE" key add --role reader "${fast[@]}" --new-password-file "$WORK/pass"
expect_status 0 "$VARVE" key add --role owner --recipient "$public"
head -c 40 /dev/urandom >"$WORK/key2"
expect_status 0 "$VARVE" key add --role writer "${fast[@]}" --new-password-file "$WORK/pass" --new-key-file "$WORK/key2"
cd "$WORK/hello"
expect_status 0 "$VARVE" backup .
PASSPHRASE='correct horse' VARVE_KEY_FILE=- reader cat latest hello
expect_equal "by passphrase" "$(cat "$WORK/out")" "hello, world"
VARVE_KEY_FILE=$WORK/recipient.key reader cat latest hello
expect_equal "by a recipient's key" "$(cat "$WORK/out")" "hello, world"
reader verify
mv "$VARVE_REPOSITORY/keys" "$WORK/keys"
mkdir "$VARVE_REPOSITORY/keys"
for slot in "$WORK/keys"/*; do
	[ "$(od -An -tu1 -j 8 -N 1 "$slot")" -ne 3 ] || cp "$slot" "$VARVE_REPOSITORY/keys/"
done
PASSPHRASE='correct horse' VARVE_KEY_FILE=$WORK/key2 reader list latest
expect_match ' hello$' "$WORK/out"
ok "passphrase, both, recipient; $cipher"

# Limits and revocations.
export VARVE_KEY_FILE=$WORK/other.key
mv "$VARVE_REPOSITORY/keys" "$WORK/keys1"
mv "$WORK/keys" "$VARVE_REPOSITORY/keys"
public=$("$VARVE" key public --new-key-file "$WORK/web.key")
expect_status 0 "$VARVE" key add --role writer --name web --host 'w?b*' --tag a --tag b --expires 1d --recipient "$public"
expect_status 0 "$VARVE" backup --key-file "$WORK/web.key" --host web7.example --tag b .
expect_status 0 "$VARVE" key revoke web
reader verify
reader snapshots
count=$(wc -l <"$WORK/out")
newest=$(sed -n '$s/ .*//p' "$WORK/out")
mv "$VARVE_REPOSITORY/revoked" "$WORK/revoked"
probed=$(VARVE_KEY_FILE=$WORK/web.key "$TOOLS/roleprobe" publish own "$(date +%s)000000000" web8)
reader snapshots
expect_equal "snapshots without the revocation" "$(wc -l <"$WORK/out")" $((count + 1))
mv "$WORK/revoked" "$VARVE_REPOSITORY/revoked"
reader snapshots
expect_equal "snapshots" "$(wc -l <"$WORK/out")" "$count"
expect_match "^$newest " "$WORK/out"
rm -f "$VARVE_REPOSITORY/snapshots/$probed"
ok "limits and revocations"

# It can fail.
export VARVE_KEY_FILE=$WORK/repo.key VARVE_REPOSITORY=$WORK/repo
pack=$(find "$VARVE_REPOSITORY/trees" -type f -size -900k | head -n 1)
chmod u+w "$pack"
printf '\xff' | dd of="$pack" bs=1 seek=200 conv=notrunc status=none
if python3 -B "$top/tests/format/reader.py" "$VARVE_KEY_FILE" "$VARVE_REPOSITORY" verify >/dev/null 2>"$WORK/err"; then
	die "the reader does not notice a changed byte"
fi
expect_match '^damaged: ' "$WORK/err"
