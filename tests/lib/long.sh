# shellcheck shell=bash
# What the scripts of tests/long/ that are scenarios begin with: the programs of ${BUILD:-build}, a directory of their own, and
# the functions of scenarios.  tests/run.sh does the same for those of `make check`.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${BUILD:-$top/build}" && pwd)
export VARVE=$build/varve VARVEFS=$build/varvefs TOOLS=$build/tests/tools SANITIZE=${SANITIZE:-}
PATH=$build:$PATH

long_finish() {
	local status=$?

	(scenario_exit) || true
	rm -rf --one-file-system -- "$WORK"
	exit $status
}

# long_begin NAME [PARENT]: a directory below PARENT, or ${TMPDIR:-/var/tmp}, which goes at the end with all that was started.
long_begin() {
	WORK=$(mktemp -d "${2:-${TMPDIR:-/var/tmp}}/varve-$1.XXXXXX")
	# Some servers do not run as root.
	chmod 711 "$WORK"
	export WORK VARVE_CACHE_DIR=$WORK/cache
	# shellcheck source=tests/lib/scenario.sh
	. "$top/tests/lib/scenario.sh"
	trap long_finish EXIT
}
