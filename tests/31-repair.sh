#!/usr/bin/env bash
# Every object of a small repository flipped, cut and gone: which level of check finds it, that what is read is right or an
# error, and that all is well after a repair from a copy; and without a copy, after the next backup.
. "$(dirname "$0")/lib/scenario.sh"
. "$(dirname "$0")/lib/damage.sh"

new_repo "$WORK/repo" --pack-size 1M
repo=$VARVE_REPOSITORY
src=$WORK/src

mkdir -p "$src/old" "$src/new/deep"
for i in $(seq 12); do
	seq "$i" $((i * 30)) >"$src/old/file $i"
done
head -c 900000 /dev/urandom >"$src/old/large"
cd "$src"
head -c 300000 /dev/urandom >new/noise
echo small >new/deep/small
backup() {
	expect_status 0 "$VARVE" backup "$@"
	sed -n 's/^snapshot //p' "$WORK/out"
}
first=$(backup old)
second=$(backup old new)
# What is lost is only stored again by a backup of the same.
again() {
	backup old >/dev/null
	backup old new >/dev/null
}

cp -a "$repo" "$WORK/good"
fresh() {
	rm -rf "$repo" "$VARVE_CACHE_DIR"
	cp -a "$WORK/good" "$repo"
}

check() {
	expect_status "$1" "$VARVE" check "${@:2}"
}

# The exit statuses of check for a damage: --verify-signatures, nothing, --packs, --read-data.  Keep in step with the table
# in docs/design.md.
statuses() {
	case $2:$1 in
	gone:config | gone:keys/*) echo 5 5 5 5 ;;
	gone:snapshots/*) echo 0 0 0 0 ;;
	gone:*) echo 0 5 0 5 ;;
	*:config | *:keys/* | *:snapshots/*) echo 5 5 5 5 ;;
	flip:packs/*) echo 0 0 5 5 ;;
	*) echo 0 5 5 5 ;;
	esac
}

# Whatever can be restored of both snapshots is as it was; it ends with damage or, where no damage can be seen, without.
read_all() {
	local snapshot status got=0 f

	for snapshot in "$first" "$second"; do
		rm -rf "$WORK/restored"
		status=0
		"$VARVE" restore "$snapshot" --target "$WORK/restored" >"$WORK/out" 2>"$WORK/err" || status=$?
		case $status in
		0) diff -r "$WORK/restored/old" "$src/old" >&2 || die "$1: $snapshot is wrong" ;;
		1 | 5 | 10 | 12) got=$status ;;
		*) die "$1: restore ended with $status" ;;
		esac
		[ -d "$WORK/restored" ] || continue
		(cd "$WORK/restored" && find . -type f -print0) | while IFS= read -r -d '' f; do
			cmp -- "$WORK/restored/$f" "$src/$f" || die "$1: $f is wrong"
		done
	done
	echo "$got"
}

# Is it, byte for byte, what it was?
same_as_good() {
	diff -r "$repo" "$WORK/good" >&2 || die "$1: the repair has left a difference"
}

[ "$(read_all sound)" -eq 0 ] || die "a sound repository does not restore"
mapfile -t objects < <(cd "$repo" && find . -type f -printf '%P\n' | sort)
[ ${#objects[@]} -ge 10 ] || die "fewer objects than expected: ${objects[*]}"
# All of it takes minutes where all is slow.
damages=(flip cut_short gone) kills=12
[ -z "${SANITIZE:-}" ] || damages=(flip) kills=4
levels=(--verify-signatures --json --packs --read-data)
for damage in "${damages[@]}"; do
	for object in "${objects[@]}"; do
		fresh
		$damage "$repo/$object"
		read -r -a want < <(statuses "$object" "$damage")
		for i in 0 1 2 3; do
			check "${want[i]}" "${levels[i]}"
		done
		read_all "$damage $object" >/dev/null
		case $damage:$object in
		gone:snapshots/*) continue ;; # it might have been forgotten
		gone:index/*) # it is made anew
			expect_status 0 "$VARVE" repair --from "$WORK/good"
			;;
		*)
			expect_status 0 "$VARVE" repair --from "$WORK/good"
			expect_match "^$object: fetched from " "$WORK/out"
			same_as_good "$damage $object"
			;;
		esac
		check 0 --read-data
		[ "$(read_all repaired)" -eq 0 ] || die "$damage $object: not all can be read after the repair"
	done
done
ok "every object, with a copy"

# Without a copy: what is lost is told, and comes back with the next backup.
for damage in "${damages[@]}"; do
	for object in "${objects[@]}"; do
		case $object in
		packs/* | trees/* | index/*) ;;
		*) continue ;;
		esac
		fresh
		$damage "$repo/$object"
		status=0
		"$VARVE" repair --read-data >"$WORK/out" 2>"$WORK/err" || status=$?
		[ $status -eq 0 ] || [ $status -eq 5 ] || die "$damage $object: repair ended with $status: $(cat "$WORK/err")"
		cp "$WORK/out" "$WORK/repaired.out"
		[ ! -e "$repo/$object" ] || [ "${object%%/*}" = index ] || die "$damage $object: the pack is still there"
		read_all "$damage $object" >/dev/null
		again
		check 0 --read-data
		[ "$(read_all "$damage $object")" -eq 0 ] || die "$damage $object: not whole after the next backup"
		# And a second repair finds nothing to do.
		expect_status 0 "$VARVE" repair
	done
done
ok "every object, without a copy"

# What is lost has holes, and nothing else has: the large file, whose pack has a bit flipped in it.
large=$(cd "$repo" && find packs -type f -printf '%s %p\n' | sort -rn | sed -n '1s/.* //p')
fresh
flip "$repo/$large"
check 5 --read-data
expect_status 5 "$VARVE" repair
expect_match "^$large: taken out of the index, [0-9]+ objects of it stored again, 1 lost\$" "$WORK/out"
[ -f "$repo/quarantine/packs/$(basename "$large")" ] || die "nothing is in quarantine"
check 5
expect_match "^snapshot $second: old/large: contents: damaged by chunk " "$WORK/out"
expect_equal "damaged files" "$(grep -c ': contents: damaged' "$WORK/out")" 1
expect_status 5 "$VARVE" dump "$second:old/large"
expect_status 0 "$VARVE" dump "$second:old/file 7"
cmp "$WORK/out" "$src/old/file 7"
# A copy turns up after all.
expect_status 0 "$VARVE" repair --from "$WORK/good"
[ ! -e "$repo/quarantine/packs/$(basename "$large")" ] || die "it is still in quarantine"
check 0 --read-data
expect_status 0 "$VARVE" dump "$second:old/large"
cmp "$WORK/out" "$src/old/large"
ok "holes"

# A directory of packs, flat; of two copies the one that has it; a copy that is damaged itself.
mkdir "$WORK/flat" "$WORK/empty"
find "$WORK/good/packs" "$WORK/good/trees" -type f -exec cp {} "$WORK/flat/" \;
fresh
for object in "${objects[@]}"; do
	case $object in packs/* | trees/*) gone "$repo/$object" ;; esac
done
expect_status 0 "$VARVE" repair --from "$WORK/empty" --from "$WORK/flat"
same_as_good "packs from a directory"
cp -a "$WORK/good" "$WORK/bad"
flip "$repo/$large"
cp -af "$repo/$large" "$WORK/bad/$large"
expect_status 0 "$VARVE" repair --read-data --from "$WORK/bad" --from "$WORK/good"
expect_match "damaged there, too" "$WORK/err"
same_as_good "a second copy"
ok "several copies"

# A dry run changes nothing, a copy that cannot be asked is no reason to give up anything, and another repository is none.
flip "$repo/$large"
cp -a "$repo" "$WORK/before"
expect_status 5 "$VARVE" repair --dry-run --read-data
expect_match "would be taken out" "$WORK/out"
expect_status 0 "$VARVE" repair --dry-run --read-data --from "$WORK/good"
expect_match "^$large: would be fetched" "$WORK/out"
diff -r "$repo" "$WORK/before" || die "a dry run has changed something"
expect_status 1 "$VARVE" repair --from "$WORK/does-not-exist"
diff -r "$repo" "$WORK/before" || die "a copy that is not there has changed something"
expect_status 2 "$VARVE" repair --from "$repo"
expect_status 2 "$VARVE" repair nonsense
(new_repo "$WORK/other")
expect_status 1 "$VARVE" repair --from "$WORK/other"
expect_match "another repository" "$WORK/err"
fresh
gone "$repo/config"
expect_status 5 "$VARVE" repair --from "$WORK/other"
[ ! -e "$repo/config" ] || die "the config of another repository was taken"
ok "refusals"

# Each role may do what its key can: a writer cannot read what is left of contents, and leaves them alone.
fresh
head -c 64 /dev/urandom >"$WORK/writer.key"
expect_status 0 "$VARVE" key add --role writer --new-key-file "$WORK/writer.key"
flip "$repo/$large"
rm "$repo"/index/*
expect_status 5 "$VARVE" repair --read-data --key-file "$WORK/writer.key"
expect_match "^$large: stays damaged: only an owner's or a reader's key" "$WORK/out"
[ -e "$repo/$large" ] || die "a writer has given up a pack that it cannot read"
check 5 --read-data
# What a check has found here, a repair knows.
expect_status 5 "$VARVE" repair
again
check 0 --read-data
ok "roles"

# Killed anywhere: the next one does the rest.
for i in $(seq $kills); do
	fresh
	flip "$repo/$large"
	gone "$(find "$repo/trees" -type f | sort | sed -n 1p)"
	"$VARVE" repair --read-data >/dev/null 2>&1 &
	pid=$!
	sleep "0.0$((RANDOM % 8 + 1))"
	kill -9 $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
	status=0
	"$VARVE" repair --read-data >"$WORK/out" 2>"$WORK/err" || status=$?
	[ $status -eq 0 ] || [ $status -eq 5 ] || die "repair after a kill: $status: $(cat "$WORK/err")"
	again
	check 0 --read-data
	[ "$(read_all killed)" -eq 0 ] || die "after a killed repair not all can be read"
done
ok "killed"

# A store that does not answer is no damage.
check 0 --packs
expect_status 10 "$VARVE" check --packs --repo "$WORK/empty"
expect_status 2 "$VARVE" check --packs --read-data
expect_status 1 "$VARVE" check --repo sftp://nobody@127.0.0.1:1/x --deadline 1
expect_status 1 "$VARVE" check --packs --repo sftp://nobody@127.0.0.1:1/x --deadline 1
for wrong in rotate: rotate:0 rotate:x rotate:5x; do
	check 2 --read-data=$wrong
done
ok "what is no damage"

# A month of nights reads every pack once, and remembers where it was.
fresh
read_packs() {
	sed -nE 's/^([0-9]+) packs read.*/\1/p' "$WORK/out"
}
all=$(find "$repo/packs" "$repo/trees" -type f | wc -l)
total=0
for i in $(seq 5); do
	check 0 --read-data=rotate:5
	total=$((total + $(read_packs)))
done
expect_equal "packs read in a cycle" $total "$all"
total=0
for i in $(seq 3); do
	check 0 --packs=rotate:3
	total=$((total + $(read_packs)))
done
expect_equal "packs read in a cycle without a key" $total "$all"
ok "rotation"
