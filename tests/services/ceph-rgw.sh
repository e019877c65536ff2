#!/usr/bin/env bash
# A real Ceph cluster (a mon, a mgr, three BlueStore OSDs on sparse files) and its S3 gateway.  Besides what all can do:
#
#   ceph-rgw.sh kill-osd DIR N          end OSD 0, 1 or 2 as a power cut would
#   ceph-rgw.sh start-osd DIR N         run it again
#   ceph-rgw.sh wait-clean DIR          until all is replicated again (two minutes at most)
#   ceph-rgw.sh ceph DIR ARGUMENT...    the cluster's own command
#   ceph-rgw.sh add-user DIR NAME ACCESS SECRET    one more user of S3, who owns nothing
#
# Pools have the size 3 and the min_size 2: with an OSD lost everything works, with two lost every request hangs until one is
# back.  Its daemons go on by themselves; stop ends them.
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

osd_gib=6
access_key=VARVETESTACCESSKEY01
secret_key=varveTestSecretKey0123456789abcdefABCDEF
daemons="client.rgw osd.0 osd.1 osd.2 mgr.a mon.a"

install() {
	"$services_top/packaging/install-deps.sh" --ceph --if-needed
}

missing() {
	local program

	for program in ceph-mon ceph-mgr ceph-osd radosgw ceph uuidgen openssl curl; do
		[ -n "$(type -P $program)" ] || echo $program
	done
}

port_names() {
	echo mon http https
}

cli() {
	timeout 60 ceph -c "$dir/ceph.conf" "$@"
}

# The process of daemon $1, if it runs.
daemon() {
	local pid

	pid=$(cat "$dir/run/$1.pid" 2>/dev/null) && grep -qaF -- "$dir" "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local end=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

end() {
	local pid

	pid=$(daemon "$1") || return 0
	kill -KILL "$pid"
	# One that has ended and is not waited for has an empty command line.
	while grep -qa . "/proc/$pid/cmdline" 2>/dev/null; do sleep 0.05; done
	rm -f "$dir/run/$1.pid"
}

write_conf() {
	cat >"$dir/ceph.conf" <<-CONF
	[global]
	fsid = $(cat "$dir/fsid")
	mon host = [v2:127.0.0.1:$(port mon)/0]
	mon initial members = a
	public addr = 127.0.0.1
	cluster addr = 127.0.0.1
	public network = 127.0.0.0/8
	ms bind msgr1 = false
	keyring = $dir/\$name.keyring
	run dir = $dir/run
	admin socket = $dir/run/\$name.asok
	pid file = $dir/run/\$name.pid
	log file = $dir/log/\$name.log
	log to stderr = false
	err to stderr = false
	crash dir = $dir/log
	osd crush chooseleaf type = 0
	osd pool default size = 3
	osd pool default min size = 2
	osd pool default pg num = 8
	osd pool default pg autoscale mode = off
	mon max pg per osd = 1000
	ms dispatch throttle bytes = 33554432
	[mon]
	mon data = $dir/\$name
	mon data avail warn = 3
	mon data avail crit = 1
	mon cluster log file = $dir/log/cluster.log
	auth allow insecure global id reclaim = false
	mon osd min down reporters = 1
	mon osd reporter subtree level = osd
	mon osd down out interval = 3600
	paxos propose interval = 0.1
	mon warn on pool no redundancy = false
	[mgr]
	mgr data = $dir/\$name
	mgr initial modules =
	[osd]
	osd data = $dir/\$name
	osd journal = $dir/\$name/journal
	osd objectstore = bluestore
	bluestore block size = $((osd_gib << 30))
	bluestore block create = true
	bluestore cache autotune = false
	bluestore cache size = 67108864
	osd memory target = 939524096
	osd heartbeat interval = 1
	osd heartbeat grace = 5
	osd scrub begin hour = 3
	osd scrub end hour = 4
	osd max pg log entries = 500
	osd min pg log entries = 250
	[client.rgw]
	rgw data = $dir/rgw
	rgw frontends = beast endpoint=127.0.0.1:$(port http) ssl_endpoint=127.0.0.1:$(port https) ssl_certificate=$dir/tls.pem
	rgw dns name = localhost
	rgw thread pool size = 64
	rgw enable usage log = false
	rgw enable ops log = false
	CONF
}

make_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
		-addext "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1" -keyout "$dir/tls.key" -out "$dir/ca.pem" \
		2>/dev/null
	cat "$dir/ca.pem" "$dir/tls.key" >"$dir/tls.pem"
}

make_osd() {
	local uuid secret

	mkdir -p "$dir/osd.$1"
	uuid=$(uuidgen)
	secret=$(ceph-authtool --gen-print-key)
	printf '[osd.%s]\n\tkey = %s\n' "$1" "$secret" >"$dir/osd.$1.keyring"
	echo "{\"cephx_secret\": \"$secret\"}" | cli osd new "$uuid" "$1" -i -
	ceph-osd -c "$dir/ceph.conf" -i "$1" --mkfs --osd-uuid "$uuid"
}

make_cluster() {
	local n jobs=()

	ceph-authtool --create-keyring "$dir/client.admin.keyring" --gen-key -n client.admin \
		--cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
	ceph-authtool --create-keyring "$dir/mon.a.keyring" --gen-key -n mon. --cap mon 'allow *'
	ceph-authtool "$dir/mon.a.keyring" --import-keyring "$dir/client.admin.keyring"
	monmaptool --create --fsid "$(cat "$dir/fsid")" --addv a "[v2:127.0.0.1:$(port mon)]" "$dir/monmap"
	ceph-mon -c "$dir/ceph.conf" -i a --mkfs --monmap "$dir/monmap" --keyring "$dir/mon.a.keyring"
	ceph-mon -c "$dir/ceph.conf" -i a
	cli -s
	cli auth get-or-create mgr.a mon 'allow profile mgr' osd 'allow *' -o "$dir/mgr.a.keyring"
	cli auth get-or-create client.rgw mon 'allow rw' osd 'allow rwx' mgr 'allow rw' -o "$dir/client.rgw.keyring"
	for n in 0 1 2; do
		make_osd $n &
		jobs+=($!)
	done
	for n in "${jobs[@]}"; do wait "$n"; done
	touch "$dir/made"
}

admin() {
	timeout 120 radosgw-admin -c "$dir/ceph.conf" -n client.rgw "$@"
}

add_user() {
	admin user create --uid="$1" --display-name="$1" --access-key="$2" --secret-key="$3"
}

# The S3 user, and a second storage class in a pool of its own.
make_user() {
	add_user varve $access_key $secret_key
	admin zonegroup placement add --rgw-zonegroup default --placement-id default-placement --storage-class GLACIER
	admin zone placement add --rgw-zone default --placement-id default-placement --storage-class GLACIER \
		--data-pool default.rgw.cold.data
	touch "$dir/user-made"
}

make_buckets() {
	local s3=(curl -sf -o /dev/null --aws-sigv4 aws:amz:us-east-1:s3 --user "$access_key:$secret_key"
		-H x-amz-content-sha256:UNSIGNED-PAYLOAD)

	# The first request makes the pools of buckets, and may be answered before they are ready.
	wait_for 60 "${s3[@]}" -X PUT "http://127.0.0.1:$(port http)/varve"
	wait_for 60 "${s3[@]}" -X PUT -H 'x-amz-bucket-object-lock-enabled: true' "http://127.0.0.1:$(port http)/varve-lock"
	touch "$dir/buckets-made"
}

three_up() {
	cli osd stat | grep -q '3 up'
}

run_all() {
	local n

	daemon mon.a || ceph-mon -c "$dir/ceph.conf" -i a
	for n in 0 1 2; do
		start_osd $n &
	done
	daemon mgr.a || ceph-mgr -c "$dir/ceph.conf" -i a
	wait_for 90 three_up || die "the OSDs did not come up; see $dir/log"
	[ -e "$dir/user-made" ] || make_user
	daemon client.rgw || radosgw -c "$dir/ceph.conf" -n client.rgw
	wait_for 60 curl -sf "http://127.0.0.1:$(port http)/" || die "the gateway does not answer; see $dir/log"
	[ -e "$dir/buckets-made" ] || make_buckets
}

start() {
	mkdir -p "$dir/run" "$dir/log" "$dir/rgw" "$dir/mgr.a" "$dir/mon.a"
	[ -s "$dir/ports" ] || choose_ports
	[ -s "$dir/fsid" ] || uuidgen >"$dir/fsid"
	[ -e "$dir/tls.pem" ] || make_certificate
	write_conf
	{
		[ -e "$dir/made" ] || make_cluster
		run_all
	} >>"$dir/log/start" 2>&1 || die "$(tail -n 3 "$dir/log/start")"
	environment
}

stop() {
	local name

	for name in $daemons; do end "$name"; done
}

status() {
	local name down=0 pid

	for name in $daemons; do
		if pid=$(daemon "$name"); then
			echo "$name up, $(awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status") MiB"
		else
			echo "$name down"
			down=1
		fi
	done
	return $down
}

start_osd() {
	daemon "osd.$1" || ceph-osd -c "$dir/ceph.conf" -i "$1" >/dev/null
}

clean() {
	cli pg stat | grep -Eq '^([0-9]+) pgs: \1 active\+clean;'
}

environment() {
	cat <<-ENV
	export S3_PORT=$(port http)
	export S3_ENDPOINT=http://127.0.0.1:$(port http)
	export S3_TLS_ENDPOINT=https://localhost:$(port https)
	export S3_CA_FILE=$dir/ca.pem
	export S3_ACCESS_KEY=$access_key
	export S3_SECRET_KEY=$secret_key
	export S3_REGION=us-east-1
	export S3_BUCKET=varve
	export S3_LOCK_BUCKET=varve-lock
	ENV
}

case ${1:-} in
kill-osd | start-osd | wait-clean | ceph | add-user)
	verb=$1
	dir=$(realpath -m "${2:?a directory}")
	shift 2
	case $verb in
	kill-osd) end "osd.$1" ;;
	start-osd) start_osd "$1" ;;
	wait-clean) wait_for 120 clean ;;
	ceph) cli "$@" ;;
	add-user) add_user "$@" >/dev/null ;;
	esac
	;;
*) service_main "$@" ;;
esac
