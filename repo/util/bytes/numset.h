/*
 * A set of small numbers: a bit each, up to the greatest one in it.
 *
 * Thread-safe, but for numset_has() and the iteration, beside which nobody may add, and the end.
 */
#ifndef VARVE_UTIL_NUMSET_H
#define VARVE_UTIL_NUMSET_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numset {
	pthread_mutex_t lock;
	uint8_t *bits;
	size_t len; /* bytes */
};

void numset_init(struct numset *s);
void numset_destroy(struct numset *s);

/* Put ${n} in.  Return 1 if it was not in the set (one caller only gets that), 0 if it was, -ENOMEM. */
int numset_add(struct numset *s, uint32_t n);

/* Is ${n} in it? */
bool numset_has(const struct numset *s, uint32_t n);

/* The smallest number in it that is not below ${*n}: true with ${*n}; false if there is none. */
bool numset_next(const struct numset *s, uint32_t *n);

#endif
