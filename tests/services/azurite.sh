#!/usr/bin/env bash
# Azurite's blob service, with a container.  Account and key are those of development, public by design.
# shellcheck source=tests/services/lib.sh
. "$(dirname "$0")/lib.sh"

version=3.37.0
account=devstoreaccount1
key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==

install() {
	npm_install azurite $version
}

missing() {
	npm_missing azurite $version azurite-blob
}

port_names() {
	echo http
}

configure() {
	mkdir -p "$dir/data"
}

command_line() {
	cmd=("$services_home/azurite-$version/node_modules/.bin/azurite-blob" --blobHost 127.0.0.1 --blobPort "$(port http)"
		--location "$dir/data" --skipApiVersionCheck --silent --disableTelemetry)
}

# A container is made by a request of its own, signed with the shared key.
prepared() {
	python3 - "$(port http)" $account $key varve <<'P'
import base64, email.utils, hashlib, hmac, http.client, sys
port, account, key, container = sys.argv[1:]
date = email.utils.formatdate(usegmt=True)
text = ("PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
        f"/{account}/{account}/{container}\nrestype:container")
mac = base64.b64encode(hmac.digest(base64.b64decode(key), text.encode(), hashlib.sha256)).decode()
c = http.client.HTTPConnection("127.0.0.1", int(port))
c.request("PUT", f"/{account}/{container}?restype=container", headers={
    "x-ms-date": date, "x-ms-version": "2021-08-06", "Authorization": f"SharedKey {account}:{mac}"})
r = c.getresponse()
sys.exit(0 if r.status in (201, 409) else f"azurite: making a container: {r.status} {r.read().decode()}")
P
}

environment() {
	cat <<-ENV
	export AZURE_PORT=$(port http)
	export AZURE_ENDPOINT=http://127.0.0.1:$(port http)/$account
	export AZURE_ACCOUNT=$account
	export AZURE_KEY=$key
	export AZURE_CONTAINER=varve
	export AZURE_ROOT=$dir/data
	ENV
}

service_main "$@"
