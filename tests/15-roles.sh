#!/usr/bin/env bash
# Roles: what each may do and what it lacks the key for, the limits of writers, revocation, and stores that show another
# state, or another repository, than they did before.
. "$(dirname "$0")/lib/scenario.sh"

new_repo "$WORK/repo"
mkdir "$WORK/src"
echo "plaintext that nobody else may see" >"$WORK/src/unmistakable-name"
ln -s "$VARVE_KEY_FILE" "$WORK/owner.key"

# add_role NAME OPTION...: a keyslot for the holder of $WORK/NAME.key; its id is in $slot.
add_role() {
	local name=$1 public

	shift
	public=$("$VARVE" key public --new-key-file "$WORK/$name.key")
	expect_status 0 "$VARVE" key add --name "$name" --recipient "$public" "$@"
	slot=$(sed -n 's/^keyslot \([0-9a-f]*\) added$/\1/p' "$WORK/out")
}

# as NAME COMMAND...: varve with that one's key.
as() {
	local name=$1

	shift
	"$VARVE" "$@" --key-file "$WORK/$name.key"
}

# --- Limits of writers ------------------------------------------------------------------------------------------------

add_role web --role writer --host 'web*' --host db1 --tag daily --tag weekly --expires 30d
expect_status 0 as web backup --host web7 --tag daily "$WORK/src"
expect_status 0 as web backup --host db1 --tag weekly --tag daily "$WORK/src"
expect_status 1 as web backup --host mail --tag daily "$WORK/src"
expect_match 'writer "web" is for snapshots of web\*, db1 only, not of mail$' "$WORK/err"
expect_status 1 as web backup --host db10 --tag daily "$WORK/src"
expect_status 1 as web backup --host web7 "$WORK/src"
expect_match 'for snapshots with a tag, and only these: daily, weekly$' "$WORK/err"
expect_status 1 as web backup --host web7 --tag daily --tag monthly "$WORK/src"
expect_equal "snapshots" "$("$VARVE" snapshots | wc -l)" 2
expect_status 0 "$VARVE" key list
expect_match "^ $slot  writer   recipient  .*  web  host web\*,db1  tag daily,weekly  expires 20" "$WORK/out"
expect_status 0 "$VARVE" key list --json
expect_match '"name":"web".*"hosts":\["web\*","db1"\],"tags":\["daily","weekly"\],"expires":"20' "$WORK/out"

# Time, by this clock and by what the snapshot says.
add_role brief --role writer --expires "$(date -d '+3 seconds' '+%Y-%m-%d %H:%M:%S')"
expect_status 1 as brief backup --time "$(date -d '+1 hour' '+%Y-%m-%d %H:%M:%S')" "$WORK/src"
expect_match 'writer "brief" was good until ' "$WORK/err"
expect_status 0 as brief backup "$WORK/src"
sleep 4
expect_status 1 as brief backup "$WORK/src"
expect_match 'writer "brief" was good until ' "$WORK/err"
expect_status 1 as brief backup --time '2020-01-01' "$WORK/src"
expect_status 0 "$VARVE" key list
expect_match '  brief  expired 20' "$WORK/out"
expect_equal "snapshots" "$("$VARVE" snapshots | wc -l)" 3
expect_status 0 "$VARVE" check

# Options that make no sense.
expect_status 2 "$VARVE" key add --role reader --host web --new-key-file "$WORK/web.key"
expect_status 2 "$VARVE" key add --role writer --host '' --new-key-file "$WORK/web.key"
expect_status 2 "$VARVE" key add --role writer --expires yesterday --new-key-file "$WORK/web.key"
expect_status 2 "$VARVE" key add --role writer --expires soon --new-key-file "$WORK/web.key"
expect_status 2 "$VARVE" key passwd --tag x --new-key-file "$WORK/web.key"
long=$(printf 'x%.0s' {1..250})
many=()
for i in {1..20}; do many+=(--host "$long$i"); done
expect_status 1 "$VARVE" key add --role writer "${many[@]}" --new-key-file "$WORK/web.key"
expect_match 'too long for a certificate' "$WORK/err"

# A new secret leaves the limits as they are.
cp "$WORK/web.key" "$WORK/web2.key"
expect_status 0 as web key passwd --new-key-file "$WORK/web2.key"
expect_status 1 as web2 backup --host mail --tag daily "$WORK/src"
expect_status 0 as web2 key list
expect_match '^\*[0-9a-f]{8}  writer   key-file  .*  web  host web\*,db1  tag daily,weekly  expires 20' "$WORK/out"
ok "limits of writers"

# --- What the keys allow ----------------------------------------------------------------------------------------------

# probe NAME ARGUMENT...: what its holder could do with other programs than ours; it may read and write the whole store.
probe() {
	local name=$1

	shift
	VARVE_KEY_FILE=$WORK/$name.key VARVE_CACHE_DIR=$WORK/probe-cache expect_status 0 "$TOOLS/roleprobe" "$@"
}

add_role writer --role writer
add_role reader --role reader
add_role auditor --role auditor
npacks=$(find "$VARVE_REPOSITORY/packs" -type f | wc -l)
ntrees=$(find "$VARVE_REPOSITORY/trees" -type f | wc -l)
for role in owner reader; do
	probe $role packs
	expect_equal "packs that a $role opens" "$(cat "$WORK/out")" "opened $npacks of $npacks"
	expect_status 0 as $role dump "latest:$WORK/src/unmistakable-name"
done
for role in writer auditor web2; do
	probe $role packs
	expect_equal "packs that a $role opens" "$(cat "$WORK/out")" "opened 0 of $npacks"
	expect_status 1 as $role dump "latest:$WORK/src/unmistakable-name"
done
for role in owner reader writer auditor; do
	probe $role trees
	expect_equal "tree packs that a $role opens" "$(cat "$WORK/out")" "opened $ntrees of $ntrees"
	expect_status 0 as $role ls -R latest
	expect_match '/unmistakable-name$' "$WORK/out"
	expect_status 0 as $role check
done
ok "packs: by key, not by convention"

# Publishing: for whoever has no certified key it comes to nothing.
now=$(date +%s)000000000
mounted=
if { : <>/dev/fuse; } 2>/dev/null; then mounted=yes; fi
count=$("$VARVE" snapshots | wc -l)

# rejected TEXT: what was just put ($WORK/out) is no snapshot for anybody; and remove it.
rejected() {
	local id

	id=$(cat "$WORK/out")
	expect_status 5 "$VARVE" snapshots
	expect_match "$1" "$WORK/err"
	expect_equal "snapshots" "$(wc -l <"$WORK/out")" "$count"
	expect_status 5 as auditor check
	expect_match "$id" "$WORK/out"
	expect_status 0 "$VARVE" ls latest
	if [ -n "$mounted" ]; then
		mount_varve "$WORK/mnt" --key-file "$WORK/reader.key"
		ls "$WORK/mnt/latest/" >"$WORK/out" || die "latest is what was rejected"
		umount_varve
	fi
	rm -f "$VARVE_REPOSITORY/snapshots/$id"
	expect_status 0 "$VARVE" snapshots
}

for role in reader auditor; do
	probe $role publish self "$now" anyhost
	rejected 'made by a writer who was not entitled to'
	probe $role publish stolen "$now" anyhost
	rejected 'made by a writer who was not entitled to'
done
probe web2 publish own "$now" mail
rejected 'made by a writer who was not entitled to'
probe brief publish own "$now" anyhost
rejected 'made by a writer who was not entitled to'
probe writer publish own "$now" anyhost
expect_status 0 "$VARVE" snapshots
count=$((count + 1))
expect_equal "snapshots" "$(wc -l <"$WORK/out")" $count
ok "publishing: by key, not by convention"

# A stranger, to whom the whole store is readable: names, hosts, contents, paths are nowhere in it in clear.
expect_status 0 "$VARVE" backup --host unmistakable-host --tag unmistakable-tag "$WORK/src"
count=$((count + 1))
expect_equal "objects with plaintext in them" \
	"$(grep -rlaE 'plaintext that|unmistakable|web\*|auditor|reader' "$VARVE_REPOSITORY" || true)" ""
head -c 64 /dev/urandom >"$WORK/stranger.key"
for command in snapshots "ls latest" "key list" check; do
	# shellcheck disable=SC2086
	expect_status 12 as stranger $command
done
ok "a stranger sees sizes and times"

# --- Revocation -------------------------------------------------------------------------------------------------------

expect_status 0 as writer backup --host kept "$WORK/src"
count=$((count + 1))
expect_status 1 as writer key revoke web
expect_match 'only the owner' "$WORK/err"
expect_status 1 "$VARVE" key revoke nobody
expect_match 'nobody: no such writer' "$WORK/err"
expect_status 1 "$VARVE" key revoke reader
expect_match 'reader: has no key to sign with' "$WORK/err"
expect_status 1 "$VARVE" key revoke "$("$VARVE" key list | sed -n 's/^\*\([0-9a-f]*\).*/\1/p')"
expect_match 'rotate it' "$WORK/err"
expect_status 0 "$VARVE" key revoke writer
expect_equal "told" "$(cat "$WORK/out")" "writer writer revoked; 2 snapshots stay"
expect_status 0 "$VARVE" key list
expect_match '  writer  revoked 20' "$WORK/out"
expect_status 0 "$VARVE" key list --json
expect_match '"name":"writer".*"revoked":"20' "$WORK/out"
expect_status 0 "$VARVE" snapshots
expect_equal "snapshots" "$(wc -l <"$WORK/out")" $count
expect_status 0 "$VARVE" restore --target "$WORK/kept" --host kept latest
cmp "$WORK/src/unmistakable-name" "$WORK/kept/$WORK/src/unmistakable-name"
expect_status 1 as writer backup "$WORK/src"
expect_match "writer's key was revoked on 20.*nobody would accept" "$WORK/err"
for time in "$now" 1000000000000000000; do
	probe writer publish own "$time" kept
	rejected 'signed with the key of "writer", which was revoked on'
done
expect_status 0 "$VARVE" check

# What is put back was good before.
id=$(as auditor snapshots --json --host kept | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p')
mv "$VARVE_REPOSITORY/snapshots/$id" "$WORK/manifest"
cp "$WORK/manifest" "$VARVE_REPOSITORY/snapshots/$id"
expect_status 0 "$VARVE" snapshots

# Another machine heeds it from the first time on, this one also when the store withholds it.
expect_status 0 "$VARVE" snapshots --cache-dir "$WORK/other-cache"
revocation=$(find "$VARVE_REPOSITORY/revoked" -type f)
mv "$revocation" "$WORK/revocation"
probe writer publish own "$now" kept
forged=$(cat "$WORK/out")
expect_status 5 "$VARVE" snapshots
expect_match 'the store does not show it any more: it is heeded all the same' "$WORK/err"
expect_match "$forged: signed with the key of \"writer\"" "$WORK/err"
expect_equal "snapshots" "$(wc -l <"$WORK/out")" $count
expect_status 5 "$VARVE" check
expect_match "revoked/${revocation##*/}.*withheld" "$WORK/out"
cp "$WORK/revocation" "$revocation"
chmod u+w "$revocation"
printf x >>"$revocation"
expect_status 5 "$VARVE" snapshots --cache-dir "$WORK/new-cache"
expect_match 'damaged: a writer whose key was revoked by it may be believed' "$WORK/err"
cp "$WORK/revocation" "$revocation"
rm "$VARVE_REPOSITORY/snapshots/$forged"
expect_status 0 "$VARVE" snapshots
ok "revocation"

# A copy has it too, and keeps it whatever the source deletes.
expect_status 0 "$VARVE" sync "$WORK/copy"
cmp "$revocation" "$WORK/copy/revoked/${revocation##*/}"
rm "$revocation"
expect_status 0 "$VARVE" sync --delete "$WORK/copy"
[ -e "$WORK/copy/revoked/${revocation##*/}" ] || die "sync has deleted a revocation"
cp "$WORK/revocation" "$revocation"

# --- Rotation ---------------------------------------------------------------------------------------------------------

# The recipient need not be asked: the same key file opens the new keyslot.
slot=$("$VARVE" key list | sed -n 's/^ \([0-9a-f]*\) .*  auditor$/\1/p')
expect_status 0 "$VARVE" key rotate "$slot"
expect_status 0 as auditor snapshots
add_role rotated --role writer --host 'rot*'
expect_status 0 as rotated backup --host rot1 "$WORK/src"
count=$((count + 1))
cp -r "$VARVE_REPOSITORY/keys" "$WORK/old-keys"
expect_status 0 "$VARVE" key rotate "$slot"
expect_match '^keyslot [0-9a-f]{8} added$' "$WORK/out"
expect_match '^writer rotated revoked; 1 snapshot stays$' "$WORK/out"
expect_status 0 as rotated backup --host rot1 "$WORK/src"
count=$((count + 1))
expect_status 1 as rotated backup --host other "$WORK/src"
expect_status 0 "$VARVE" key list
expect_equal "keyslots of it" "$(grep -c '  rotated  host rot\*$' "$WORK/out")" 1
# The stolen keyslot still opens, and is worth nothing.
chmod u+w "$VARVE_REPOSITORY/keys"
cp "$WORK/old-keys/$slot"* "$VARVE_REPOSITORY/keys/"
mkdir "$WORK/new-keys"
for key in "$VARVE_REPOSITORY"/keys/*; do
	[ -e "$WORK/old-keys/${key##*/}" ] || mv "$key" "$WORK/new-keys/"
done
expect_status 1 as rotated backup --host rot1 "$WORK/src"
expect_match "writer's key was revoked" "$WORK/err"
mv "$WORK/new-keys"/* "$VARVE_REPOSITORY/keys/"
rm -f "$VARVE_REPOSITORY/keys/$slot"*
expect_status 0 as rotated backup --host rot1 "$WORK/src"
count=$((count + 1))
# The owner's own signing key.
slot=$("$VARVE" key list | sed -n 's/^\*\([0-9a-f]*\).*/\1/p')
expect_status 0 "$VARVE" key rotate "$slot" --new-key-file "$VARVE_KEY_FILE"
expect_status 0 "$VARVE" backup "$WORK/src"
count=$((count + 1))
# An expired one needs a new end.
slot=$("$VARVE" key list | sed -n 's/^ \([0-9a-f]*\) .*  brief  expired.*/\1/p')
expect_status 2 "$VARVE" key rotate "$slot"
expect_status 0 "$VARVE" key rotate "$slot" --expires 2d
expect_status 0 as brief backup "$WORK/src"
count=$((count + 1))
expect_status 0 "$VARVE" snapshots
expect_equal "snapshots" "$(wc -l <"$WORK/out")" $count
expect_status 0 "$VARVE" check
ok "rotation"

# --- Stores that are not what they were -------------------------------------------------------------------------------

# Rolled back to an older state.
cp -r "$VARVE_REPOSITORY" "$WORK/before"
expect_status 0 "$VARVE" backup --host rolled "$WORK/src"
expect_status 0 "$VARVE" snapshots
cp -r "$VARVE_REPOSITORY" "$WORK/after"
newest=$(comm -13 <(ls "$WORK/before/snapshots") <(ls "$WORK/after/snapshots"))
rm -rf "$VARVE_REPOSITORY"
cp -r "$WORK/before" "$VARVE_REPOSITORY"
expect_status 5 "$VARVE" snapshots
expect_match "^varve: snapshots/$newest of 20.* was here, and now there is neither it nor a newer one" "$WORK/err"
expect_status 5 "$VARVE" check
expect_match "snapshots/$newest.*was here, and is withheld or was forgotten" "$WORK/out"
expect_status 0 "$VARVE" restore --target "$WORK/still" latest
expect_match 'the store shows an old state' "$WORK/err"
# Whoever has not seen the later state cannot know.
expect_status 0 "$VARVE" snapshots --cache-dir "$WORK/other-cache"
# It was restored from a copy, and that is how it is now.
expect_status 0 "$VARVE" key trust
expect_match "^$count snapshots taken as they are$" "$WORK/out"
expect_status 0 "$VARVE" snapshots
expect_status 0 "$VARVE" check
rm -rf "$VARVE_REPOSITORY"
cp -r "$WORK/after" "$VARVE_REPOSITORY"
expect_status 0 "$VARVE" snapshots
ok "a store that was rolled back"

# Older ones go as they please.
oldest=$("$VARVE" snapshots --host rot1 --json | head -n 1 | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p')
rm -f "$VARVE_REPOSITORY/snapshots/$oldest"
expect_status 0 "$VARVE" snapshots
count=$((count - 1))

# The newest of a host that is forgotten here is not missed here, but by others; who will not prune meanwhile.
expect_status 0 "$VARVE" snapshots --cache-dir "$WORK/other-cache"
newest=$("$VARVE" snapshots --host rolled --json | sed -n 's/.*"id":"\([0-9a-f]*\)".*/\1/p')
expect_status 0 "$VARVE" forget "$newest"
count=$((count - 1))
expect_status 0 "$VARVE" snapshots
expect_status 0 "$VARVE" prune
expect_status 5 "$VARVE" snapshots --cache-dir "$WORK/other-cache"
expect_match "snapshots/$newest of .* was here" "$WORK/err"
expect_status 5 "$VARVE" prune --cache-dir "$WORK/other-cache"
expect_match 'nothing is deleted or doomed' "$WORK/err"
expect_status 0 "$VARVE" key trust --cache-dir "$WORK/other-cache"
expect_status 0 "$VARVE" prune --cache-dir "$WORK/other-cache"
ok "forgetting the newest"

# A recipient is shown a repository that somebody has made for his public key.
public=$("$VARVE" key public --key-file "$WORK/reader.key")
expect_status 0 as reader ls latest
(
	head -c 64 /dev/urandom >"$WORK/mallory.key"
	export VARVE_KEY_FILE=$WORK/mallory.key VARVE_CACHE_DIR=$WORK/mallory-cache
	expect_status 0 "$VARVE" init -r "$WORK/fake"
	expect_status 0 "$VARVE" key add -r "$WORK/fake" --role reader --recipient "$public"
	expect_status 0 "$VARVE" backup -r "$WORK/fake" "$WORK/src"
)
mv "$VARVE_REPOSITORY" "$WORK/genuine"
cp -r "$WORK/fake" "$VARVE_REPOSITORY"
expect_status 5 as reader ls latest
expect_match 'is another repository than the one that was here before' "$WORK/err"
expect_equal "output" "$(cat "$WORK/out")" ""
expect_status 0 as reader ls latest --cache-dir "$WORK/new-cache2"
expect_status 0 as reader key trust
expect_status 0 as reader ls latest
# Who opens it by a secret that it was made with is only told.
expect_status 0 "$VARVE" ls latest --key-file "$WORK/mallory.key"
rm -rf "$VARVE_REPOSITORY"
mv "$WORK/genuine" "$VARVE_REPOSITORY"
expect_status 0 as reader ls latest
expect_status 0 "$VARVE" snapshots
ok "a store that shows another repository"
