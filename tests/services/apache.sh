#!/usr/bin/env bash
# Apache: mod_dav with basic auth over TLS, and the same files read-only over TLS.  Started by root it serves as www-data (or
# apache), which must be able to search the directories above DIR.
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

user=varve
password=varve-secret

install() {
	"$services_top/packaging/install-deps.sh" --servers --if-needed
}

program() {
	type -P apache2 || type -P httpd
}

modules() {
	local d

	for d in /usr/lib/apache2/modules /usr/lib64/httpd/modules /usr/lib/httpd/modules; do
		[ ! -e "$d/mod_dav_fs.so" ] || { echo "$d"; return; }
	done
}

missing() {
	program >/dev/null || echo apache2
	[ -n "$(modules)" ] || echo "Apache's mod_dav_fs"
	command -v openssl >/dev/null || echo openssl
}

port_names() {
	echo tls static
}

load() {
	local name

	for name; do
		# What is not there is built in.
		[ ! -e "$(modules)/mod_$name.so" ] || echo "LoadModule ${name}_module $(modules)/mod_$name.so"
	done
}

configure() {
	local as='' account

	mkdir -p "$dir/files" "$dir/locks"
	for account in www-data apache; do
		if [ "$(id -u)" -eq 0 ] && id "$account" >/dev/null 2>&1; then
			as="User $account
			Group $account"
			chown "$account" "$dir/files" "$dir/locks"
			chmod 755 "$dir"
			break
		fi
	done
	echo "$user:$(openssl passwd -apr1 "$password")" >"$dir/htpasswd"
	[ -e "$dir/tls.pem" ] || self_signed
	cat >"$dir/apache.conf" <<-CONF
	ServerRoot $dir
	ServerName localhost
	PidFile $dir/apache.pid
	ErrorLog $dir/log
	DefaultRuntimeDir $dir
	$as
	Listen 127.0.0.1:$(port tls)
	Listen 127.0.0.1:$(port static)
	$(load mpm_event authn_core authn_file authz_core authz_user auth_basic unixd dav dav_fs ssl socache_shmcb http2 mime dir autoindex)
	Protocols h2 http/1.1
	TypesConfig /dev/null
	SSLEngine on
	SSLCertificateFile $dir/tls.pem
	SSLCertificateKeyFile $dir/tls.key
	DocumentRoot $dir/files
	DirectoryIndex disabled
	DavLockDB $dir/locks/db
	LimitRequestBody 0
	MaxKeepAliveRequests 0
	<VirtualHost 127.0.0.1:$(port tls)>
		SSLEngine on
		<Location />
			Dav on
			AuthType Basic
			AuthName varve
			AuthUserFile $dir/htpasswd
			Require valid-user
		</Location>
	</VirtualHost>
	<VirtualHost 127.0.0.1:$(port static)>
		SSLEngine on
		<Directory $dir/files>
			Options Indexes
			Require all granted
		</Directory>
	</VirtualHost>
	CONF
}

command_line() {
	cmd=("$(program)" -DFOREGROUND -f "$dir/apache.conf")
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
