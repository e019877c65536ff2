# Sourced by scenarios after scenario.sh: the roles that docs/stores.md makes with a bucket's policy, tried with the very policy
# that is written there.  Each may do what it says, and is refused the rest in words.
#
# The scenario exports VARVE_REPOSITORY, has a function "enforce FILE" that makes this the bucket's policy, and a function
# "login USER" that exports what AWS' programs want to know of that user; of the bucket's owner if that is "owner".
# shellcheck shell=bash

roles=$WORK/roles

# stores_json HEADING: the example in JSON that docs/stores.md has below this.
# shellcheck disable=SC2016 # no command, but marks of its text
stores_json() {
	sed -n "/^### $1/,/^###* [^#]/{/^### $1/b; /^##/q; p}" "$(dirname "${BASH_SOURCE[0]}")/../../docs/stores.md" |
		sed -n '/^```json/,/^```$/p' | sed '/^```/d'
}

# roles_policy BUCKET PREFIX: the example, for them.
roles_policy() {
	stores_json 'Who may do what' | sed 's/::ACCOUNT:/:::/g; s/"arn:aws:s3:::varve"/"arn:aws:s3:::'"$1"'"/
		s,:::varve/repo/,:::'"$1/$2"'/,g'
}

# as USER KEY ARGUMENT...: varve with that user's credentials and the repository's key of that role, on a machine of its own.
as() {
	local user=$1 key=$2

	shift 2
	(
		login "$user"
		export VARVE_KEY_FILE=$roles/$key.key VARVE_CACHE_DIR=$roles/cache-$user
		exec "$VARVE" "$@"
	)
}

# denied TEXT COMMAND...: it is refused, and told so.
denied() {
	local text=$1

	shift
	expect_status 1 "$@"
	expect_match "$text" "$WORK/err"
}

# roles_begin BUCKET PREFIX: a repository of the owner's with a snapshot, and what a writer will add.
roles_begin() {
	local role i

	mkdir -p "$roles/src"
	for role in owner writer reader auditor; do
		(umask 077 && head -c 64 /dev/urandom >"$roles/$role.key")
	done
	head -c 4000000 /dev/urandom >"$roles/src/goes"
	head -c 500000 /dev/urandom >"$roles/src/stays"
	expect_status 0 as owner owner init --pack-size 1M --grace 8s
	for role in writer reader auditor; do
		expect_status 0 as owner owner key add --role $role --name $role --new-key-file "$roles/$role.key"
	done
	roles_policy "$1" "$2" >"$roles/policy"
	enforce "$roles/policy"
	cd "$roles/src" || exit
	expect_status 0 as owner owner backup --tag first .
	rm goes
	for i in $(seq 30); do head -c 500000 /dev/urandom >"new$i"; done
}

# It takes so long that the writer says meanwhile which packs it needs; what it has said stays until a prune.
roles_writer() {
	expect_status 0 as writer writer backup --limit-upload 5M --tag second .
	expect_equal "records that cannot be taken back" "$(grep -c 'doomed/.*no permission to delete' "$WORK/err")" 1
	expect_equal "errors" "$(wc -l <"$WORK/err")" 1
	denied 'does not let us delete: 1 of 1' as writer owner forget --tag first latest
	denied 'keys/.*: put: no permission to write' as writer owner key add --role reader --name more \
		--new-key-file "$roles/reader.key"
	denied 'packs/.*: get: no permission to read' as writer owner dump --tag first latest:goes
	ok "a writer adds, and neither deletes nor reads"
}

roles_reader() {
	expect_status 0 as reader reader restore latest --target "$roles/restored"
	diff -r "$roles/src" "$roles/restored"
	expect_status 0 as reader reader check --read-data
	echo something >extra
	denied ': put: no permission to write' as reader writer backup .
	rm extra
	denied 'does not let us delete: 1 of 1' as reader owner forget latest
	expect_status 0 as reader reader snapshots
	expect_equal "snapshots after that" "$(wc -l <"$WORK/out")" "$1"
	ok "a reader reads, and changes nothing"
}

roles_auditor() {
	expect_status 0 as auditor auditor snapshots
	expect_status 0 as auditor auditor find stays
	expect_match ' stays$' "$WORK/out"
	expect_status 0 as auditor auditor check
	denied 'packs/.*: get: no permission to read' as auditor owner dump latest:stays
	denied ': put: no permission to write' as auditor writer backup "$roles/src"
	denied 'does not let us delete: 1 of 1' as auditor owner forget latest
	ok "an auditor lists and checks, and reads no contents"
}

# roles_pruner COMMAND: the first half of prune, the command, then the second half: without the right to delete, which harms
# nobody, and with it.
roles_pruner() {
	local i before bytes

	expect_status 0 as pruner reader forget --tag first latest
	expect_status 0 as pruner reader prune --max-unused unlimited --json
	expect_match '"doomed_packs":[1-9]' "$WORK/out"
	before=$(sed -n 's/.*"pack_bytes":\([0-9]*\).*/\1/p' "$WORK/out")
	"$1"
	python3 - "$roles/policy" >"$roles/without" <<'P'
import json, sys
policy = json.load(open(sys.argv[1]))
policy["Statement"] = [s for s in policy["Statement"] if s["Sid"] != "Delete"]
print(json.dumps(policy))
P
	enforce "$roles/without"
	for ((i = 0; i < 20; i++)); do
		as pruner reader prune --max-unused unlimited >"$WORK/out" 2>"$WORK/err" || break
		sleep 1
	done
	denied 'the store does not let us delete: what is not needed stays' as pruner reader prune --max-unused unlimited
	expect_status 0 as reader reader check --read-data
	enforce "$roles/policy"
	for ((i = 0; ; i++)); do
		expect_status 0 as pruner reader prune --max-unused unlimited --json
		bytes=$(sed -n 's/.*"pack_bytes":\([0-9]*\).*/\1/p' "$WORK/out")
		[ "$bytes" -ge $((before - 3000000)) ] || break
		[ $i -lt 30 ] || die "$bytes bytes are left of $before"
		sleep 1
	done
	expect_status 0 as reader reader check --read-data
	denied 'keys/.*: put: no permission to write' as pruner owner key add --role reader --name more \
		--new-key-file "$roles/reader.key"
	ok "a pruner deletes, where it may"
}

roles_others() {
	roles_reader 1
	roles_auditor
}

# s3_roles BUCKET PREFIX: all of it.
s3_roles() {
	roles_begin "$1" "$2"
	roles_writer
	roles_pruner roles_others
	cd "$WORK" || exit
}
