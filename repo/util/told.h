/*
 * What has been told already: messages that would come again with every attempt are told once in a while.
 *
 * Thread-safe.
 */
#ifndef VARVE_UTIL_TOLD_H
#define VARVE_UTIL_TOLD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define TOLD_MAX 256 /* that are remembered, the last ones */

struct told {
	pthread_mutex_t lock;
	unsigned next, seconds;
	struct {
		uint64_t what;
		int64_t until; /* seconds of the monotonic clock; 0: nothing */
	} entry[TOLD_MAX];
};

/* Remembering nothing yet, and everything for ${seconds}; nothing has to be destroyed. */
void told_init(struct told *t, unsigned seconds);

/* Has ${what} been told?  It has from now on. */
bool told_before(struct told *t, uint64_t what);

/* Likewise, of a name. */
bool told_name_before(struct told *t, const char *name);

#endif
