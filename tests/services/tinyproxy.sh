#!/usr/bin/env bash
# tinyproxy: a proxy for http and for CONNECT.  In the environment of its first start:
#
#   TINYPROXY_USER, TINYPROXY_PASSWORD   it wants these credentials
#   TINYPROXY_CONNECT                    the only port that CONNECT may lead to
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

install() {
	install_packages
}

missing() {
	command -v tinyproxy >/dev/null || echo tinyproxy
}

port_names() {
	echo proxy
}

configure() {
	[ -e "$dir/wishes" ] || cat >"$dir/wishes" <<-CONF
	${TINYPROXY_USER:+BasicAuth $TINYPROXY_USER $TINYPROXY_PASSWORD}
	${TINYPROXY_CONNECT:+ConnectPort $TINYPROXY_CONNECT}
	CONF
	cat - "$dir/wishes" >"$dir/conf" <<-CONF
	Port $(port proxy)
	Listen 127.0.0.1
	Allow 127.0.0.1
	Timeout 60
	MaxClients 100
	LogFile "$dir/requests"
	LogLevel Connect
	CONF
	: >>"$dir/requests"
}

command_line() {
	cmd=(tinyproxy -d -c "$dir/conf")
}

environment() {
	cat <<-ENV
	export PROXY_PORT=$(port proxy)
	export PROXY_LOG=$dir/requests
	ENV
}

service_main "$@"
