#!/usr/bin/env bash
# The proxy that stands for networks and for servers' bad days does what it is told, and counts right.  curl is who judges.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"

need curl python3
need_service s3rver
start_service s3rver
cd "$WORK"
head -c 1000000 /dev/urandom >data

start_proxy http "$S3_PORT" --http
url=http://127.0.0.1:$proxy_port/varve/some/data

# status_of N CURL-ARGUMENT...: curl gets this status.
status_of() {
	local want=$1

	shift
	expect_equal "status of $*" "$(curl -sS -o got -D headers -w '%{http_code}' "$@" 2>errors || true)" "$want"
}

# fails N CURL-ARGUMENT...: curl ends with this error.
fails() {
	local want=$1

	shift
	expect_status "$want" curl -sS -o got "$@"
}

now_ms() {
	date +%s%3N
}

# takes MS COMMAND...: it takes that long at least.
takes() {
	local ms=$1 start

	shift
	start=$(now_ms)
	"$@"
	ms=$((start + ms - $(now_ms)))
	[ $ms -le 0 ] || die "$ms ms too soon: $*"
}

# --- Carried, counted, logged -------------------------------------------------------------------------------------------
status_of 200 -T data "$url"
status_of 200 "$url"
cmp got data
status_of 206 -r 1000-1999 "$url" -H 'Connection: close'
dd if=data of=part bs=1000 skip=1 count=1 status=none
cmp got part
status_of 206 -r 10-12 "$url"
status_of 200 -I "$url"
status_of 404 "$url.none"
status_of 200 -T - "$url.chunks" <data
status_of 200 "$url.chunks"
cmp got data
expect_equal requests "$(proxy_count http requests)" 8
expect_equal GETs "$(proxy_count http requests.GET)" 5
expect_equal ranges "$(proxy_count http ranges) $(proxy_count http range_bytes)" "2 1003"
[ "$(proxy_count http up_bytes)" -gt 2000000 ] && [ "$(proxy_count http down_bytes)" -gt 2001003 ] || die "bytes"
expect_match '"n": 3, "method": "GET", "target": "/varve/some/data", "range": \[1000, 1000\], "status": 206, "up": 0, "down": 1000' \
	http.log
proxy http zero
expect_equal requests "$(proxy_count http requests)" 0
ok "carried, counted, logged"

# --- Rules --------------------------------------------------------------------------------------------------------------
proxy http rule status=503 retry_after=7 code=SlowDown method=GET nth=2
status_of 200 "$url"
status_of 200 -I "$url"
status_of 503 "$url"
expect_match '^Retry-After: 7' headers
expect_match '<Code>SlowDown</Code>' got
status_of 200 "$url"
expect_equal faults "$(proxy_count http faults)" 1
proxy http clear
proxy http rule status=500 every=2 times=1 path=/some/
status_of 200 "$url"
status_of 500 -T data "$url"
status_of 200 "$url"
status_of 200 "$url"
proxy http clear
proxy http rule truncate=500000
fails 18 "$url"
expect_equal "bytes that came" "$(stat -c %s got)" 500000
proxy http clear
proxy http rule corrupt=654321
status_of 200 "$url"
expect_match '^ *654322 ' <(cmp -l got data || true)
expect_equal "bytes that differ" "$(cmp -l got data 2>&1 | wc -l || true)" 1
proxy http clear
proxy http rule reset=1
fails 56 "$url"
proxy http clear
proxy http rule stall=0.5 times=1
takes 500 status_of 200 "$url"
cmp got data
proxy http clear
proxy http rule stall=30
fails 28 "$url" --max-time 0.5
[ "$(stat -c %s got)" -ge 400000 ] || die "it does not stop half way"
proxy http clear
proxy http rule delay=0.4
takes 400 status_of 200 "$url"
proxy http clear
proxy http rule header=x-test:a=b method=HEAD
status_of 200 -I "$url"
expect_match '^x-test: a=b' headers
proxy http clear
expect_status 1 proxy http rule nonsense=1
expect_status 1 proxy http set nonsense=1
expect_status 1 proxy http rule status=500 corrupt=1
ok "rules"

# --- The network --------------------------------------------------------------------------------------------------------
proxy http set delay_ms=200
takes 400 status_of 206 "$url" -r 0-9
proxy http set delay_ms=0 rate=8M
takes 1000 status_of 200 "$url"
takes 1000 status_of 200 "$url" -T data
proxy http set rate=0
proxy http set refuse=1
fails 7 "$url"
proxy http set refuse=0
status_of 200 "$url"
proxy http set gone=1
fails 28 "$url" --max-time 0.4
proxy http set gone=0
status_of 200 "$url"
stop_service s3rver
status_of 502 "$url"
start_service s3rver
status_of 200 "$url"
cmp got data
ok "the network, and a server that is restarted"

# --- Signatures ---------------------------------------------------------------------------------------------------------
start_proxy signed "$S3_PORT" --http --sigv4 AKEXAMPLE:secret/Key+1
url=http://127.0.0.1:$proxy_port/varve/some/data
sum=$(sha256sum data | cut -d ' ' -f 1)
unsigned=(-H x-amz-content-sha256:UNSIGNED-PAYLOAD)
signed=(--aws-sigv4 aws:amz:us-east-1:s3 --user AKEXAMPLE:secret/Key+1)

# refused CODE STATUS CURL-ARGUMENT...
refused() {
	local code=$1

	shift
	status_of "$@"
	expect_match "<Code>$code</Code>" got
}

status_of 200 "${signed[@]}" "${unsigned[@]}" "$url"
cmp got data
status_of 200 "${signed[@]}" -H "x-amz-content-sha256: $sum" -T data "$url"
status_of 200 "${signed[@]}" "${unsigned[@]}" "${url%/some/data}?delimiter=%2F&list-type=2&prefix=some%2F"
expect_match '<Key>some/data</Key>' got
status_of 200 "${signed[@]}" "${unsigned[@]}" -T data "${url%data}a%3Db%20c%2Bd%27e"
status_of 200 "${signed[@]}" "${unsigned[@]}" "${url%data}a%3Db%20c%2Bd%27e"
refused AccessDenied 403 "$url"
refused SignatureDoesNotMatch 403 "${signed[@]:0:3}" AKEXAMPLE:wrong "${unsigned[@]}" "$url"
refused InvalidAccessKeyId 403 "${signed[@]:0:3}" AKOTHER:secret/Key+1 "${unsigned[@]}" "$url"
refused AuthorizationHeaderMalformed 400 --aws-sigv4 aws:amz:eu-west-1:s3 "${signed[@]:2}" "${unsigned[@]}" "$url"
refused InvalidToken 400 "${signed[@]}" "${unsigned[@]}" -H 'x-amz-security-token: abc' "$url"
refused XAmzContentSHA256Mismatch 400 "${signed[@]}" -H "x-amz-content-sha256: $sum" -T headers "$url"
refused BadDigest 400 "${signed[@]}" "${unsigned[@]}" -H 'Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==' -T data "$url"
refused BadDigest 400 "${signed[@]}" "${unsigned[@]}" -T data "$url" \
	-H 'x-amz-checksum-sha256: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
status_of 200 "${signed[@]}" "${unsigned[@]}" -T data "$url" -H "Content-MD5: $(openssl md5 -binary data | base64)" \
	-H "x-amz-checksum-sha256: $(openssl sha256 -binary data | base64)"
status_of 200 "${signed[@]}" "${unsigned[@]}" -H 'If-None-Match: *' -T data "$url.new"
refused PreconditionFailed 412 "${signed[@]}" "${unsigned[@]}" -H 'If-None-Match: *' -T data "$url.new"
proxy signed set skew=1000
refused RequestTimeTooSkewed 403 "${signed[@]}" "${unsigned[@]}" "$url"
proxy signed set skew=-100
status_of 200 "${signed[@]}" "${unsigned[@]}" "$url"
start_proxy token "$S3_PORT" --http --sigv4 AKEXAMPLE:secret/Key+1:abc --region x
url=http://127.0.0.1:$proxy_port/varve/some/data
status_of 200 --aws-sigv4 aws:amz:x:s3 "${signed[@]:2}" "${unsigned[@]}" -H 'x-amz-security-token: abc' "$url"
refused InvalidToken 400 --aws-sigv4 aws:amz:x:s3 "${signed[@]:2}" "${unsigned[@]}" "$url"
ok "signatures, checksums, conditions"

# --- Users --------------------------------------------------------------------------------------------------------------
cat >policy <<'P'
{"Statement": [
	{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam:::user/ann"}, "Action": ["s3:Get*", "s3:ListBucket"],
	 "Resource": ["arn:aws:s3:::varve", "arn:aws:s3:::varve/some/*"]},
	{"Effect": "Deny", "Principal": {"AWS": ["arn:aws:iam::12:user/ann"]}, "Action": "s3:GetObject",
	 "Resource": "arn:aws:s3:::varve/some/data.new"}]}
P
start_proxy users "$S3_PORT" --http --sigv4 AKEXAMPLE:secret/Key+1 --user ann=AKANN:secret/of/ann
url=http://127.0.0.1:$proxy_port/varve/some/data
ann=(--aws-sigv4 aws:amz:us-east-1:s3 --user AKANN:secret/of/ann "${unsigned[@]}")
refused AccessDenied 403 "${ann[@]}" "$url"
proxy users policy "$WORK/policy"
status_of 200 "${ann[@]}" "$url"
cmp got data
status_of 200 "${ann[@]}" "${url%/some/data}?list-type=2&prefix=some%2F"
refused AccessDenied 403 "${ann[@]}" "$url.new"
refused AccessDenied 403 "${ann[@]}" "${url%some/data}other"
refused AccessDenied 403 "${ann[@]}" -T data "$url"
refused AccessDenied 403 "${ann[@]}" -X DELETE "$url"
refused AccessDenied 403 "${ann[@]}" "$url?acl="
refused SignatureDoesNotMatch 403 "${ann[@]:0:3}" AKANN:wrong "${unsigned[@]}" "$url"
status_of 204 "${signed[@]}" "${unsigned[@]}" -X DELETE "$url.new"
sed 's/"Effect": "Deny"/"Condition": {}, &/' policy >odd
expect_status 1 proxy users policy "$WORK/odd"
expect_status 1 proxy users policy "$WORK/none"
ok "what users may do by a policy"

# --- Bytes --------------------------------------------------------------------------------------------------------------
start_proxy bytes "$S3_PORT"
url=http://127.0.0.1:$proxy_port/varve/some/data
status_of 200 "$url"
cmp got data
proxy bytes rule drop=300000 nth=1
fails 56 "$url"
status_of 200 "$url"
proxy bytes clear
proxy bytes rule stall=0.5 after=1000
takes 500 status_of 200 "$url"
cmp got data
proxy bytes clear
proxy bytes set delay_ms=100 rate=16M
takes 700 status_of 200 "$url"
expect_equal connections "$(proxy_count bytes connections)" 5
ok "bytes"

# --- TLS ----------------------------------------------------------------------------------------------------------------
! "$services/webdav.sh" lacks || exit 0
start_service webdav
start_proxy tls "$WEBDAV_TLS_PORT" --http --tls "$WEBDAV_CERTIFICATE" "$WEBDAV_CERTIFICATE_KEY" --target-tls
url=https://localhost:$proxy_port/some
ours=(--cacert "$WEBDAV_CA_FILE" --user "$WEBDAV_USER:$WEBDAV_PASSWORD")
status_of 201 "${ours[@]}" -X MKCOL "$url/"
status_of 201 "${ours[@]}" -T data "$url/data"
status_of 204 "${ours[@]}" -X MOVE -H "Destination: $url/moved" -H 'Overwrite: F' "$url/data"
status_of 207 "${ours[@]}" -X PROPFIND -H 'Depth: 1' "$url/"
expect_match '/some/moved' got
status_of 200 "${ours[@]}" "$url/moved"
cmp got data
fails 60 "$url/moved"
expect_equal requests "$(proxy_count tls requests)" 5
ok "TLS"
