#!/bin/sh
# Install the packages that varve is built and tested with, from the distribution: Debian or Ubuntu (apt), Fedora (dnf),
# Arch (pacman), Alpine (apk).  Only what is missing; says the command before running it; asks nothing.
set -eu

usage() {
	cat <<'T'
usage: packaging/install-deps.sh [--lint] [--asan] [--fuzz] [--valgrind] [--bench] [--services] [--servers] [--ceph] [--model]
                                   [--if-needed] [--dry-run]

Without options: what `make` and `make check` need.  Besides that:
  --lint       what `make lint` needs
  --asan       what `make asan` needs
  --fuzz       what `make fuzz` needs
  --valgrind   what `make valgrind` needs
  --bench      what `make bench` needs: restic, borg, their test data
  --services   the servers that `make check` runs stores against, also from npm, into ~/.cache/varve-test-services; tests
               of those that cannot be had are skipped.  None of them is left running, or set up to start by itself
  --servers    what `make check-servers` needs
  --ceph       what `make check-ceph` needs
  --model      what `make check-model` needs
  --if-needed  do nothing, silently, unless something is missing that we can't do without
  --dry-run    only say what would be run
T
}

# One line for each thing: its group; "must", "want" if the rest goes on where there is none, or "nice" if it is worth no
# installing by itself; how to see that it is there; its package with apt, dnf, pacman and apk ("-": none, or always there).
packages() {
	cat <<'T'
build must cmd:cc           gcc                  gcc               gcc         gcc
build must file:stdio.h     libc6-dev            glibc-devel       -           musl-dev
build must cmd:make         make                 make              make        make
build must cmd:pkg-config   pkg-config           pkgconf-pkg-config pkgconf    pkgconf
build must pc:fuse3         libfuse3-dev         fuse3-devel       fuse3       fuse3-dev
build must pc:libzstd       libzstd-dev          libzstd-devel     zstd        zstd-dev
build must pc:libsodium     libsodium-dev        libsodium-devel   libsodium   libsodium-dev
build must pc:lmdb          liblmdb-dev          lmdb-devel        lmdb        lmdb-dev
build must pc:libcurl       libcurl4-openssl-dev libcurl-devel     curl        curl-dev
build must pc:expat         libexpat1-dev        expat-devel       expat       expat-dev
build must pc:inih          libinih-dev          inih-devel        libinih     inih-dev
build must pc:jansson       libjansson-dev       jansson-devel     jansson     jansson-dev
build nice pc:libsystemd    libsystemd-dev       systemd-devel     systemd-libs -
build nice pc:libseccomp    libseccomp-dev       libseccomp-devel  libseccomp  libseccomp-dev
build must pc:cmocka        libcmocka-dev        libcmocka-devel   cmocka      cmocka-dev
build must file:linux/fs.h  linux-libc-dev       kernel-headers    linux-api-headers linux-headers
build must cmd:fusermount3  fuse3                fuse3             fuse3       fuse3
build must cmd:bash         bash                 bash              bash        bash
build must gnu:timeout      coreutils            coreutils         coreutils   coreutils
build must gnu:grep         grep                 grep              grep        grep
build must gnu:find         findutils            findutils         findutils   findutils
build must cmd:cmp          diffutils            diffutils         diffutils   diffutils
build must gnu:tar          tar                  tar               tar         tar
build must cmd:awk          mawk                 gawk              gawk        -
build must cmd:setpriv      util-linux           util-linux        util-linux  setpriv
build must cmd:mountpoint   util-linux           util-linux        util-linux  util-linux
build must cmd:pgrep        procps               procps-ng         procps-ng   procps-ng
build must cmd:rsync        rsync                rsync             rsync       rsync
build must cmd:getfattr     attr                 attr              attr        attr
build must cmd:setfacl      acl                  acl               acl         acl
build must cmd:setcap       libcap2-bin          libcap            libcap      libcap-utils
build must cmd:python3      python3              python3           python      python3
build nice cmd:jq           jq                   jq                jq          jq
build nice cmd:mandoc       mandoc               mandoc            -           mandoc
lint  must cmd:gcc          gcc                  gcc               gcc         gcc
lint  must cmd:clang        clang                clang             clang       clang
lint  must cmd:clang-tidy   clang-tidy           clang-tools-extra clang       clang-extra-tools
lint  must cmd:cppcheck     cppcheck             cppcheck          cppcheck    cppcheck
lint  must cmd:shellcheck   shellcheck           ShellCheck        shellcheck  shellcheck
lint  must cmd:ctags        universal-ctags      ctags             ctags       ctags
asan  must link:cc:address,undefined - libasan                     -           -
asan  must link:cc:undefined         - libubsan                    -           -
asan  nice link:cc:thread            - libtsan                     -           -
valgrind must cmd:valgrind valgrind             valgrind          valgrind    valgrind
fuzz  must cmd:clang        clang                clang             clang       clang
fuzz  must link:clang:fuzzer libclang-rt-dev     compiler-rt       compiler-rt compiler-rt
fuzz  nice cmd:llvm-symbolizer llvm              llvm              llvm        llvm
bench must cmd:restic       restic               restic            restic      restic
bench must cmd:borg         borgbackup           borgbackup        borg        borgbackup
bench must cmd:zstd         zstd                 zstd              zstd        zstd
bench must cmd:mksquashfs   squashfs-tools       squashfs-tools    squashfs-tools squashfs-tools
bench must cmd:xz           xz-utils             xz                xz          xz
services want cmd:nginx     nginx                nginx             nginx       nginx
services want nginx:http_dav_ext libnginx-mod-http-dav-ext -       -           nginx-mod-http-dav-ext
services want cmd:sshd      openssh-server       openssh-server    openssh     openssh-server
services want cmd:ssh-keygen openssh-client      openssh           openssh     openssh-keygen
services want cmd:ssh-add   openssh-client       openssh-clients   openssh     openssh-client-common
services want cmd:openssl   openssl              openssl           openssl     openssl
services want cmd:curl      curl                 curl              curl        curl
services want cmd:tinyproxy tinyproxy-bin        tinyproxy         tinyproxy   tinyproxy
services want cmd:node      nodejs               nodejs            nodejs      nodejs
services want cmd:npm       npm                  npm               npm         npm
servers want cmd:apache2    apache2-bin          httpd             apache      apache2
servers want file:/usr/lib/lighttpd/mod_webdav.so lighttpd-mod-webdav lighttpd lighttpd lighttpd-mod_webdav
servers want file:/usr/lib/lighttpd/mod_openssl.so lighttpd-mod-openssl - - -
servers want cmd:lighttpd   lighttpd             lighttpd          lighttpd    lighttpd
servers want cmd:rclone     rclone               rclone            rclone      rclone
ceph  must cmd:ceph-mon     ceph-mon             ceph-mon          ceph        ceph18-mon
ceph  must cmd:ceph-mgr     ceph-mgr             ceph-mgr          ceph        ceph18-mgr
ceph  must cmd:ceph-osd     ceph-osd             ceph-osd          ceph        ceph18-osd
ceph  must cmd:radosgw      radosgw              ceph-radosgw      ceph        ceph18-radosgw
ceph  must cmd:ceph         ceph-common          ceph-common       ceph        ceph18-common
ceph  must cmd:uuidgen      uuid-runtime         util-linux        util-linux  uuidgen
ceph  must cmd:openssl      openssl              openssl           openssl     openssl
ceph  must cmd:curl         curl                 curl              curl        curl
model must cmd:spin         spin                 -                 -           -
bench nice module:llfuse    python3-llfuse       python3-llfuse    python-llfuse py3-llfuse
T
}

# present PROBE: is it there?
present() {
	what=${1#*:}
	case $1 in
	cmd:*) command -v "$what" ;;
	# busybox has the command too, without the options we use
	gnu:*) "$what" --version 2>&1 | grep GNU ;;
	# of the system's python, which borg uses, whatever else is in PATH
	module:*) /usr/bin/python3 -c "import $what" ;;
	nginx:*)
		for f in /usr/lib/nginx/modules /usr/lib64/nginx/modules; do
			[ -e "$f/ngx_${what}_module.so" ] && return 0
		done
		return 1
		;;
	pc:*) pkg-config --exists "$what" ;;
	file:/*)
		for f in $what; do # a pattern
			[ -e "$f" ] && return 0
		done
		return 1
		;;
	file:*) echo "#include <$what>" | cc -E -xc - ;;
	link:*:fuzzer)
		echo 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n); int LLVMFuzzerTestOneInput(const char *p,
			unsigned long n) { return !p + !n; }' | "${what%%:*}" -fsanitize=fuzzer -xc -o /dev/null -
		;;
	link:*) echo 'int main(void) { return 0; }' | "${what%%:*}" "-fsanitize=${what#*:}" -xc -o /dev/null - ;;
	esac >/dev/null 2>&1
}

find_manager() {
	for m in apt-get dnf pacman apk; do
		if command -v "$m" >/dev/null; then
			echo "$m"
			return
		fi
	done
	echo none
}

# collect GROUP...: put the packages of what is missing into $must, $want and $nice, and what has no package into $unknown.
collect() {
	while read -r group need probe apt dnf pacman apk; do
		case " $* " in
		*" $group "*) ;;
		*) continue ;;
		esac
		present "$probe" && continue
		case $manager in
		apt-get) package=$apt ;;
		dnf) package=$dnf ;;
		pacman) package=$pacman ;;
		apk) package=$apk ;;
		*) package=- ;;
		esac
		if [ "$package" = - ]; then
			[ "$need" != must ] || unknown="$unknown ${probe#*:}"
			continue
		fi
		case "$need: $must $want $nice " in
		*" $package "*) ;;
		must*) must="$must $package" ;;
		want*) want="$want $package" ;;
		*) nice="$nice $package" ;;
		esac
	done <<T
$(packages)
T
}

# run CMD...: say it, and do it as root.
run() {
	echo "+ ${root:+$root }$*" >&2
	[ -n "$dry_run" ] || $root "$@" </dev/null
}

refresh() {
	case $manager in
	apt-get) run apt-get update -q ;;
	pacman) run pacman -Sy --noconfirm ;;
	*) ;; # dnf and apk do it by themselves
	esac
}

# A machine that was never used has no lists of packages.
refresh_if_none() {
	case $manager in
	apt-get) set -- /var/lib/apt/lists/*_Packages* ;;
	pacman) set -- /var/lib/pacman/sync/*.db ;;
	*) return 0 ;;
	esac
	[ -e "$1" ] || refresh
}

install() {
	case $manager in
	apt-get)
		run env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
			-o DPkg::Lock::Timeout=300 "$@"
		;;
	dnf) run dnf install -q -y --setopt=install_weak_deps=False "$@" ;;
	pacman) run pacman -S --noconfirm --needed "$@" ;;
	apk) run apk add --no-cache "$@" ;;
	esac
}

# Packages of servers would start them, and set them up to start with the system: not these, which are for tests.
keep_quiet() {
	policy=/usr/sbin/policy-rc.d
	[ "$manager" = apt-get ] && [ -z "$dry_run" ] && [ ! -e $policy ] || policy=''
	[ -z "$policy" ] || printf '#!/bin/sh\nexit 101\n' | $root sh -c "cat >$policy && chmod 755 $policy"
}

quiet_again() {
	[ -z "$policy" ] || $root rm -f "$policy"
	command -v systemctl >/dev/null || return 0
	case "$want " in *" nginx "*) run systemctl disable -q nginx || true ;; esac
	case "$want " in *" lighttpd "*) run systemctl disable -q lighttpd || true ;; esac
	case "$want " in *" openssh-server "*) run systemctl disable -q ssh || true ;; esac
}

# Those of $want that can be had.
install_wanted() {
	keep_quiet
	# shellcheck disable=SC2086
	if ! install $want; then
		refresh || true # the lists may be old
		for package in $want; do
			install "$package" || echo "going on without $package" >&2
		done
	fi
	quiet_again
}

# They install themselves, where npm lets them.
install_npm_services() {
	case " $groups " in
	*" services "*) ;;
	*) return 0 ;;
	esac
	[ -z "$dry_run" ] || return 0
	for name in s3rver azurite; do
		"$(dirname "$0")/../tests/services/$name.sh" install </dev/null || echo "going on without $name" >&2
	done
}

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
groups=build if_needed='' dry_run=''
for arg; do
	case $arg in
	--lint | --asan | --fuzz | --valgrind | --bench | --services | --servers | --ceph | --model) groups="$groups ${arg#--}" ;;
	--if-needed) if_needed=1 ;;
	--dry-run) dry_run=1 ;;
	--help | -h)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 2
		;;
	esac
done

manager=$(find_manager)
must='' want='' nice='' unknown=''
# shellcheck disable=SC2086 # lists of words, here and below
collect $groups

if [ -n "$unknown" ]; then
	echo "no package known here for:$unknown" >&2
fi
if [ -z "$must$want$nice" ] || { [ -z "$must$want" ] && [ -n "$if_needed" ]; }; then
	install_npm_services
	[ -n "$if_needed$unknown" ] || echo "nothing is missing" >&2
	[ -z "$unknown" ]
	exit
fi

root=''
if [ "$(id -u)" -ne 0 ]; then
	root=$(command -v sudo || command -v doas) || root=''
	if [ -z "$root$dry_run$must" ]; then
		echo "going on without$want; neither root nor sudo nor doas" >&2
		install_npm_services
		exit
	fi
	if [ -z "$root" ] && [ -z "$dry_run" ]; then
		echo "missing:$must$nice; neither root nor sudo nor doas: as root, run packaging/install-deps.sh" >&2
		exit 1
	fi
fi

refresh_if_none
# shellcheck disable=SC2086
if [ -n "$must" ]; then
	install $must || {
		refresh # the lists may be old
		install $must
	}
fi
[ -z "$want" ] || install_wanted
# shellcheck disable=SC2086
if [ -n "$nice" ] && ! install $nice; then
	for package in $nice; do
		install "$package" || echo "going on without $package" >&2
	done
fi
install_npm_services
