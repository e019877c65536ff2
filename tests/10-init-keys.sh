#!/usr/bin/env bash
# init and keyslots: what is made, what is refused, what each secret opens.
. "$(dirname "$0")/lib/scenario.sh"

need script
fast="--kdf-memory 8M --kdf-passes 1"
repo=$WORK/repo
export VARVE_REPOSITORY=$repo
echo 'correct horse' >"$WORK/pass"
echo 'wrong' >"$WORK/wrong"
head -c 64 /dev/urandom >"$WORK/key"
head -c 31 /dev/urandom >"$WORK/shortkey"
: >"$WORK/nothing"
mkdir "$WORK/src"
echo data >"$WORK/src/file"

# shellcheck disable=SC2086
expect_status 0 "$VARVE" init $fast --password-file "$WORK/pass" --json
expect_match '"id":"[0-9a-f]{32}"' "$WORK/out"
expect_equal "mode of the repository" "$(stat -c %a "$repo")" 700
expect_equal "files that others can read" "$(find "$repo" -perm /077)" ""
ok init

# What init refuses: nothing is changed by it.
find "$repo" -printf '%p %s %T@\n' | sort >"$WORK/before"
expect_status 1 "$VARVE" init --password-file "$WORK/pass"
expect_match 'there is a repository already' "$WORK/err"
mkdir "$WORK/full"
touch "$WORK/full/x"
expect_status 1 "$VARVE" init -r "$WORK/full" --password-file "$WORK/pass"
expect_match 'full: not empty' "$WORK/err"
expect_status 1 "$VARVE" init -r "$WORK/src/file" --password-file "$WORK/pass"
expect_status 1 "$VARVE" init -r "$WORK/no/where" --password-file "$WORK/pass"
expect_status 1 "$VARVE" init -r "$WORK/new" --password-file "$WORK/nothing"
expect_match 'passphrase is empty' "$WORK/err"
expect_status 1 "$VARVE" init -r "$WORK/new" --key-file "$WORK/shortkey"
expect_match 'needs at least 32' "$WORK/err"
expect_status 2 "$VARVE" init -r "$WORK/new" --cipher rot13
expect_status 1 "$VARVE" init -r "$WORK/new" --chunk-avg 100K --key-file "$WORK/key"
expect_match 'power of two' "$WORK/err"
expect_status 1 "$VARVE" init -r "$WORK/new" --pack-size 10 --key-file "$WORK/key"
expect_status 2 "$VARVE" init -r "$WORK/new" --chunk-avg large
expect_status 1 "$VARVE" init -r ftp://host/x --key-file "$WORK/key"
! test -e "$WORK/new" || die "something was made by a refused init"
find "$repo" -printf '%p %s %T@\n' | sort >"$WORK/after"
cmp "$WORK/before" "$WORK/after"
ok "refused inits"

# Every way to give a passphrase.
expect_status 0 "$VARVE" snapshots --password-file "$WORK/pass"
VARVE_PASSWORD_FILE=$WORK/pass expect_status 0 "$VARVE" snapshots
VARVE_PASSWORD='correct horse' expect_status 0 "$VARVE" snapshots
VARVE_PASSWORD_COMMAND="cat '$WORK/pass'" expect_status 0 "$VARVE" snapshots
VARVE_PASSWORD_COMMAND=false expect_status 1 "$VARVE" snapshots
expect_match 'password command: exit status 1' "$WORK/err"
(sleep 1 && echo 'correct horse') | script -qec "$VARVE snapshots" /dev/null >"$WORK/tty" || die "the prompt did not work"
expect_match 'passphrase:' "$WORK/tty"
expect_no_match 'correct' "$WORK/tty"
expect_status 12 setsid "$VARVE" snapshots
expect_match 'no terminal' "$WORK/err"
expect_status 12 "$VARVE" snapshots --password-file "$WORK/wrong"
expect_match 'wrong passphrase' "$WORK/err"
expect_status 12 "$VARVE" snapshots --key-file "$WORK/key"
expect_status 1 "$VARVE" snapshots --password-file "$WORK/missing"
expect_match 'missing: No such file' "$WORK/err"
ok passphrases

# No repository.
expect_status 10 "$VARVE" snapshots -r "$WORK/nowhere" --password-file "$WORK/pass"
expect_status 10 "$VARVE" snapshots -r "$WORK/full" --password-file "$WORK/pass"
expect_match 'not a varve repository' "$WORK/err"
expect_status 10 "$VARVE" snapshots -r "$WORK/src/file" --password-file "$WORK/pass"
(unset VARVE_REPOSITORY && expect_status 2 "$VARVE" snapshots)
ok "no repository"

# What concerns remote stores is understood everywhere, from options, environment and configuration file.
expect_status 0 "$VARVE" snapshots --password-file "$WORK/pass" --deadline 5 --limit-upload 1M --limit-download=2M
expect_status 2 "$VARVE" snapshots --deadline 0
expect_match 'deadline: "0" is not a number of seconds' "$WORK/err"
VARVE_LIMIT_UPLOAD=fast expect_status 2 "$VARVE" snapshots
expect_match 'VARVE_LIMIT_UPLOAD: "fast" is not a size' "$WORK/err"
printf '[repository]\nurl = %s\npassword-file = %s\nlimit-download = -1\n' "$VARVE_REPOSITORY" "$WORK/pass" >"$WORK/far.conf"
VARVE_CONFIG=$WORK/far.conf expect_status 2 "$VARVE" snapshots
expect_match 'limit-download: "-1" is not a size' "$WORK/err"
VARVE_CONFIG=$WORK/far.conf VARVE_LIMIT_DOWNLOAD=1G expect_status 0 "$VARVE" snapshots
expect_status 2 "$VARVE" snapshots --cache-size much
expect_match 'cache-size: "much" is not a size' "$WORK/err"
VARVE_CACHE_SIZE=most expect_status 2 "$VARVE" snapshots
expect_match 'VARVE_CACHE_SIZE: "most" is not a size' "$WORK/err"
printf '[repository]\nurl = %s\npassword-file = %s\ncache-size = most\n' "$VARVE_REPOSITORY" "$WORK/pass" >"$WORK/far.conf"
VARVE_CONFIG=$WORK/far.conf expect_status 2 "$VARVE" snapshots
expect_match 'cache-size: "most" is not a size' "$WORK/err"
VARVE_CONFIG=$WORK/far.conf VARVE_CACHE_SIZE=1G expect_status 0 "$VARVE" snapshots
ok "settings of remote stores"

# Keyslots: a key file, two factors, a new passphrase, removal.
with() {
	"$VARVE" "$@" --password-file "$WORK/pass"
}
# shellcheck disable=SC2086
expect_status 0 with key add --role owner --new-key-file "$WORK/key" --name "the key"
expect_status 0 "$VARVE" snapshots --key-file "$WORK/key"
head -c 40 /dev/urandom >"$WORK/key2"
echo 'second factor' >"$WORK/pass2"
# shellcheck disable=SC2086
expect_status 0 with key add $fast --role reader --new-key-file "$WORK/key2" --new-password-file "$WORK/pass2"
expect_status 0 "$VARVE" snapshots --key-file "$WORK/key2" --password-file "$WORK/pass2"
expect_status 12 "$VARVE" snapshots --key-file "$WORK/key2"
expect_status 12 "$VARVE" snapshots --password-file "$WORK/pass2"
expect_status 12 "$VARVE" snapshots --password-file "$WORK/wrong" --key-file "$WORK/key2"
expect_status 0 with key list
expect_equal "keyslots" "$(wc -l <"$WORK/out")" 3
expect_match '^ [0-9a-f]{8}  reader   passphrase\+key-file' "$WORK/out"
expect_match 'the key$' "$WORK/out"
expect_match '^\*[0-9a-f]{8}  owner    passphrase ' "$WORK/out"
expect_status 2 with key add --new-key-file "$WORK/key"
expect_status 2 with key add --role king --new-key-file "$WORK/key"
expect_status 2 with key
expect_status 1 with key remove 0000
ok "key add, list"

# A reader cannot back up, nor give keys to others.
reader() {
	"$VARVE" "$@" --key-file "$WORK/key2" --password-file "$WORK/pass2"
}
expect_status 0 with backup "$WORK/src"
expect_status 0 reader dump "latest:$WORK/src/file"
expect_equal "contents" "$(cat "$WORK/out")" data
expect_status 1 reader backup "$WORK/src"
expect_status 1 reader key add --role reader --new-key-file "$WORK/key"
expect_match 'only the owner' "$WORK/err"
expect_equal "snapshots" "$(with snapshots | wc -l)" 1
ok "a reader reads"

# shellcheck disable=SC2086
expect_status 0 with key passwd $fast --new-password-file "$WORK/wrong"
expect_status 12 "$VARVE" snapshots --password-file "$WORK/pass"
expect_status 0 "$VARVE" snapshots --password-file "$WORK/wrong"
expect_equal "keyslots after passwd" "$("$VARVE" key list --key-file "$WORK/key" | wc -l)" 3
slot=$("$VARVE" key list --key-file "$WORK/key" | sed -n 's/^\*\([0-9a-f]*\).*/\1/p')
other=$("$VARVE" key list --key-file "$WORK/key" | sed -n 's/^ \([0-9a-f]*\)  owner.*/\1/p')
expect_status 0 "$VARVE" key remove "$other" --key-file "$WORK/key"
expect_status 1 "$VARVE" key remove "$slot" --key-file "$WORK/key"
expect_match 'last keyslot of the owner' "$WORK/err"
expect_status 0 "$VARVE" snapshots --key-file "$WORK/key"
ok "key passwd, remove"

# A recipient: makes a key file, tells its public key, and opens what the owner has made for that.
recipient() {
	"$VARVE" "$@" --key-file "$WORK/bob.key"
}
owner() {
	"$VARVE" "$@" --key-file "$WORK/key"
}
(unset VARVE_REPOSITORY && expect_status 0 "$VARVE" key public --new-key-file "$WORK/bob.key")
expect_match '^[0-9a-f]{64}$' "$WORK/out"
public=$(cat "$WORK/out")
expect_equal "mode and size of the key file" "$(stat -c '%a %s' "$WORK/bob.key")" "600 64"
expect_equal "the public key" "$(recipient key public)" "$public"
expect_equal "the public key" "$(VARVE_KEY_FILE=$WORK/bob.key "$VARVE" key public)" "$public"
expect_equal "as JSON" "$(recipient key public --json)" "{\"public\":\"$public\"}"
[ "$("$VARVE" key public --key-file "$WORK/key")" != "$public" ] || die "two key files have the same public key"
cp "$WORK/bob.key" "$WORK/bob.before"
expect_status 1 "$VARVE" key public --new-key-file "$WORK/bob.key"
expect_match 'bob.key: File exists' "$WORK/err"
cmp "$WORK/bob.key" "$WORK/bob.before"
expect_status 1 "$VARVE" key public --new-key-file "$WORK/no/where"
expect_status 1 "$VARVE" key public --key-file "$WORK/shortkey"
expect_status 12 "$VARVE" key public
expect_match 'no key file given' "$WORK/err"
expect_status 2 "$VARVE" key public x
expect_status 12 recipient snapshots
expect_status 2 owner key add --role reader --recipient "${public%?}"
expect_status 2 owner key add --role reader --recipient "$(printf %064d 0)"
expect_status 2 owner key add --role reader --recipient "$public" --new-key-file "$WORK/key2"
expect_match 'goes with no other secret' "$WORK/err"
expect_status 0 owner key add --role reader --recipient "$public" --name bob
slot=$(sed -n 's/^keyslot \([0-9a-f]*\) added$/\1/p' "$WORK/out")
expect_status 0 recipient key list
expect_match "^\*$slot  reader   recipient .* bob$" "$WORK/out"
expect_status 0 recipient ls -R latest
expect_match '/src/file$' "$WORK/out"
expect_status 0 recipient restore latest --target "$WORK/bob"
cmp "$WORK/src/file" "$WORK/bob/$WORK/src/file"
if { : <>/dev/fuse; } 2>/dev/null; then
	mount_varve "$WORK/mnt" --key-file "$WORK/bob.key"
	cmp "$WORK/src/file" "$WORK/mnt/latest/$WORK/src/file"
	umount_varve
fi
expect_status 1 recipient backup "$WORK/src"
expect_status 1 recipient key add --role reader --recipient "$public"
expect_match 'only the owner' "$WORK/err"
expect_equal "snapshots" "$(owner snapshots | wc -l)" 1
ok "a recipient reads"

# Other roles for recipients, and a key file that opens keyslots of both kinds.
for role in auditor writer owner; do
	public=$("$VARVE" key public --new-key-file "$WORK/$role.key")
	expect_status 0 owner key add --role $role --recipient "$public"
	expect_status 0 "$VARVE" ls -R latest --key-file "$WORK/$role.key"
done
for role in auditor writer; do
	expect_status 1 "$VARVE" dump "latest:$WORK/src/file" --key-file "$WORK/$role.key"
done
expect_status 0 "$VARVE" dump "latest:$WORK/src/file" --key-file "$WORK/owner.key"
expect_status 1 "$VARVE" backup "$WORK/src" --key-file "$WORK/auditor.key"
expect_match '^varve: the key of the role "auditor" cannot make backups$' "$WORK/err"
expect_status 0 "$VARVE" backup "$WORK/src" --key-file "$WORK/writer.key"
expect_status 0 "$VARVE" key passwd --new-key-file "$WORK/key2" --key-file "$WORK/owner.key"
expect_status 12 "$VARVE" snapshots --key-file "$WORK/owner.key"
expect_status 0 recipient key passwd --new-key-file "$WORK/bob.key"
expect_status 0 recipient key list
expect_match "^\*[0-9a-f]{8}  reader   key-file .* bob$" "$WORK/out"
expect_equal "slots of the recipient" "$(grep -c "^.$slot" "$WORK/out")" 0
expect_status 0 recipient key passwd --new-key-file "$WORK/bob.key" --name robert
expect_status 0 recipient key list
expect_match "^\*[0-9a-f]{8}  reader   key-file .* robert$" "$WORK/out"
expect_status 0 recipient dump "latest:$WORK/src/file"
ok "keyslots for recipients of every role"

# The other cipher.
if grep -qw aes /proc/cpuinfo; then
	expect_status 0 "$VARVE" init -r "$WORK/aes" --cipher aes256-gcm --key-file "$WORK/key"
	expect_status 0 "$VARVE" backup -r "$WORK/aes" --key-file "$WORK/key" "$WORK/src"
	expect_status 0 "$VARVE" dump -r "$WORK/aes" --key-file "$WORK/key" "latest:$WORK/src/file"
	expect_equal "contents" "$(cat "$WORK/out")" data
	ok "aes256-gcm"
fi

# A newer format, and a config that is none.
cp -r "$repo" "$WORK/newer"
chmod u+w "$WORK/newer/config"
printf '\x02' | dd of="$WORK/newer/config" bs=1 seek=8 conv=notrunc status=none
expect_status 1 "$VARVE" snapshots -r "$WORK/newer" --key-file "$WORK/key"
expect_match 'format version 2 is newer' "$WORK/err"
echo garbage >"$WORK/newer/config"
expect_status 5 "$VARVE" snapshots -r "$WORK/newer" --key-file "$WORK/key"
expect_match 'config: damaged' "$WORK/err"

# The configuration file stands behind the environment and the options.
cat >"$WORK/varve.conf" <<C
[repository]
url = $repo
key-file = $WORK/key
C
(unset VARVE_REPOSITORY && VARVE_CONFIG=$WORK/varve.conf expect_status 0 "$VARVE" snapshots)
echo 'nonsense = 1' >>"$WORK/varve.conf"
VARVE_CONFIG=$WORK/varve.conf expect_status 2 "$VARVE" snapshots
expect_match 'varve.conf:4: unknown setting' "$WORK/err"
