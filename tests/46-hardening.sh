#!/usr/bin/env bash
# What a process that holds keys gives up and does not give away: the sandbox of mounts and of commands that read, no secrets
# in /proc, in logs and in the cache, nothing made that others can read.
. "$(dirname "$0")/lib/scenario.sh"

need_fuse
as_root
password='correct-horse-battery'
printf '%s\n' "$password" >"$WORK/passphrase"
umask 000
mkdir -p "$WORK/src/dir" "$WORK/where"
printf 'the plain contents of the file\n' >"$WORK/src/dir/plainname"
head -c 3000000 /dev/urandom >"$WORK/src/large"
chmod -R go-w "$WORK/src"

# --- Modes of what is made -----------------------------------------------------------------------------------------------

# private DIR...: nobody but the owner has anything of what is in there.
private() {
	expect_equal "what others may use in $*" "$(find "$@" \( -type f -o -type d \) -perm /077 -printf '%m %p\n')" ''
}

export VARVE_REPOSITORY=$WORK/where/repo VARVE_CACHE_DIR=$WORK/where/cache
VARVE_PASSWORD=$password expect_status 0 "$VARVE" init
(cd "$WORK/src" && VARVE_PASSWORD=$password expect_status 0 "$VARVE" -v backup .)
cp "$WORK/err" "$WORK/log"
private "$VARVE_REPOSITORY" "$VARVE_CACHE_DIR"
ok "modes"

# What is restored is never wider than recorded, not for a moment: for another owner it begins with nothing for others.
chmod 640 "$WORK/src/large"
chown 1234:1234 "$WORK/src/large"
(cd "$WORK/src" && expect_status 0 "$VARVE" -p "$WORK/passphrase" backup .)
if command -v strace >/dev/null && [ -z "${SANITIZE:-}" ]; then
	VARVE_NO_SANDBOX=1 strace -f -o "$WORK/trace" -e trace=openat,mkdirat \
		"$VARVE" -p "$WORK/passphrase" restore latest --target "$WORK/traced" >/dev/null
	expect_match '"large", [A-Z_|]*O_CREAT[A-Z_|]*, 0600' "$WORK/trace"
	expect_match 'mkdirat\([0-9]+, "dir", 0700' "$WORK/trace"
fi

# --- The mount's process -------------------------------------------------------------------------------------------------

mnt=$WORK/mnt

# daemon_of DIR: its process; the one that unmounts came later.
daemon_of() {
	pgrep -f "^[^ ]*varvefs .* $1( |\$)" | sort -n | head -n 1
}

# processes_of DIR: how many there are.
processes_of() {
	pgrep -c -f "^[^ ]*varvefs .* $1( |\$)" || true
}

# ended DIR: wait until there are none.
ended() {
	for _ in $(seq 100); do
		[ "$(processes_of "$1")" != 0 ] || return 0
		sleep 0.05
	done
	die "still there: $(pgrep -a -f "varvefs .* $1")"
}

VARVE_PASSWORD=$password mount_varve "$mnt"
pid=$(daemon_of "$mnt")
expect_equal "contents" "$(cat "$mnt/latest/dir/plainname")" 'the plain contents of the file'
expect_equal "core dumps" "$(awk '/^Max core file size/ { print $5 }' "/proc/$pid/limits")" 0
! tr '\0' '\n' <"/proc/$pid/environ" | grep -F "$password" || die "the passphrase is in the environment of the daemon"
! tr '\0' '\n' <"/proc/$pid/cmdline" | grep -F "$password" || die "the passphrase is in the command line of the daemon"
if [ -z "${SANITIZE:-}" ]; then
	expect_equal "threads that could get new privileges" \
		"$(grep -L '^NoNewPrivs:[[:space:]]*1' /proc/"$pid"/task/*/status)" ''
	if ldd "$VARVEFS" | grep -q libseccomp; then
		expect_equal "threads without a filter" "$(grep -L '^Seccomp:[[:space:]]*2' /proc/"$pid"/task/*/status)" ''
	fi
fi
umount_varve "$mnt"
ended "$mnt"
ok "process"

# Who ends it otherwise finds it unmounted as well.
export VARVE_PASSWORD_FILE=$WORK/passphrase
for signal in TERM INT HUP; do
	mount_varve "$mnt"
	kill -$signal "$(daemon_of "$mnt")"
	ended "$mnt"
	! mountpoint -q "$mnt" || die "still mounted after SIG$signal"
done
mount_varve "$mnt"
exec 7<"$mnt/latest/large"
kill -TERM "$(daemon_of "$mnt")"
ended "$mnt"
! mountpoint -q "$mnt" || die "still mounted, in use, after SIGTERM"
exec 7<&-

# In the foreground, with a terminal's or a service manager's signal to all of them.
setsid "$VARVE" mount -f "$mnt" 2>"$WORK/foreground" &
scenario_mounts+=("$mnt")
for _ in $(seq 100); do
	! mountpoint -q "$mnt" || break
	sleep 0.1
done
expect_equal "in the foreground" "$(cat "$mnt/latest/dir/plainname")" 'the plain contents of the file'
pkill -TERM -f "^[^ ]*varvefs .* $mnt( |\$)"
ended "$mnt"
! mountpoint -q "$mnt" || die "still mounted after SIGTERM to all"
expect_equal "messages" "$(cat "$WORK/foreground")" ''

# A daemon that dies leaves no helper behind, and its mountpoint as an error.
mount_varve "$mnt"
kill -KILL "$(daemon_of "$mnt")"
ended "$mnt"
! ls "$mnt" 2>/dev/null || die "a dead mount can be listed"
umount_varve "$mnt"
ok "ends"

# Who is not root has fusermount3 do both.
if command -v setpriv >/dev/null && [ -u "$(command -v fusermount3)" ] && [ "$(stat -c %a /dev/fuse)" = 666 ]; then
	mkdir -p "$WORK/user"
	cp -a "$VARVE_REPOSITORY" "$WORK/passphrase" "$WORK/user"
	mkdir "$WORK/user/mnt" "$WORK/user/tmp"
	chown -R 65534:65534 "$WORK/user"
	chmod 755 "$WORK" "$WORK/user"
	as_user() {
		setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$WORK/user" TMPDIR="$WORK/user/tmp" \
			VARVE_CACHE_DIR="$WORK/user/cache" VARVE_REPOSITORY="$WORK/user/repo" \
			VARVE_PASSWORD_FILE="$WORK/user/passphrase" "$@"
	}
	scenario_mounts+=("$WORK/user/mnt")
	for how in signal unmount; do
		expect_status 0 as_user "$VARVE" mount "$WORK/user/mnt"
		expect_equal "a user's contents" "$(as_user cat "$WORK/user/mnt/latest/dir/plainname")" \
			'the plain contents of the file'
		pid=$(daemon_of "$WORK/user/mnt")
		! as_user cat "/proc/$pid/environ" 2>/dev/null || die "the same user can read the daemon's environment"
		if [ $how = signal ]; then
			kill -TERM "$pid"
		else
			expect_status 0 as_user "$VARVE" unmount "$WORK/user/mnt"
		fi
		ended "$WORK/user/mnt"
		! mountpoint -q "$WORK/user/mnt" || die "still mounted by the user after $how"
	done
	ok "by a user"
fi

# --- What it can reach ---------------------------------------------------------------------------------------------------

# Packs that lie elsewhere, by a symlink in the repository: a way out, as an attacker inside would want one.
landlock() {
	command -v python3 >/dev/null &&
		python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 3)'
}
if [ -z "${SANITIZE:-}" ] && landlock; then
	mkdir "$WORK/where/elsewhere"
	for dir in "$VARVE_REPOSITORY"/packs/*; do
		mv "$dir" "$WORK/where/elsewhere"
		ln -s "$WORK/where/elsewhere/${dir##*/}" "$dir"
	done
	mount_varve "$mnt"
	! cat "$mnt/latest/dir/plainname" 2>"$WORK/err" || die "the daemon gets out of its sandbox"
	expect_match 'Input/output error' "$WORK/err"
	umount_varve "$mnt"
	expect_status 1 "$VARVE" restore latest --target "$WORK/confined"
	expect_status 0 env VARVE_NO_SANDBOX=1 "$VARVE" restore latest --target "$WORK/unconfined"
	diff -r "$WORK/src" "$WORK/unconfined"
	for off in env option; do
		if [ $off = env ]; then
			VARVE_NO_SANDBOX=1 mount_varve "$mnt"
		else
			mount_varve "$mnt" -o nosandbox
		fi
		expect_equal "without a sandbox" "$(cat "$mnt/latest/dir/plainname")" 'the plain contents of the file'
		# The daemon, and the one that answers when that has died.
		expect_equal "processes without a sandbox" "$(processes_of "$mnt")" 2
		umount_varve "$mnt"
		ended "$mnt"
	done
	rm "$VARVE_REPOSITORY"/packs/*
	mv "$WORK/where/elsewhere"/* "$VARVE_REPOSITORY/packs"
	# All of a kind elsewhere is something that people do.
	for part in keys packs trees index revoked snapshots doomed; do
		[ -e "$VARVE_REPOSITORY/$part" ] || mkdir "$VARVE_REPOSITORY/$part"
		mv "$VARVE_REPOSITORY/$part" "$WORK/where/elsewhere/$part"
		ln -s "$WORK/where/elsewhere/$part" "$VARVE_REPOSITORY/$part"
	done
	mount_varve "$mnt"
	expect_equal "packs elsewhere" "$(cat "$mnt/latest/dir/plainname")" 'the plain contents of the file'
	umount_varve "$mnt"
	expect_status 0 "$VARVE" snapshots
	expect_no_match 'Permission denied' "$WORK/err"
	expect_status 0 "$VARVE" check --read-data
	# Commands too: while its output is not taken, this one can be looked at.
	mkfifo "$WORK/fifo"
	"$VARVE" dump latest:large >"$WORK/fifo" &
	exec 8<"$WORK/fifo"
	head -c 1 <&8 >/dev/null
	expect_match '^NoNewPrivs:[[:space:]]*1' "/proc/$!/status"
	exec 8<&-
	wait $! || true
	ok "reach"
fi

# --- Secrets in files ----------------------------------------------------------------------------------------------------

VARVE_CACHE_DIR=$WORK/where/cache2 expect_status 0 "$VARVE" -v check --read-data
cat "$WORK/out" "$WORK/err" >>"$WORK/log"
VARVE_CACHE_DIR=$WORK/where/cache2 mount_varve "$mnt"
cat "$mnt/latest/dir/plainname" "$mnt/latest/large" >/dev/null
find "$mnt/latest/" >/dev/null
for secret in "$password" plainname 'the plain contents'; do
	! grep -rlaF -e "$secret" "$VARVE_CACHE_DIR" "$WORK/where/cache2" "$VARVE_REPOSITORY" || die "\"$secret\" is in these"
done
! grep -aF "$password" "$WORK/log" || die "the passphrase is in a message"
umount_varve "$mnt"
private "$WORK/where/cache2"
ok "secrets"
