# varve: one Makefile for everything.  `make help` lists the targets.
#
# Sources are found by wildcard: a new file in a folder of the tree is part of the build at once.
#
#   repo/**/*.c                  the library                      -> $(BUILD)/libvarve.a
#   tools/**/*.c                 the command line                 -> $(BUILD)/varve
#   fs/**/*.c                    the filesystem                   -> $(BUILD)/varvefs
#   tests/lib/*.c                what tests share                 -> $(BUILD)/libtest.a
#   tests/unit/**/*.c            what those of one folder share      (the same)
#   tests/unit/**/NAME_test.c    unit tests, a program each       -> $(BUILD)/tests/unit/**/NAME_test
#   tests/tools/NAME.c           programs that scenarios use      -> $(BUILD)/tests/tools/NAME
#   tests/tools/NAME/*.c         further sources of one              (linked into it)
#   tests/tools/lib/*.c          what those share                    (linked into each of them)
#   tests/preload/NAME.c         libraries put before the C library's functions -> $(BUILD)/tests/preload/NAME.so
#   tests/preload/lib/*.c        what those share                    (linked into each of them)
#   tests/fuzz/**/NAME_fuzz.c    fuzz targets                     -> $(BUILD)/fuzz/NAME (libFuzzer)
#                                the same, over a corpus once     -> $(BUILD)/tests/corpus/NAME
#   tests/fuzz/seed/seed_NAME.c  generators of the seed corpora   -> $(BUILD)/fuzz/seed_NAME (with seed.c)

VERSION := 0.1.0

# What a caller may set, on the command line or in the environment.
PREFIX ?= /usr/local
SANITIZE ?=
BUILD ?= build$(if $(SANITIZE),-$(if $(findstring thread,$(SANITIZE)),tsan,asan))
CFLAGS ?= -O2 -g
WERROR ?=
T ?=
JOBS ?=
FUZZ_SECONDS ?= 60
FUZZ_MOUNT_SECONDS ?= 3600
FUZZ_CC ?= clang
PKG_CONFIG ?= pkg-config

# --- Sources ---------------------------------------------------------------------------------------------------------

# All C files in and below a folder.
below = $(wildcard $(addprefix $(1)/,*.c */*.c */*/*.c */*/*/*.c))

REPO_SRC := $(call below,repo)
TOOLS_SRC := $(call below,tools)
FS_SRC := $(call below,fs)
TESTLIB_SRC := $(wildcard tests/lib/*.c) $(filter-out %_test.c,$(call below,tests/unit))
UNIT_SRC := $(filter %_test.c,$(call below,tests/unit))
TESTTOOL_SRC := $(wildcard tests/tools/*.c)
TOOLLIB_SRC := $(wildcard tests/tools/lib/*.c)
TOOLPART_SRC := $(foreach t,$(TESTTOOL_SRC),$(wildcard $(t:.c=)/*.c))
PRELOAD_SRC := $(wildcard tests/preload/*.c)
PRELOADLIB_SRC := $(wildcard tests/preload/lib/*.c)
FUZZ_SRC := $(wildcard tests/fuzz/*_fuzz.c tests/fuzz/*/*_fuzz.c)
SEED_SRC := $(wildcard tests/fuzz/seed/seed_*.c)
SEEDLIB_SRC := tests/fuzz/seed/seed.c
REPLAY_SRC := tests/fuzz/replay_main.c
# The command lines, for their fuzz target: it has a main() of its own.
CLI_SRC := $(filter-out tools/main.c,$(TOOLS_SRC)) fs/options.c
MANUALS := $(wildcard docs/*.[1-8])

ALL_SRC := $(REPO_SRC) $(TOOLS_SRC) $(FS_SRC) $(TESTLIB_SRC) $(UNIT_SRC) $(TESTTOOL_SRC) $(TOOLPART_SRC) $(TOOLLIB_SRC) \
	$(FUZZ_SRC) $(SEED_SRC) $(SEEDLIB_SRC) $(REPLAY_SRC) $(PRELOAD_SRC) $(PRELOADLIB_SRC)

objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIB := $(BUILD)/libvarve.a
TESTLIB := $(if $(TESTLIB_SRC),$(BUILD)/libtest.a)
PROGRAMS := $(if $(TOOLS_SRC),$(BUILD)/varve) $(if $(FS_SRC),$(BUILD)/varvefs)
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_SRC))
TESTTOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/tools/%,$(TESTTOOL_SRC))
PRELOADS := $(patsubst tests/preload/%.c,$(BUILD)/tests/preload/%.so,$(PRELOAD_SRC))
CORPUS := $(patsubst %_fuzz.c,$(BUILD)/tests/corpus/%,$(notdir $(FUZZ_SRC)))
FUZZERS := $(patsubst %_fuzz.c,$(BUILD)/fuzz/%,$(notdir $(FUZZ_SRC)))
SEEDERS := $(patsubst %.c,$(BUILD)/fuzz/%,$(notdir $(SEED_SRC)))

# --- Foreign libraries -----------------------------------------------------------------------------------------------

REPO_PKGS := libzstd libsodium lmdb libcurl expat jansson
TOOLS_PKGS := inih
FS_PKGS := fuse3
TEST_PKGS := cmocka
NEEDED := $(REPO_PKGS) $(TOOLS_PKGS) $(FS_PKGS)

pkg_exists = $(shell $(PKG_CONFIG) --exists $(1) 2>/dev/null && echo $(1))
pkg_cflags = $(if $(strip $(1)),$(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null))
pkg_libs = $(if $(strip $(1)),$(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null))

FS_OPTIONAL := $(call pkg_exists,libsystemd) $(call pkg_exists,libseccomp)
MISSING := $(strip $(foreach p,$(NEEDED),$(if $(call pkg_exists,$(p)),,$(p))))

REPO_LIBS := $(call pkg_libs,$(REPO_PKGS))
TOOLS_LIBS := $(call pkg_libs,$(TOOLS_PKGS))
FS_LIBS := $(call pkg_libs,$(FS_PKGS) $(FS_OPTIONAL))
TEST_LIBS := $(call pkg_libs,$(TEST_PKGS))

# --- Flags -----------------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wformat=2 $(if $(WERROR),-Werror)

# _FORTIFY_SOURCE wants an optimising compiler and gets in the way of the sanitizers' own checks.
OPTIMISED := $(filter-out -O0,$(filter -O%,$(CFLAGS)))
HARDEN := -fPIE -fstack-protector-strong \
	$(if $(SANITIZE),,$(if $(OPTIMISED),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)

DEFINES := -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DVARVE_VERSION=\"$(VERSION)\" \
	$(if $(filter libsystemd,$(FS_OPTIONAL)),-DHAVE_SYSTEMD=1) $(if $(filter libseccomp,$(FS_OPTIONAL)),-DHAVE_SECCOMP=1) \
	$(call pkg_cflags,$(NEEDED) $(FS_OPTIONAL)) $(call pkg_cflags,$(TEST_PKGS))

STANDARD := -std=gnu11 $(WARNINGS) $(DEFINES) -pthread
COMPILE = $(CC) $(STANDARD) $(HARDEN) $(CPPFLAGS) $(CFLAGS) $(SANFLAGS)
LINK = $(CC) -pthread -pie $(CFLAGS) $(SANFLAGS) -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)
FUZZ_COMPILE = $(FUZZ_CC) $(STANDARD) -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all

# --- Building --------------------------------------------------------------------------------------------------------

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all check check-ceph check-gone check-servers check-model soak run-tests run-fuzz check-programs asan tsan lint fuzz \
	fuzz-mount fuzz-seeds valgrind analyze bench bench-remote bench-scale demo deps install uninstall clean help objects \
	FORCE

all: $(PROGRAMS) ## build varve and varvefs (the default)

# Changes only when the command does, so that other flags or another compiler rebuild what they concern.
$(BUILD)/flags: FORCE
	$(if $(MISSING),$(error missing: $(MISSING) (run "make deps", which installs them)))
	@mkdir -p $(@D)
	@echo '$(COMPILE)' | cmp -s - $@ || echo '$(COMPILE)' >$@

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  cc    $<"
	@$(COMPILE) -MMD -MP -c -o $@ $<

# Changes only when a source file comes or goes: what is gone must go from archives and programs too.
$(BUILD)/names: FORCE
	@mkdir -p $(@D)
	@echo '$(ALL_SRC)' | cmp -s - $@ || echo '$(ALL_SRC)' >$@

$(LIB): $(call objects,$(REPO_SRC)) $(BUILD)/names
$(BUILD)/libtest.a: $(call objects,$(TESTLIB_SRC)) $(BUILD)/names
$(BUILD)/libcli.a: $(call objects,$(CLI_SRC)) $(BUILD)/names
$(BUILD)/fuzz/libcli.a: $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(CLI_SRC)) $(BUILD)/names
$(BUILD)/fuzz/libvarve.a: $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(REPO_SRC)) $(BUILD)/names
$(BUILD)/fuzz/libtest.a: $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(TESTLIB_SRC)) $(BUILD)/names

$(BUILD)/%.a:
	@echo "  ar    $@"
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) rcs $@ $(filter %.o,$^)

define link
@mkdir -p $(@D)
@echo "  ld    $@"
@$(LINK) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(1) $(REPO_LIBS) $(LDLIBS)
endef

$(BUILD)/varve: $(call objects,$(TOOLS_SRC)) $(LIB) $(BUILD)/names
	$(call link,$(TOOLS_LIBS))

$(BUILD)/varvefs: $(call objects,$(FS_SRC)) $(LIB) $(BUILD)/names
	$(call link,$(FS_LIBS))

$(UNIT): $(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(TESTLIB) $(LIB)
	$(call link,$(TEST_LIBS))

$(TESTTOOLS): $(BUILD)/tests/tools/%: $(BUILD)/obj/tests/tools/%.o $(call objects,$(TOOLLIB_SRC)) $(LIB)
	$(call link,$(TEST_LIBS) $(TOOL_LIBS))

# A filesystem, to be compared with ours.
$(BUILD)/tests/tools/fuse_zero: $(call objects,fs/kernel/push/readahead.c)
$(BUILD)/tests/tools/fuse_zero: TOOL_LIBS = $(FS_LIBS)

$(foreach t,$(TESTTOOL_SRC),$(eval $(BUILD)/$(t:.c=): $(call objects,$(wildcard $(t:.c=)/*.c))))

# Never with sanitizers, as those want to be the first of all libraries.
$(PRELOADS): $(BUILD)/tests/preload/%.so: tests/preload/%.c $(PRELOADLIB_SRC) $(wildcard tests/preload/lib/*.h) $(BUILD)/flags
	@mkdir -p $(@D)
	@echo "  ld    $@"
	@$(CC) $(STANDARD) -fPIC -O2 -g -shared -o $@ $(filter %.c,$^) -ldl

$(CORPUS): $(call objects,$(REPLAY_SRC)) $(BUILD)/libcli.a $(TESTLIB) $(LIB)
	$(call link,$(TEST_LIBS) $(TOOLS_LIBS))

# A target is called by its name alone, whatever folder it is in.
fuzz_name = $(patsubst %_fuzz.c,%,$(notdir $(1)))
$(foreach s,$(FUZZ_SRC),$(eval $(BUILD)/tests/corpus/$(call fuzz_name,$(s)): $(call objects,$(s))))
$(foreach s,$(FUZZ_SRC),$(eval $(BUILD)/fuzz/$(call fuzz_name,$(s)): $(s:%.c=$(BUILD)/fuzz/obj/%.o)))

$(SEEDERS): $(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/seed/%.o $(call objects,$(SEEDLIB_SRC)) $(TESTLIB) $(LIB)
	$(call link,$(TEST_LIBS))

# libFuzzer wants the library instrumented too, by clang: objects of its own.
$(BUILD)/fuzz/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(FUZZ_COMPILE)' | cmp -s - $@ || echo '$(FUZZ_COMPILE)' >$@

$(BUILD)/fuzz/obj/%.o: %.c $(BUILD)/fuzz/flags
	@mkdir -p $(@D)
	@echo "  fuzz  $<"
	@$(FUZZ_COMPILE) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(FUZZERS): $(patsubst $(BUILD)/%,$(BUILD)/fuzz/%,$(BUILD)/libcli.a $(TESTLIB) $(LIB))
	@echo "  ld    $@"
	@$(FUZZ_COMPILE) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) $(TEST_LIBS) $(TOOLS_LIBS) $(REPO_LIBS)

-include $(patsubst %.c,$(BUILD)/obj/%.d,$(ALL_SRC))
-include $(patsubst %.c,$(BUILD)/fuzz/obj/%.d,$(REPO_SRC) $(TESTLIB_SRC) $(CLI_SRC) $(FUZZ_SRC))

objects: $(call objects,$(ALL_SRC))

check-programs: all $(UNIT) $(TESTTOOLS) $(PRELOADS) $(CORPUS)

# --- Testing ---------------------------------------------------------------------------------------------------------

# Targets that install first start make again, because what is installed decides about flags; on all processors, unless -j
# says otherwise.
AGAIN = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

check: ## install what is missing, build, and run all tests (T=PATTERN: those that match; JOBS=N at once)
	@packaging/install-deps.sh --services --if-needed
	+@$(AGAIN) run-tests

run-tests: check-programs
	@mkdir -p $(BUILD)
	@SANITIZE='$(SANITIZE)' JOBS='$(JOBS)' tests/run.sh $(BUILD) $(T)

check-ceph: ## the stores' tests on a real Ceph cluster with its S3 gateway, which loses disks (some minutes)
	@packaging/install-deps.sh --services --ceph --if-needed
	+@$(AGAIN) check-programs
	@BUILD='$(abspath $(BUILD))' tests/long/ceph.sh

check-gone: ## a minute without network, under a backup, a sync, a check and mounts (two minutes)
	@packaging/install-deps.sh --services --if-needed
	+@$(AGAIN) check-programs
	@BUILD='$(abspath $(BUILD))' tests/long/gone.sh

check-model: ## a model of writers, pruners and mounts, in all orders of their steps; and each rule is needed (spin; minutes)
	@packaging/install-deps.sh --model --if-needed
	@BUILD='$(BUILD)' tests/model/check.sh $(T)

soak: ## kill -9, full and failing disks, power cuts, flipped bits, many at a time: hours (T='PART=COUNT ...')
	@packaging/install-deps.sh --services --if-needed
	+@$(AGAIN) check-programs
	@mkdir -p $(BUILD)/soak
	@tests/long/soak.py --build $(BUILD) --results $(BUILD)/soak/results.json $(T)

check-servers: ## the stores' tests on further servers: Apache, lighttpd, rclone (some minutes)
	@packaging/install-deps.sh --services --servers --if-needed
	+@$(AGAIN) check-programs
	@BUILD='$(abspath $(BUILD))' tests/long/servers.sh

# -O1: at -O2 the sanitizers' reports no longer name the right line.
asan: ## the tests with the address and undefined-behaviour sanitizers, in build-asan/
	@packaging/install-deps.sh --asan --if-needed
	+@$(AGAIN) check SANITIZE=address,undefined CFLAGS='-O1 -g'

tsan: ## the tests with the thread sanitizer, in build-tsan/
	@packaging/install-deps.sh --asan --if-needed
	+@$(AGAIN) check SANITIZE=thread CFLAGS='-O1 -g'

lint: ## both compilers with warnings as errors, cppcheck, clang-tidy, shellcheck, layers, ... (T=STEP: that one)
	@packaging/install-deps.sh --lint --if-needed
	@MAKE='$(MAKE)' JOBS='$(JOBS)' BUILD='$(BUILD)/lint' STANDARD='$(STANDARD)' tests/lint/lint.sh $(T)

# Slow, and it guesses: by hand.  What it says and is not so is explained in the place.
analyze: ## gcc's static analyzer over the product's code (minutes)
	@packaging/install-deps.sh --if-needed
	@STANDARD='$(STANDARD)' JOBS='$(JOBS)' tests/lint/analyze.sh $(T)

fuzz: ## run each fuzz target for FUZZ_SECONDS=60 (T=NAME: that one)
	@packaging/install-deps.sh --fuzz --if-needed
	+@$(AGAIN) run-fuzz

FUZZ_WANTED := $(if $(T),$(filter $(addprefix %/,$(T)),$(FUZZERS)),$(FUZZERS))

run-fuzz: $(FUZZ_WANTED)
	@JOBS='$(JOBS)' FUZZ_SECONDS='$(FUZZ_SECONDS)' tests/fuzz/run.sh $(BUILD)/fuzz $(notdir $(FUZZ_WANTED))

fuzz-mount: ## random system calls on a mount, by many processes, for FUZZ_MOUNT_SECONDS=3600
	@packaging/install-deps.sh --if-needed
	+@$(AGAIN) all $(BUILD)/tests/tools/fsfuzz $(BUILD)/tests/tools/mktree $(BUILD)/tests/tools/treecmp
	@BUILD='$(abspath $(BUILD))' SECONDS_TO_RUN='$(FUZZ_MOUNT_SECONDS)' tests/long/fuzz-mount.sh

valgrind: ## some scenarios with every process under memcheck (T=PATTERN: those that match)
	@packaging/install-deps.sh --valgrind --if-needed
	+@$(AGAIN) check-programs
	@BUILD='$(abspath $(BUILD))' JOBS='$(JOBS)' tests/long/valgrind.sh $(T)

# A generator gets the folder of all corpora and writes into NAME/ below it.
fuzz-seeds: $(SEEDERS) ## rewrite the seed corpora in tests/fuzz/corpus
	@for f in $(SEEDERS); do $$f tests/fuzz/corpus || exit 1; done

bench: ## compare with restic and borg on the same data
	@packaging/install-deps.sh --bench --if-needed
	+@$(AGAIN) all $(BUILD)/tests/tools/fuse_zero
	@BUILD='$(abspath $(BUILD))' tests/bench/bench.sh

bench-remote: ## the same over S3, behind 20 ms and 200 Mbit/s: requests, bytes, rates, beside restic
	@packaging/install-deps.sh --bench --if-needed
	@packaging/install-deps.sh --services --if-needed
	+@$(AGAIN) all $(BUILD)/tests/tools/scale
	@BUILD='$(abspath $(BUILD))' tests/bench/remote.sh

bench-scale: all $(BUILD)/tests/tools/mkmany $(BUILD)/tests/tools/scale ## how costs grow: millions of files, chunks, snapshots
	@BUILD='$(abspath $(BUILD))' tests/bench/scale.sh

demo: ## see it work: back up, change, back up, mount, copy out (installs what is missing)
	@packaging/install-deps.sh --if-needed
	+@$(AGAIN) all
	@packaging/demo.sh $(BUILD)

# --- Installing ------------------------------------------------------------------------------------------------------

deps: ## install the packages that building and testing need
	@packaging/install-deps.sh

install: all ## install below PREFIX=/usr/local (and DESTDIR)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	@set -e; for m in $(MANUALS); do \
		dir=$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}; \
		echo "install -m 644 $$m $$dir"; \
		install -d $$dir; \
		install -m 644 $$m $$dir; \
	done

uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(PROGRAMS)))
	@set -e; for m in $(MANUALS); do \
		file=$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; \
		echo "rm -f $$file"; \
		rm -f $$file; \
	done

clean: ## remove build directories
	rm -rf $(BUILD) build build-asan build-tsan

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='	' read -r target text; do printf '  %-12s %s\n' "$$target" "$$text"; done
	@echo
	@echo '  Variables: BUILD=DIR CC= CFLAGS= LDFLAGS= WERROR=1 SANITIZE=address,undefined PREFIX= DESTDIR= T= JOBS='
