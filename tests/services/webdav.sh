#!/usr/bin/env bash
# nginx: WebDAV with basic auth over TLS and plain, the same files read-only without a password over TLS, once more with a
# certificate that has expired, and once for who may not delete.
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

modules=/usr/lib/nginx/modules
user=varve
password=varve-secret

install() {
	install_packages
}

missing() {
	command -v nginx >/dev/null || echo nginx
	command -v openssl >/dev/null || echo openssl
	[ -n "$(find_module)" ] || echo "nginx's dav_ext module"
}

find_module() {
	find $modules /usr/lib64/nginx/modules -name ngx_http_dav_ext_module.so 2>/dev/null | head -n 1
}

port_names() {
	echo plain tls static expired adder
}

# An authority, a certificate of it, and one that was good in 2020.
make_certificates() {
	local name=/CN=localhost san=subjectAltName=DNS:localhost,IP:127.0.0.1 ec="ec -pkeyopt ec_paramgen_curve:P-256"

	cd "$dir"
	# shellcheck disable=SC2086 # words
	openssl req -x509 -newkey $ec -nodes -days 30 -subj "/CN=varve test authority" -keyout ca.key -out ca.pem
	# shellcheck disable=SC2086
	openssl req -newkey $ec -nodes -subj $name -addext $san -keyout tls.key -out tls.csr
	cat >ca.conf <<-CONF
	[ca]
	default_ca = own
	[own]
	database = $dir/ca.index
	serial = $dir/ca.serial
	new_certs_dir = $dir
	default_md = sha256
	policy = any
	copy_extensions = copy
	unique_subject = no
	[any]
	commonName = supplied
	CONF
	: >ca.index
	echo 01 >ca.serial
	openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -days 20 -in tls.csr -out tls.pem -notext
	openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -startdate 20200101000000Z -enddate 20200201000000Z \
		-in tls.csr -out expired.pem -notext
	cd - >/dev/null
}

# $1: port, $2: certificate ("": none).  What follows in the server's braces is the caller's.
listen() {
	cat <<-CONF
	listen 127.0.0.1:$1${2:+ ssl http2};
	${2:+ssl_certificate $dir/$2;}
	${2:+ssl_certificate_key $dir/tls.key;}
	root $dir/files;
	CONF
}

# $1: further lines for the location.
dav() {
	cat <<-CONF
	auth_basic varve;
	auth_basic_user_file $dir/htpasswd;
	location / {
		dav_methods PUT DELETE MKCOL COPY MOVE;
		dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;
		dav_ext_lock zone=locks;
		min_delete_depth 1;
		${1:-}
	}
	CONF
}

configure() {
	mkdir -p "$dir/files" "$dir/tmp"
	echo "$user:$(openssl passwd -apr1 "$password")" >"$dir/htpasswd"
	[ -e "$dir/expired.pem" ] || make_certificates >>"$dir/log" 2>&1
	# One process, so that the end of it is the end of all.
	cat >"$dir/nginx.conf" <<-CONF
	load_module $(find_module);
	$([ "$(id -u)" -ne 0 ] || echo 'user root;')
	daemon off;
	master_process off;
	pid $dir/nginx.pid;
	error_log $dir/log;
	events { worker_connections 256; }
	http {
		log_format versions '\$server_protocol \$connection \$request_method \$status';
		access_log $dir/requests versions;
		default_type application/octet-stream;
		client_max_body_size 0;
		client_body_temp_path $dir/tmp/body;
		proxy_temp_path $dir/tmp/proxy;
		fastcgi_temp_path $dir/tmp/fastcgi;
		uwsgi_temp_path $dir/tmp/uwsgi;
		scgi_temp_path $dir/tmp/scgi;
		dav_ext_lock_zone zone=locks:1m;
		server { $(listen "$(port plain)" "") $(dav) }
		server { $(listen "$(port tls)" tls.pem) $(dav) }
		server { $(listen "$(port static)" tls.pem) autoindex on; }
		server { $(listen "$(port expired)" expired.pem) $(dav) }
		server { $(listen "$(port adder)" tls.pem) $(dav "limit_except GET PUT MKCOL MOVE PROPFIND { deny all; }") }
	}
	CONF
}

command_line() {
	cmd=(nginx -p "$dir" -e "$dir/log" -c "$dir/nginx.conf")
}

environment() {
	cat <<-ENV
	export WEBDAV_HOST=localhost
	export WEBDAV_PORT=$(port plain)
	export WEBDAV_TLS_PORT=$(port tls)
	export WEBDAV_STATIC_PORT=$(port static)
	export WEBDAV_EXPIRED_PORT=$(port expired)
	export WEBDAV_ADDER_PORT=$(port adder)
	export WEBDAV_CA_FILE=$dir/ca.pem
	export WEBDAV_CERTIFICATE=$dir/tls.pem
	export WEBDAV_CERTIFICATE_KEY=$dir/tls.key
	export WEBDAV_USER=$user
	export WEBDAV_PASSWORD=$password
	export WEBDAV_ROOT=$dir/files
	export WEBDAV_LOG=$dir/requests
	ENV
}

service_main "$@"
