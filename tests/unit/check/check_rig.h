/*
 * For tests of check: a repository with two snapshots and a keyslot, and what check tells of it, as lines of text:
 *
 *   finding KIND OBJECT: WHAT
 *   unreachable KIND OBJECT: WHAT
 *   affected OBJECT PATH: WHAT
 *   more OBJECT N
 *   snapshot N
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_CHECK_RIG_H
#define VARVE_TEST_CHECK_RIG_H

#include "repo/check/check.h"
#include "tests/lib/backup_rig.h"

#define CHECK_RIG_TEXT_SIZE (64 * 1024)

struct check_rig {
	struct rig *g;
	struct check_options o;
	struct check_result result;
	char text[CHECK_RIG_TEXT_SIZE];
	unsigned nsigned; /* manifests that were as they should be */
	unsigned stop_at; /* the so manieth finding stops the check; 0: none */
	atomic_int stop;
};

/* As cmocka's setup and teardown, with *state a check_rig over a store in memory without a snapshot. */
int check_rig_setup(void **state);
int check_rig_teardown(void **state);

/*
 * Two snapshots of a small source: "src/small/0".. "9" of some hundred bytes each, "src/large" of 200 kB,
 * "src/dir/other"; "src/new" is in the second only.
 */
void check_rig_fill(struct check_rig *k);

/* Check; return the number of findings. */
uint64_t check_rig_run(struct check_rig *k, bool read_data);

/* The same without a key. */
uint64_t check_rig_locked(struct check_rig *k, bool read_data);

/* Has it told a line that begins with ${begin} and has ${part} in it? */
bool check_rig_told(const struct check_rig *k, const char *begin, const char *part);

/* How many lines begin with ${begin}? */
unsigned check_rig_lines(const struct check_rig *k, const char *begin);

/* The repository below it. */
struct fixture *check_rig_fixture(struct check_rig *k);

/* Names of objects by size, the largest first. */
struct check_rig_sizes {
	struct {
		char name[STORE_NAME_MAX + 1];
		uint64_t size;
	} of[16];
	unsigned n;
};

/* The largest object below ${prefix}; all of them in ${l}. */
const char *check_rig_largest(struct check_rig *k, const char *prefix, struct check_rig_sizes *l);

/* Invert a bit of the byte at ${at}, from the end if it is negative; twice is as before. */
void check_rig_flip(struct check_rig *k, const char *name, int64_t at);

/* Leave the first ${len} bytes of it. */
void check_rig_cut(struct check_rig *k, const char *name, uint64_t len);

#endif
