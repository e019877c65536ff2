#!/usr/bin/env bash
# A server that answers anything for anything (tests/services/hostile.py): other objects, endless and empty answers, listings
# that go round in circles or name what is none of a store's.  Whatever a command says to be done is right; the rest it
# complains of, in time, with little memory, and without a byte anywhere else.
. "$(dirname "$0")/lib/scenario.sh"

need python3
rounds=${TEST_HOSTILE_ROUNDS:-4}
memory_kb=2500000 # of address space: threads and the index's map take most of it

new_repo "$WORK/repo" --pack-size 1M --chunk-avg 64K
mkdir -p "$WORK/src/dir" "$WORK/targets"
for i in $(seq 30); do
	head -c $((i * 3000)) /dev/urandom >"$WORK/src/dir/$i"
done
head -c 1500000 /dev/urandom >"$WORK/src/large"
(cd "$WORK/src" && expect_status 0 "$VARVE" backup .)
printf 'more\n' >"$WORK/src/more"
(cd "$WORK/src" && expect_status 0 "$VARVE" backup .)
export AWS_ACCESS_KEY_ID=AKEXAMPLE AWS_SECRET_ACCESS_KEY=secret AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true

# serve SEED SHARE: another server, from now on.
serve() {
	local ready=''

	mkfifo "$WORK/ready"
	python3 "$scenario_top/tests/services/hostile.py" "$WORK/repo" "$1" "$2" >"$WORK/ready" 2>"$WORK/hostile.log" &
	server=$!
	at_exit kill $server
	read -r ready port <"$WORK/ready" || true
	rm "$WORK/ready"
	[ "$ready" = ready ] || die "no server: $(tail -n 3 "$WORK/hostile.log")"
	export VARVE_REPOSITORY="s3://varve/repo?endpoint=http://127.0.0.1:$port" VARVE_CACHE_DIR=$WORK/cache.$1.$2
}

unserve() {
	kill $server
	wait $server || true
	rm -rf "$VARVE_CACHE_DIR"
}

# bounded COMMAND...: its status in $status.
bounded() {
	status=0
	(
		[ -n "${SANITIZE:-}" ] || ulimit -v $memory_kb
		timeout -k 5 100 "$@"
	) >"$WORK/out" 2>"$WORK/err" || status=$?
	case $status in
	0 | 1 | 5 | 10 | 12) ;;
	*) die "status $status: $*: $(tail -n 5 "$WORK/err")" ;;
	esac
	[ "$status" -eq 0 ] || [ -s "$WORK/err" ] || [ -s "$WORK/out" ] || die "status $status without a word: $*"
	! grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$WORK/err" || die "control characters in a message of: $*"
	! grep -qF "$AWS_SECRET_ACCESS_KEY" "$WORK/err" || die "the secret key in a message of: $*"
}

# The server is good first, so that it is known what is asked of it.
serve 0 0
bounded "$VARVE" restore latest --target "$WORK/targets/good"
expect_equal "status with a good server" "$status" 0
diff -r "$WORK/src" "$WORK/targets/good"
rm -r "$WORK/targets/good"
unserve

: >"$WORK/ways"
good=0 refused=0
for seed in $(seq "$rounds"); do
	for share in 5 40; do
		serve "$seed" $share
		bounded "$VARVE" --deadline 2 snapshots
		[ "$status" -ne 0 ] || [ "$(grep -c . "$WORK/out")" -ge 1 ] || die "no snapshots, and nothing said"
		bounded "$VARVE" --deadline 2 ls -l latest
		bounded "$VARVE" --deadline 2 restore latest --target "$WORK/targets/t"
		if [ "$status" -eq 0 ]; then
			# Perhaps of the older one, as the server did not tell of the other.
			diff -r -x more "$WORK/src" "$WORK/targets/t" || die "restored as if all were well, and it is not"
			good=$((good + 1))
		else
			refused=$((refused + 1))
			# What is there under its own name is whole.
			for f in "$WORK"/targets/t/dir/*; do
				[ ! -e "$f" ] || cmp "$f" "$WORK/src/dir/${f##*/}" || die "a damaged file was left: $f"
			done
		fi
		rm -rf "$WORK/targets/t"
		bounded "$VARVE" --deadline 2 check
		expect_equal "what is beside the target" "$(ls -A "$WORK/targets")" ''
		sed 's/.* //' "$WORK/hostile.log" >>"$WORK/ways"
		unserve
	done
done
[ $refused -gt 0 ] || die "nothing was ever refused"
ok "commands: $good good, $refused refused, $(wc -l <"$WORK/ways") wrong answers"

# A mount lives on, and what it gives is right.
if command -v fusermount3 >/dev/null && { : <>/dev/fuse; } 2>/dev/null; then
	mnt=$WORK/mnt mounted=0 read=0
	for seed in $(seq 100 $((100 + rounds))); do
		serve "$seed" 15
		mkdir -p "$mnt"
		scenario_mounts+=("$mnt")
		status=0
		timeout 60 "$VARVE" mount -o deadline=2 "$mnt" >"$WORK/out" 2>"$WORK/err" || status=$?
		if [ "$status" -eq 0 ]; then
			mounted=$((mounted + 1))
			for f in large more dir/1 dir/7 dir/30; do
				if timeout 60 cat "$mnt/latest/$f" >"$WORK/got" 2>/dev/null; then
					cmp "$WORK/got" "$WORK/src/$f" || die "wrong bytes through the mount: $f"
					read=$((read + 1))
				fi
			done
			umount_varve "$mnt"
		fi
		unserve
	done
	[ $mounted -gt 0 ] && [ $read -gt 0 ] || die "nothing was ever mounted and read"
	ok "mounts: $mounted, $read files"
fi
