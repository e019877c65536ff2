#!/usr/bin/env bash
# sync: a copy of a repository made without a key, interrupted and resumed, with damage, over another repository, kept up to
# date; and used like the first one.
. "$(dirname "$0")/lib/scenario.sh"

new_repo "$WORK/repo" --pack-size 1M
repo=$VARVE_REPOSITORY
key=$VARVE_KEY_FILE
copy=$WORK/copy
src=$WORK/src
mkdir -p "$src/small"
head -c 30000000 /dev/urandom >"$src/large"
for i in $(seq 50); do seq "$i" $((i * 30)) >"$src/small/$i"; done
cd "$src"
expect_status 0 "$VARVE" backup .

objects() {
	(cd "$1" && find . -type f -not -path './tmp/*' -not -name '.*' | sort)
}

# sync STATUS ARGUMENT...: without any secret at hand.
sync_to() {
	local want=$1

	shift
	expect_status "$want" env -u VARVE_KEY_FILE "$VARVE" sync "$@"
}

sync_to 0 --dry-run "$copy"
[ ! -e "$copy" ] || die "a dry run made the copy"
expect_match 'would be copied' "$WORK/out"
sync_to 2
sync_to 2 --threads 0 "$copy"
sync_to 2 "$repo"
sync_to 10 -r "$WORK/nothing" "$copy"
ok "what is refused"

# Killed when the first packs are there: no snapshot yet, and nothing is left half.
env -u VARVE_KEY_FILE "$VARVE" sync -q --threads 1 "$copy" &
pid=$!
for _ in $(seq 2000); do
	n=$(find "$copy/packs" -type f 2>/dev/null | wc -l) || n=0
	[ "$n" -lt 2 ] || break
	sleep 0.005
done
kill -9 "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
killed=$(find "$copy/packs" -type f | wc -l)
[ "$killed" -ge 2 ] || die "nothing was copied before the kill"
if [ "$killed" -lt "$(find "$repo/packs" -type f | wc -l)" ]; then
	[ -z "$(find "$copy/snapshots" -type f 2>/dev/null)" ] || die "a snapshot was copied before its packs"
fi
sync_to 0 "$copy"
there=$(sed -n 's/.*copied, \([0-9]*\) were there$/\1/p' "$WORK/out")
[ "$there" -ge "$killed" ] || die "only $there of $killed packs were there after the kill"
diff <(objects "$repo") <(objects "$copy") || die "the copy has other objects"
(cd "$repo" && find . -type f -not -path './tmp/*' -exec cmp {} "$copy/{}" \;)
sync_to 0 --json "$copy"
expect_match '"type":"summary".*"copied":0,' "$WORK/out"
ok "killed and resumed"

expect_status 0 "$VARVE" check -r "$copy" --key-file "$key" --read-data
expect_status 0 "$VARVE" restore -r "$copy" --key-file "$key" latest --target "$WORK/restored"
diff -r "$src" "$WORK/restored"
ok "the copy is as good"

# Kept up to date, in both directions.
echo more >"$src/small/more"
expect_status 0 "$VARVE" backup .
sync_to 0 "$copy"
diff <(objects "$repo") <(objects "$copy")
echo other >"$src/small/other"
expect_status 0 "$VARVE" backup -r "$copy" .
sync_to 0 --delete --dry-run "$copy"
expect_match '^4 objects, .* would be deleted$' "$WORK/out"
sync_to 0 -r "$copy" "$repo"
diff <(objects "$repo") <(objects "$copy")
rm "$repo"/snapshots/*
sync_to 1 --delete "$copy"
expect_match 'nothing is deleted: the source has no snapshots' "$WORK/err"
sync_to 0 -r "$copy" "$repo"
ok "kept up to date"

mount_varve "$WORK/mnt" -r "$WORK/copy" --key-file "$key"
cmp "$src/small/1" "$WORK/mnt/latest/small/1"
umount_varve
ok "a mount of the copy"

# A snapshot that the repository has dropped goes from the copy by --delete only.
gone=$(find "$repo/snapshots" -type f -printf '%f\n' | head -n 1)
rm "$repo/snapshots/$gone"
sync_to 0 "$copy"
[ -e "$copy/snapshots/$gone" ] || die "deleted without being asked to"
sync_to 0 --delete "$copy"
[ ! -e "$copy/snapshots/$gone" ] || die "not deleted: $gone"
ok "deleted"

# Damage is named, and does not get into the copy; the rest does.
rm -rf "$copy"
bad=$(cd "$repo" && find packs -type f | sort | head -n 1)
chmod u+w "$repo/$bad"
printf 'X' | dd of="$repo/$bad" bs=1 seek=5000 conv=notrunc status=none
sync_to 5 "$copy"
expect_match "^$bad: damaged, not copied\$" "$WORK/out"
expect_match "$bad: its bytes do not hash to its name" "$WORK/err"
diff <(objects "$repo" | grep -v "$bad") <(objects "$copy")
sync_to 5 --json "$copy"
expect_match "\"type\":\"damaged\".*\"object\":\"$bad\"" "$WORK/out"
ok "damage"

(new_repo "$WORK/another")
sync_to 1 "$WORK/another"
expect_match 'another repository than' "$WORK/err"
mkdir "$WORK/full" "$WORK/full/packs"
echo x >"$WORK/full/packs/x"
sync_to 1 "$WORK/full"
expect_match 'neither empty nor a repository' "$WORK/err"
ok "another repository"
