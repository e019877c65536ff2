#!/usr/bin/env bash
# A small S3 server.  It verifies no signatures and no checksums, and knows neither conditions nor object lock: proxy.py in
# front of it does the former two, Ceph (ceph-rgw.sh) has all.
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

version=3.7.1

install() {
	npm_install s3rver $version
}

missing() {
	npm_missing s3rver $version s3rver
}

port_names() {
	echo http
}

configure() {
	mkdir -p "$dir/data"
}

# Its continuation tokens use a cipher that node 17 and later keep behind this option.
command_line() {
	cmd=(env NODE_OPTIONS=--openssl-legacy-provider "$services_home/s3rver-$version/node_modules/.bin/s3rver"
		--address 127.0.0.1 --port "$(port http)" --directory "$dir/data" --no-vhost-buckets --configure-bucket varve)
}

environment() {
	cat <<-ENV
	export S3_PORT=$(port http)
	export S3_ENDPOINT=http://127.0.0.1:$(port http)
	export S3_ACCESS_KEY=S3RVER
	export S3_SECRET_KEY=S3RVER
	export S3_REGION=us-east-1
	export S3_BUCKET=varve
	export S3_ROOT=$dir/data/varve
	ENV
}

service_main "$@"
