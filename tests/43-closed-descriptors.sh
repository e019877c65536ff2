#!/usr/bin/env bash
# Backups, mounts and clearing of the local index at the same time, from the first use on, with any of stdin, stdout and
# stderr closed: all of them work, and all that are mounted share one index, of which no file has been taken away.
. "$(dirname "$0")/lib/scenario.sh"

need_fuse
new_repo
mkdir "$WORK/src"
for i in 1 2 3; do echo "contents $i" >"$WORK/src/file$i"; done
cd "$WORK/src"
expect_status 0 "$VARVE" backup .
scenario_mounts+=("$WORK/mnt1" "$WORK/mnt2")
mkdir "$WORK/mnt1" "$WORK/mnt2"

# closed COMBINATION CMD...: run CMD with descriptor 0, 1, 2 closed where bits 1, 2, 4 are set.
closed() {
	local bits=$1

	shift
	(
		((bits & 1)) && exec 0<&-
		((bits & 2)) && exec 1>&-
		((bits & 4)) && exec 2>&-
		exec timeout 60 "$@"
	)
}

# The daemon of a mountpoint.
daemon_of() {
	pgrep -f "^varvefs .* $1( |\$)" | head -n 1
}

# An index that was removed under its user, or a temporary one: both have files without a name.
check_files() {
	local pid

	for dir in "$WORK/mnt1" "$WORK/mnt2"; do
		pid=$(daemon_of "$dir")
		[ -n "$pid" ] || die "no daemon for $dir"
		find "/proc/$pid/fd" -type l -printf '%f %l\n' >"$WORK/fds"
		expect_no_match '/(lock|data)\.mdb \(deleted\)' "$WORK/fds"
		expect_match "^[0-9]+ $VARVE_CACHE_DIR/[0-9a-f]{32}/data\.mdb\$" "$WORK/fds"
		expect_match "^[0-9]+ $VARVE_CACHE_DIR/[0-9a-f]{32}/lock\.mdb\$" "$WORK/fds"
		expect_no_match '^[012] .*(mdb|state|repo)' "$WORK/fds"
	done
}

# end_mount DIR: until its daemon has closed the index.
end_mount() {
	umount_varve "$1"
	for _ in $(seq 100); do
		[ -n "$(daemon_of "$1")" ] || return 0
		sleep 0.05
	done
	die "the daemon of $1 does not end"
}

# all_at_once COMBINATION: begins with no index.
all_at_once() {
	local bits=$1 jobs=() job status

	rm -rf "$VARVE_CACHE_DIR"
	for command in "mount $WORK/mnt1" "cache --clear" "backup -q ." "cache --clear" "mount $WORK/mnt2" "cache --clear" \
		"backup -q -t t$bits ." "cache --clear"; do
		# shellcheck disable=SC2086 # words
		closed "$bits" "$VARVE" $command >/dev/null 2>>"$WORK/err.$bits" &
		jobs+=("$!=$command")
	done
	for job in "${jobs[@]}"; do
		status=0
		wait "${job%%=*}" || status=$?
		# An index in use is not cleared.
		[ $status -eq 0 ] || { [ $status -eq 1 ] && [ "${job#*=}" = "cache --clear" ]; } ||
			die "status $status of ${job#*=} with $bits closed: $(cat "$WORK/err.$bits")"
	done
	expect_no_match 'temporary|damaged' "$WORK/err.$bits"
	for dir in "$WORK/mnt1" "$WORK/mnt2"; do
		expect_equal "contents" "$(cat "$dir/latest/file2")" "contents 2"
	done
	check_files
	end_mount "$WORK/mnt1"
	end_mount "$WORK/mnt2"
}

for round in 1 2 3; do
	for bits in 0 1 2 3 4 5 6 7; do
		all_at_once $bits
	done
	ok "round $round"
done
expect_status 0 "$VARVE" check --read-data
