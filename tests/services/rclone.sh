#!/usr/bin/env bash
# rclone: WebDAV with basic auth over TLS, SFTP with a password, the same files read-only over TLS; S3 where it has that (1.65).
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

user=varve
password=varve-secret

install() {
	"$services_top/packaging/install-deps.sh" --servers --if-needed
}

missing() {
	command -v rclone >/dev/null || echo rclone
	command -v openssl >/dev/null || echo openssl
	command -v ssh-keygen >/dev/null || echo ssh-keygen
}

has_s3() {
	rclone serve --help 2>/dev/null | grep -q '^ *s3 '
}

port_names() {
	local names='dav sftp static'

	! has_s3 || names="$names s3"
	echo "$names"
}

configure() {
	mkdir -p "$dir/files/bucket" "$dir/cache"
	[ -e "$dir/tls.pem" ] || self_signed
	[ -e "$dir/host_key" ] || ssh-keygen -q -t ed25519 -N '' -C '' -f "$dir/host_key"
	echo "[127.0.0.1]:$(port sftp) $(cat "$dir/host_key.pub")" >"$dir/known_hosts"
	# What the tests change on the disk is to be seen at once.
	cat >"$dir/run" <<-RUN
	options=(--config "$dir/none.conf" --cache-dir "$dir/cache" --dir-cache-time 0s)
	tls=(--cert "$dir/tls.pem" --key "$dir/tls.key")
	rclone serve webdav "\${options[@]}" "\${tls[@]}" --addr 127.0.0.1:$(port dav) --user $user --pass $password "$dir/files" &
	rclone serve http "\${options[@]}" "\${tls[@]}" --addr 127.0.0.1:$(port static) "$dir/files" &
	rclone serve sftp "\${options[@]}" --addr 127.0.0.1:$(port sftp) --user $user --pass $password --key "$dir/host_key" "$dir/files" &
	$(! has_s3 || echo "rclone serve s3 \"\${options[@]}\" --addr 127.0.0.1:$(port s3) --auth-key AKEXAMPLE,secretKey1 \"$dir/files\" &")
	wait
	RUN
}

command_line() {
	cmd=(bash "$dir/run")
}

environment() {
	cat <<-ENV
	export DAV_URL=webdav+https://$user@localhost:$(port dav)
	export DAV_PASSWORD=$password
	export STATIC_URL=https://localhost:$(port static)
	export SFTP_URL=sftp://$user@127.0.0.1:$(port sftp)
	export SFTP_PASSWORD=$password
	export SFTP_KNOWN_HOSTS=$dir/known_hosts
	export SERVER_S3=$(! has_s3 || port s3)
	export SERVER_CA_FILE=$dir/tls.pem
	export SERVER_ROOT=$dir/files
	ENV
}

service_main "$@"
