#!/usr/bin/env bash
# lighttpd: mod_webdav with basic auth over TLS, and the same files read-only over TLS.
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

user=varve
password=varve-secret

install() {
	"$services_top/packaging/install-deps.sh" --servers --if-needed
}

missing() {
	local name

	command -v lighttpd >/dev/null || echo lighttpd
	for name in webdav openssl; do
		[ -e "/usr/lib/lighttpd/mod_$name.so" ] || [ -e "/usr/lib64/lighttpd/mod_$name.so" ] || echo "lighttpd's mod_$name"
	done
	command -v openssl >/dev/null || echo openssl
}

port_names() {
	echo tls static
}

configure() {
	mkdir -p "$dir/files" "$dir/tmp"
	echo "$user:$(openssl passwd -apr1 "$password")" >"$dir/htpasswd"
	[ -e "$dir/tls.pem" ] || self_signed
	cat >"$dir/lighttpd.conf" <<-CONF
	server.modules = ("mod_auth", "mod_authn_file", "mod_webdav", "mod_dirlisting", "mod_openssl")
	server.document-root = "$dir/files"
	server.bind = "127.0.0.1"
	server.port = $(port tls)
	server.errorlog = "$dir/log"
	server.upload-dirs = ("$dir/tmp")
	server.max-keep-alive-requests = 100000
	auth.backend = "htpasswd"
	auth.backend.htpasswd.userfile = "$dir/htpasswd"
	\$SERVER["socket"] == "127.0.0.1:$(port tls)" {
		ssl.engine = "enable"
		ssl.pemfile = "$dir/tls.pem"
		ssl.privkey = "$dir/tls.key"
		webdav.activate = "enable"
		auth.require = ("" => ("method" => "basic", "realm" => "varve", "require" => "valid-user"))
	}
	\$SERVER["socket"] == "127.0.0.1:$(port static)" {
		ssl.engine = "enable"
		ssl.pemfile = "$dir/tls.pem"
		ssl.privkey = "$dir/tls.key"
		dir-listing.activate = "enable"
	}
	CONF
}

command_line() {
	cmd=(lighttpd -D -f "$dir/lighttpd.conf")
}

environment() {
	cat <<-ENV
	export DAV_URL=webdav+https://$user@localhost:$(port tls)
	export DAV_PASSWORD=$password
	export STATIC_URL=https://localhost:$(port static)
	export SERVER_CA_FILE=$dir/tls.pem
	export SERVER_ROOT=$dir/files
	ENV
}

service_main "$@"
