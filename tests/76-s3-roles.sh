#!/usr/bin/env bash
# Who may do what on S3, by the policy of docs/stores.md.  The small server has no users: the proxy before it judges, by the
# policy's text (tests/services/policy.py).  Ceph does so by itself, in `make check-ceph`.
. "$(dirname "$0")/lib/scenario.sh"
# shellcheck source=tests/lib/services.sh
. "$(dirname "$0")/lib/services.sh"
# shellcheck source=tests/lib/s3_roles.sh
. "$(dirname "$0")/lib/s3_roles.sh"

users=()
for role in writer reader auditor pruner; do
	users+=(--user "$role=AK$role:secret/of+$role")
done
start_service s3rver
start_proxy s3 "$S3_PORT" --http --sigv4 AKowner:secret/of+owner "${users[@]}"
export VARVE_REPOSITORY="s3://varve/some/repo?endpoint=http://127.0.0.1:$proxy_port&region=us-east-1"

enforce() {
	proxy s3 policy "$1"
}

login() {
	export AWS_ACCESS_KEY_ID=AK$1 AWS_SECRET_ACCESS_KEY=secret/of+$1
}

s3_roles varve some/repo
