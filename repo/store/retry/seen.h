/*
 * Seen: which names a listing has come to, so that one that starts anew does not repeat them.
 *
 * Kept as 64-bit hashes, keyed at random: 16 bytes a name at most.  Two of a million names are confused once in 30
 * million such listings.  Not thread-safe.
 */
#ifndef VARVE_STORE_SEEN_H
#define VARVE_STORE_SEEN_H

#include <stddef.h>
#include <stdint.h>

/* All zero: nothing seen. */
struct seen {
	uint64_t *slots; /* open addressing; 0: free */
	size_t n, mask;  /* ${mask} + 1 slots */
	uint64_t key;
};

/* Return 1 if ${name} is new, and remembered from now on; 0 if it has been seen; -ENOMEM. */
int seen_add(struct seen *s, const char *name);
void seen_free(struct seen *s);

#endif
