#!/usr/bin/env bash
# OpenSSH's sshd with nothing but SFTP, and throwaway keys.  Who starts it logs in, with the key alone: at one port he may do
# everything, at another only read, at a third all but delete.  With SFTP_TAP in the environment, sftp_tap.py looks on.
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

install() {
	install_packages
}

missing() {
	[ -n "$(type -P sshd)" ] || echo sshd
	[ -n "$(type -P ssh-keygen)" ] || echo ssh-keygen
}

port_names() {
	echo ssh reader adder
}

configure() {
	local key name server=internal-sftp

	mkdir -p "$dir/files"
	# Not RSA: libssh2 1.10 signs with it over SHA-1, which sshd refuses.
	for key in host other user; do
		[ -e "$dir/${key}_key" ] || ssh-keygen -q -t ed25519 -N '' -C '' -f "$dir/${key}_key"
	done
	cp "$dir/user_key.pub" "$dir/authorized_keys"
	for name in $(port_names); do
		echo "[127.0.0.1]:$(port "$name") $(cat "$dir/host_key.pub")"
	done >"$dir/known_hosts"
	echo "[127.0.0.1]:$(port ssh) $(cat "$dir/other_key.pub")" >"$dir/known_hosts.wrong"
	# What sshd itself has is not to be looked into.
	[ -z "${SFTP_TAP:-}" ] || server="python3 $services_top/tests/services/sftp_tap.py $dir/tap"
	# sshd started by root refuses to run without its empty folder.
	[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
	cat >"$dir/sshd_config" <<-CONF
	ListenAddress 127.0.0.1
	Port $(port ssh)
	Port $(port reader)
	Port $(port adder)
	PidFile none
	HostKey $dir/host_key
	AuthorizedKeysFile $dir/authorized_keys
	AuthenticationMethods publickey
	PermitRootLogin prohibit-password
	AllowUsers $(id -un)
	StrictModes no
	UsePAM no
	AllowTcpForwarding no
	X11Forwarding no
	Subsystem sftp internal-sftp
	ForceCommand $server -d $dir/files
	MaxStartups 100
	MaxSessions 100
	Match LocalPort $(port reader)
	ForceCommand internal-sftp -d $dir/files -R
	Match LocalPort $(port adder)
	ForceCommand internal-sftp -d $dir/files -P remove,rmdir
	CONF
}

# It insists on its whole path.
command_line() {
	cmd=("$(type -P sshd)" -D -e -f "$dir/sshd_config")
}

environment() {
	cat <<-ENV
	export SFTP_HOST=127.0.0.1
	export SFTP_PORT=$(port ssh)
	export SFTP_READER_PORT=$(port reader)
	export SFTP_ADDER_PORT=$(port adder)
	export SFTP_USER=$(id -un)
	export SFTP_KEY=$dir/user_key
	export SFTP_WRONG_KEY=$dir/other_key
	export SFTP_KNOWN_HOSTS=$dir/known_hosts
	export SFTP_WRONG_KNOWN_HOSTS=$dir/known_hosts.wrong
	export SFTP_ROOT=$dir/files
	export SFTP_TAPPED=$dir/tap
	ENV
}

service_main "$@"
