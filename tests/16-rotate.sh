#!/usr/bin/env bash
# Rotation of the secrets: who has left reads what was there and nothing new, with his keyslot and the whole store at hand;
# who stays is asked for nothing.  And what is made of several generations is a repository like any other.
. "$(dirname "$0")/lib/scenario.sh"

new_repo "$WORK/repo" --pack-size 1M --grace 4s
repo=$VARVE_REPOSITORY
src=$WORK/src
mkdir "$src"
head -c 3000000 /dev/urandom >"$src/large"
echo "from before" >"$src/old"
ln -s "$VARVE_KEY_FILE" "$WORK/owner.key"

# add_role NAME OPTION...: a keyslot for the holder of $WORK/NAME.key; its id is in $slot.
add_role() {
	local name=$1 public

	shift
	public=$("$VARVE" key public --new-key-file "$WORK/$name.key")
	expect_status 0 "$VARVE" key add --name "$name" --recipient "$public" "$@"
	slot=$(sed -n 's/^keyslot \([0-9a-f]*\) added$/\1/p' "$WORK/out")
}

# as NAME COMMAND...: varve with that one's key, on a machine of his own.
as() {
	local name=$1

	shift
	VARVE_CACHE_DIR=$WORK/cache-$name "$VARVE" "$@" --key-file "$WORK/$name.key"
}

# opened NAME: how many data packs that one's secrets open, whatever program he has.
opened() {
	VARVE_KEY_FILE=$WORK/$1.key VARVE_CACHE_DIR=$WORK/cache-probe expect_status 0 "$TOOLS/roleprobe" packs
	sed 's/^opened \([0-9]*\) of.*/\1/' "$WORK/out"
}

# reads NAME SNAPSHOT FILE: that one restores what is in $WORK/FILE.
reads() {
	expect_status 0 as "$1" restore "$2" --target "$WORK/read"
	diff -r "$WORK/$3" "$WORK/read/$src"
	rm -rf "$WORK/read"
}

# generations: how many there are, but for the first.
generations() {
	find "$repo" -path "$repo/generations/*" -type f | wc -l
}

add_role bob --role reader
add_role web --role writer
add_role carl --role auditor
add_role dave --role writer
dave=$slot
add_role eve --role reader
eve=$slot
echo "correct horse battery" >"$WORK/pat.pass"
expect_status 0 "$VARVE" key add --role reader --name pat --new-password-file "$WORK/pat.pass" --kdf-memory 8K --kdf-passes 1
expect_status 0 "$VARVE" backup --tag before "$src"
before=$("$VARVE" snapshots --json | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p')
cp -r "$src" "$WORK/was"
npacks=$(find "$repo/packs" -type f | wc -l)
for name in bob web carl dave eve; do
	expect_status 0 as $name snapshots
done
mounted=
if { : <>/dev/fuse; } 2>/dev/null; then
	mounted=yes
	VARVE_CACHE_DIR=$WORK/cache-mount mount_varve "$WORK/mnt" --key-file "$WORK/bob.key" -o refresh=1
	cmp "$src/old" "$WORK/mnt/latest$src/old"
fi

# --- Who may, and who gets them ---------------------------------------------------------------------------------------

for name in bob web carl; do
	expect_status 1 as $name key rotate
	expect_match 'only the owner.s key can rotate the secrets' "$WORK/err"
done
head -c 64 /dev/urandom >"$WORK/stranger.key"
expect_status 12 as stranger key rotate
expect_status 2 "$VARVE" key rotate --name new
expect_status 2 "$VARVE" key list --dry-run
expect_equal "generations" "$(generations)" 0

# Two leave; and somebody puts their keyslots back.
mkdir "$WORK/kept"
cp "$repo/keys/$eve"* "$repo/keys/$dave"* "$WORK/kept"
expect_status 0 "$VARVE" key remove "$eve"
expect_status 0 "$VARVE" key remove "$dave"
cp "$WORK/kept"/* "$repo/keys"
expect_status 0 "$VARVE" key rotate --dry-run
expect_match '^\+ [0-9a-f]{8}  reader   pat$' "$WORK/out"
expect_match "^- $eve  reader   eve  revoked$" "$WORK/out"
expect_match "^- $dave  writer   dave  revoked$" "$WORK/out"
expect_match '^generation 1 of the secrets would be made, for 5 keyslots; 2 left out$' "$WORK/out"
expect_equal "generations" "$(generations)" 0

expect_status 0 "$VARVE" key rotate --json
expect_match '^\{"generation":1,"id":"[0-9a-f]{64}","dry_run":false,"keyslots":\[' "$WORK/out"
expect_match '"role":"auditor","name":"carl","renewed":true' "$WORK/out"
expect_match '"name":"eve","renewed":false,"why":"revoked"' "$WORK/out"
expect_equal "generations" "$(generations)" 1
expect_status 0 "$VARVE" check --read-data
ok "made, for whom the owner says"

# --- Old and new ------------------------------------------------------------------------------------------------------

# A writer, who cannot read, goes on; what is there already is not stored again.
head -c 2000000 /dev/urandom >"$src/new"
echo "from after" >"$src/old"
stored=$(du -bs "$repo/packs" | cut -f 1)
expect_status 0 as web backup --tag after "$src"
added=$(($(du -bs "$repo/packs" | cut -f 1) - stored))
[ "$added" -lt 2600000 ] || die "$added bytes were stored, where 2 MB are new"
expect_status 1 as web dump "latest:$src/old"
total=$(find "$repo/packs" -type f | wc -l)
[ "$total" -gt "$npacks" ] || die "the new contents are in no pack of their own"
for name in owner bob; do
	reads $name latest src
	reads $name "$before" was
done
expect_status 0 "$VARVE" restore latest --password-file "$WORK/pat.pass" --target "$WORK/read"
diff -r "$src" "$WORK/read/$src"
rm -rf "$WORK/read"
expect_status 0 as carl ls -R latest
expect_match '/new$' "$WORK/out"
expect_status 1 as carl dump "latest:$src/old"
expect_status 0 as carl check
if [ -n "$mounted" ]; then
	for _ in $(seq 100); do
		[ ! -e "$WORK/mnt/latest$src/new" ] || break
		sleep 0.1
	done
	cmp "$src/new" "$WORK/mnt/latest$src/new"
	cmp "$src/old" "$WORK/mnt/latest$src/old"
	cmp "$WORK/was/old" "$WORK/mnt/ids/$before$src/old"
	cmp "$WORK/was/large" "$WORK/mnt/ids/$before$src/large"
fi
ok "who stays reads old and new, and is asked for nothing"

# --- Who has left -----------------------------------------------------------------------------------------------------

expect_status 1 as eve dump "latest:$src/old"
expect_match 'secrets were rotated on 20.*, and this key has not got the new ones' "$WORK/err"
reads eve "$before" was
for command in "backup $src" prune "forget --keep-last 1"; do
	# shellcheck disable=SC2086
	expect_status 12 as dave $command
	expect_match 'secrets were rotated on 20.*: the owner has to give it another keyslot' "$WORK/err"
done
expect_equal "packs that eve's secrets open" "$(opened eve)" "$npacks"
for name in eve dave; do
	as $name snapshots --json >"$WORK/out" 2>"$WORK/err" || true
	expect_no_match 'after' "$WORK/out"
	as $name find new >"$WORK/out" 2>"$WORK/err" || true
	expect_no_match 'new' "$WORK/out"
done
rm "$repo/keys/$eve"* "$repo/keys/$dave"*
ok "who has left reads what was there"

# --- Who comes --------------------------------------------------------------------------------------------------------

add_role finn --role reader
add_role gina --role writer
reads finn latest src
reads finn "$before" was
expect_status 0 as gina backup --tag gina "$src"
expect_status 0 as gina snapshots
expect_equal "snapshots" "$(wc -l <"$WORK/out")" 3
head -c 64 /dev/urandom >"$WORK/finn2.key"
expect_status 0 as finn key passwd --new-key-file "$WORK/finn2.key"
reads finn2 "$before" was
expect_status 0 "$VARVE" key rotate
expect_match '^generation 2 of the secrets made, for 7 keyslots$' "$WORK/out"
echo "third" >"$src/third"
expect_status 0 as gina backup --tag third "$src"
reads finn2 latest src
reads bob "$before" was
ok "who comes later reads old and new"

# A writer's own key is replaced, which ends the old one for these secrets too.
gina=$("$VARVE" key list | sed -n 's/^ \([0-9a-f]*\)  writer .*  gina$/\1/p')
cp "$repo/keys/$gina"* "$WORK/kept"
expect_status 0 "$VARVE" key rotate "$gina"
cp -n "$WORK/kept/$gina"* "$repo/keys"
expect_status 0 "$VARVE" key rotate --dry-run
expect_match "^- $gina  writer   gina  revoked$" "$WORK/out"
expect_match '^generation 3 of the secrets would be made, for 7 keyslots; 1 left out$' "$WORK/out"
rm "$repo/keys/$gina"*
ok "a key that was replaced"

# --- A repository like any other --------------------------------------------------------------------------------------

if command -v python3 >/dev/null; then
	for name in owner bob; do
		status=0
		python3 -B tests/format/reader.py "$WORK/$name.key" "$repo" verify >"$WORK/out" 2>"$WORK/err" || status=$?
		[ $status -eq 0 ] || [ $status -eq 77 ] || { cat "$WORK/err" >&2; die "the second reader: $status"; }
	done
	ok "the second reader reads it"
fi

expect_status 0 "$VARVE" sync "$WORK/copy"
expect_status 0 "$VARVE" check --read-data -r "$WORK/copy"
VARVE_REPOSITORY=$WORK/copy reads bob latest src
rm -f "$WORK/copy/generations/"*
expect_status 5 "$VARVE" check -r "$WORK/copy" --cache-dir "$WORK/cache-none"
expect_status 0 "$VARVE" sync "$WORK/copy"
# What was sealed there may need what is here no more.
echo "of another time" >"$WORK/other"
other=$WORK/copy/generations/$(b2sum -l 256 "$WORK/other" | cut -d ' ' -f 1)
cp "$WORK/other" "$other"
expect_status 0 "$VARVE" sync --delete "$WORK/copy"
[ -e "$other" ] || die "sync has deleted a generation"
rm -f "$other"
ok "a copy"

# The store shows none of them any more: who has used them knows them, and who writes says so.
mv "$repo/generations" "$WORK/generations"
expect_status 0 as bob dump "latest:$src/third"
expect_status 0 as web backup "$src"
expect_match 'generations/[0-9a-f]{64}: was there and is not now' "$WORK/err"
mv "$WORK/generations" "$repo/generations"

# Damage.
for object in "$repo"/generations/*; do
	chmod u+w "$object"
	printf X | dd of="$object" bs=1 seek=100 conv=notrunc status=none
	expect_status 5 "$VARVE" check
	expect_match "generations/${object##*/}" "$WORK/out"
	expect_status 0 "$VARVE" repair --from "$WORK/copy"
	expect_status 0 "$VARVE" check
	cmp "$object" "$WORK/copy/generations/${object##*/}"
done
echo "not the owner's" >"$WORK/foreign"
foreign=$repo/generations/$(b2sum -l 256 "$WORK/foreign" | cut -d ' ' -f 1)
cp "$WORK/foreign" "$foreign"
expect_status 0 as web key list
expect_match "generations/${foreign##*/}: not made by the owner, ignored" "$WORK/err"
expect_status 5 "$VARVE" check
expect_match "generations/${foreign##*/}: damaged or tampered with" "$WORK/out"
rm -f "$foreign"
ok "damage"

# The index anew, from packs of all generations.
rm -f "$repo"/index/*
expect_status 0 "$VARVE" repair
expect_status 0 "$VARVE" check --read-data
reads bob "$before" was
reads bob latest src

# Repacking over generations.
rm "$src/large"
expect_status 0 "$VARVE" backup "$src"
for id in $("$VARVE" snapshots --json | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p' | head -n 3); do
	expect_status 0 "$VARVE" forget "$id"
done
prune_until '"repacked_packs":[1-9]' prune --max-unused 0% --json
sleep 4.2
prune_until '"deleted_packs":[1-9]' prune --max-unused 0% --json
expect_status 0 "$VARVE" check --read-data
reads bob latest src
ok "index and packs made anew"

# --- Killed -----------------------------------------------------------------------------------------------------------

n=$(generations)
for i in $(seq 12); do
	"$VARVE" key rotate >/dev/null 2>&1 &
	pid=$!
	sleep "0.0$((i * 3 % 10))"
	kill -KILL $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
	expect_status 0 "$VARVE" check
	expect_status 0 as bob dump "latest:$src/third"
done
[ "$(generations)" -le $((n + 12)) ] || die "more generations than rotations"
expect_status 0 "$VARVE" key rotate
expect_status 0 as web backup "$src"
reads bob latest src
ok "killed in the midst: made, or not"
