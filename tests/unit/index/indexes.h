/*
 * What the tests of the index share: a store in memory with runs, an index in a temporary directory, and a log.
 *
 * What fails in here fails the running cmocka test; the functions that end in "_right" only tell, for use in a child.
 */
#ifndef VARVE_TEST_INDEXES_H
#define VARVE_TEST_INDEXES_H

#include <pthread.h>

#include "repo/index/index.h"
#include "tests/lib/packs.h"

struct indexes {
	char dir[64];       /* temporary; "cache" in it */
	char cache_dir[80];
	struct store *store;
	struct packs_keys k;
	struct log log;
	pthread_mutex_t lock; /* of the next */
	struct buf messages;  /* warnings and errors, a line each, with a NUL behind that is not counted */
	struct index *x;
};

/* As cmocka's setup and teardown, with *state a struct indexes whose index is open and empty. */
int indexes_setup(void **state);
int indexes_teardown(void **state);

/* Options for opening the index oneself. */
void indexes_options(struct indexes *w, struct index_options *out);

/* Open it, close it. */
void indexes_open(struct indexes *w);
void indexes_close(struct indexes *w);

/* Another one, as on another machine: the caller's to close. */
struct index *indexes_open_other(struct indexes *w);

/* Its figures. */
struct index_stats indexes_stats(struct index *x);

/* Number of runs in the store. */
unsigned indexes_runs(struct indexes *w);

/* Write a run of ${count} objects from ${first} on in ${npacks} packs from ${pack0} on. */
struct id indexes_put_run(struct indexes *w, uint64_t first, uint64_t count, uint64_t pack0, uint32_t npacks);
void indexes_delete_run(struct indexes *w, const struct id *id);

/* Are all objects of such a run there, each in its right pack? */
bool indexes_right(struct index *x, uint64_t first, uint64_t count, uint64_t pack0, uint32_t npacks);

/* The same, or not there at all. */
bool indexes_right_or_absent(struct index *x, uint64_t first, uint64_t count, uint64_t pack0, uint32_t npacks);

/* Is none of them there? */
bool indexes_absent(struct index *x, uint64_t first, uint64_t count);

/* How often ${text} was logged; forget what was. */
unsigned indexes_logged(struct indexes *w, const char *text);
void indexes_log_clear(struct indexes *w);

/* Path of a file of the environment. */
char *indexes_file(struct indexes *w, const char *name, char out[160]);

/* Run ${fn} in a child process.  Return its exit status, or 1000 + the signal that ended it. */
int indexes_in_child(struct indexes *w, int (*fn)(struct indexes *w, void *arg), void *arg);

/* The objects of most tests here. */
#define INDEXES_COUNT 3000
#define INDEXES_NPACKS 50

/* Put INDEXES_COUNT objects in INDEXES_NPACKS packs, and load them. */
void indexes_load_some(struct indexes *w);

/* Replace the contents of a file. */
void indexes_write_file(const char *path, const void *data, size_t len);

#define INDEXES_LARGE "snapshots/large"
#define INDEXES_LARGE_LEN 20000

/* Child: open what is there, and see that nothing is wrong, and after a refresh nothing missing. */
int indexes_use(struct indexes *w, void *arg);

/* Child: the same, and no warning: what was there before is simply used. */
int indexes_use_quietly(struct indexes *w, void *arg);

#endif
