/*
 * For tests: a temporary directory (in $TMPDIR, else /tmp), and a log that keeps its messages.
 */
#ifndef VARVE_TEST_SCRATCH_H
#define VARVE_TEST_SCRATCH_H

#include <pthread.h>
#include <stdbool.h>

#include "repo/util/log.h"

#define SCRATCH_LOG_SIZE (16 * 1024)
#define SCRATCH_PATH_SIZE 320

struct scratch {
	char dir[192];
	struct log log;
	pthread_mutex_t lock;            /* of the two below */
	char messages[SCRATCH_LOG_SIZE]; /* a line each; what does not fit is only counted */
	unsigned nmessages;
};

/* As cmocka's setup and teardown, with *state the struct scratch.  The directory is removed with all that is in it. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* The path of ${name} in the directory.  Return ${out}. */
char *scratch_path(const struct scratch *s, const char *name, char out[SCRATCH_PATH_SIZE]);

/* Has a message with ${text} in it been logged?  And forget all messages. */
bool scratch_logged(struct scratch *s, const char *text);
void scratch_log_clear(struct scratch *s);

#endif
