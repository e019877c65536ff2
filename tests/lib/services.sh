# Sourced by scenarios after scenario.sh: servers, and the network before them (tests/services).
# shellcheck shell=bash

services=$(cd "$(dirname "${BASH_SOURCE[0]}")/../services" && pwd)

# need_service NAME...: skip where such a server cannot be had.
need_service() {
	local name why

	for name; do
		! why=$("$services/$name.sh" lacks) || skip "$why"
	done
}

# start_service NAME [DIR]: run that server with its state in DIR (default: $WORK/NAME), until stop_service or the end of the
# script, and set the variables that it tells (tests/services/NAME.sh).
start_service() {
	local name=$1 dir=${2:-$WORK/$1}

	need_service "$name"
	at_exit "$services/$name.sh" stop "$dir"
	"$services/$name.sh" start "$dir" >"$WORK/service.env"
	# shellcheck disable=SC1091 # made just now
	. "$WORK/service.env"
}

# stop_service NAME [DIR]: end it as a crash would.  To be started again with what it holds, on the same ports.
stop_service() {
	"$services/$1.sh" stop "${2:-$WORK/$1}"
}

# start_proxy NAME TARGET-PORT [OPTION...]: a proxy (tests/services/proxy.py) called NAME.  Sets proxy_port; its requests are
# lines of $WORK/NAME.log.
start_proxy() {
	local name=$1 target=$2 ready=''

	shift 2
	need python3
	mkfifo "$WORK/$name.ready"
	python3 "$services/proxy.py" --target "$target" --control "$WORK/$name.control" --log "$WORK/$name.log" "$@" \
		>"$WORK/$name.ready" 2>"$WORK/$name.errors" &
	at_exit kill $!
	# shellcheck disable=SC2034 # it is for the scenario
	read -r ready proxy_port <"$WORK/$name.ready" || true
	[ "$ready" = ready ] || die "proxy: $(tail -n 3 "$WORK/$name.errors")"
}

# proxy NAME WORD...: tell it something: set, rule, clear, zero, count.
proxy() {
	local name=$1

	shift
	python3 -S "$services/tell.py" "$WORK/$name.control" "$@"
}

# proxy_count NAME KEY: one of its counts; requests are all, requests.GET those.
proxy_count() {
	proxy "$1" count "$2"
}
