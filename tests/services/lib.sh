# Sourced by the scripts of the services, which are all called alike:
#
#   NAME.sh install       fetch what it needs; nothing the second time
#   NAME.sh lacks         exit 0 and say why, if it cannot run here
#   NAME.sh start DIR     run it with its state in DIR, wait until it serves, print "export KEY=value" lines
#   NAME.sh stop DIR      end it at once, with its connections; its state and its ports stay for another start
#   NAME.sh status DIR    exit 1 when it is down
#
# A script defines: packages (what to install, for people), missing (prints what is not there), port_names, configure,
# command_line (sets the array cmd), environment (the lines of start); and prepared, if there is something to do once it serves.
# Everything listens on loopback only.  Keep DIR's path short: unix sockets may live in it.
# shellcheck shell=bash
set -euo pipefail

service=$(basename "$0" .sh)
services_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# What comes from npm, which has no place of its own for it.
services_home=${SERVICES_HOME:-${XDG_CACHE_HOME:-${HOME:-/var/tmp}/.cache}/varve-test-services}
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

die() {
	echo "$service: $*" >&2
	exit 1
}

# npm_install PACKAGE VERSION: into $services_home/PACKAGE-VERSION, all or nothing.
npm_install() {
	local home=$services_home/$1-$2 tmp

	[ ! -d "$home" ] || return 0
	command -v npm >/dev/null || die "npm is not installed"
	mkdir -p "$services_home"
	tmp=$(mktemp -d "$services_home/$1.XXXXXX")
	# shellcheck disable=SC2064 # this one
	trap "rm -rf '$tmp'" EXIT
	npm install --prefix "$tmp" --no-audit --no-fund --loglevel=error "$1@$2" >&2
	# Another may have been quicker.
	mv -T "$tmp" "$home" 2>/dev/null || [ -d "$home" ]
}

# npm_missing PACKAGE VERSION PROGRAM: say what is not there.
npm_missing() {
	command -v node >/dev/null || echo "node"
	[ -x "$services_home/$1-$2/node_modules/.bin/$3" ] || echo "$1 from npm"
}

# port NAME: the port of that name, as it was chosen.
port() {
	sed -n "s/^$1=//p" "$dir/ports"
}

# Ports below those that the kernel gives to outgoing connections, free at this moment.
choose_ports() {
	# shellcheck disable=SC2046 # words
	python3 - $(port_names) >"$dir/ports" <<'P'
import random, socket, sys
held = []
for name in sys.argv[1:]:
    while True:
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", random.randrange(12000, 32000)))
            break
        except OSError:
            s.close()
    held.append(s)
    print(f"{name}={s.getsockname()[1]}")
P
}

# The process that start left, and all its descendants.
family() {
	local pids=() next

	[ ! -s "$dir/pid" ] || mapfile -t pids <"$dir/pid"
	# A pid file may outlive its process: the command line tells whose the pid is now.
	[ ${#pids[@]} -gt 0 ] && grep -qaF -- "$dir" "/proc/${pids[0]}/cmdline" 2>/dev/null || return 0
	while [ ${#pids[@]} -gt 0 ]; do
		printf '%s\n' "${pids[@]}"
		next=$(pgrep -P "$(IFS=,; echo "${pids[*]}")" || true)
		mapfile -t pids < <(printf '%s' "${next:+$next$'\n'}")
	done
}

alive() {
	[ -n "$(family)" ]
}

# listens PORT: does this very service listen there?  Another process may have been quicker to take the port.
listens() {
	local inode pid

	inode=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		awk -v port="$(printf ':%04X' "$1")" '$4 == "0A" && $2 ~ port "$" { print $10; exit }')
	[ -n "$inode" ] || return 1
	for pid in $(family); do
		if find "/proc/$pid/fd" -printf '%l\n' 2>/dev/null | grep -qxF "socket:[$inode]"; then return 0; fi
	done
	return 1
}

serves() {
	local name

	for name in $(port_names); do
		listens "$(port "$name")" || return 1
	done
}

# Run the command so that it ends when the shell over it does, whose environment stays readable (servers overwrite theirs).
# shellcheck disable=SC2016 # expanded by that shell
launch() {
	local cmd=()

	command_line
	setsid bash -c 'setpriv --pdeathsig KILL -- "$@" & wait' "varve-$service:$dir" "${cmd[@]}" >>"$dir/log" 2>&1 </dev/null &
	echo $! >"$dir/pid"
}

# Wait until it serves; give up soon after it has ended.
await() {
	local end=$((SECONDS + 30))

	until serves; do
		sleep 0.05
		[ $SECONDS -lt $end ] && [ "$(family | wc -l)" -gt 1 ] || return 1
	done
}

start() {
	local round kept=''

	[ ! -s "$dir/ports" ] || kept=1
	if ! alive; then
		for round in 1 2 3 4 5; do
			[ -n "$kept" ] || choose_ports
			configure
			launch
			# The shell needs a moment to start it.
			sleep 0.05
			await && break
			stop
			[ "$round" -lt 5 ] || die "it does not start: $(tail -n 3 "$dir/log")"
		done
		! declare -F prepared >/dev/null || prepared
	fi
	environment
}

stop() {
	local pids pid

	pids=$(family)
	for pid in $pids; do kill -KILL "$pid" 2>/dev/null || true; done
	for pid in $pids; do
		while grep -qa . "/proc/$pid/cmdline" 2>/dev/null; do sleep 0.02; done
	done
	rm -f "$dir/pid"
}

status() {
	local pid sum=0

	for pid in $(family); do
		sum=$((sum + $(awk '/VmRSS/ { print $2 }' "/proc/$pid/status" 2>/dev/null || echo 0)))
	done
	[ $sum -gt 0 ] || { echo down; return 1; }
	echo "up, $((sum / 1024)) MiB"
}

lacks() {
	local what

	what=$(missing | paste -sd , -)
	[ -n "$what" ] || return 1
	echo "$service needs: $what"
}

# tls.key and tls.pem for localhost, which is its own authority.
self_signed() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$dir/tls.key" -out "$dir/tls.pem" 2>>"$dir/log"
}

# From the distribution.
install_packages() {
	"$services_top/packaging/install-deps.sh" --services --if-needed
}

service_main() {
	[ $# -ge 2 ] && dir=$(realpath -m "$2")
	case ${1:-} in
	install | lacks) "$1" ;;
	start | stop | status)
		[ $# -ge 2 ] || die "$1 needs a directory"
		mkdir -p "$dir"
		"$1"
		;;
	*)
		echo "usage: $service.sh install | lacks | start DIR | stop DIR | status DIR" >&2
		exit 2
		;;
	esac
}
