/*
 * Listings that come in pages, each with a token for the next: a server that goes round in circles is found out.
 */
#ifndef VARVE_STORE_PAGING_H
#define VARVE_STORE_PAGING_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/util/bytes/buf.h"

#define PAGING_EMPTY_MAX 1000 /* pages with nothing in them, one after the other */

/* All zero: before the first page. */
struct paging {
	uint64_t pages, mark_at; /* Brent's: others are compared with the token of page ${mark_at}, a power of two */
	unsigned empty;
	struct buf mark;
};

/**
 * paging_next(p, token, empty):
 * A page has come, and says that ${token} is to be asked for next; ${empty}: it had no entries.  Return 0; -ELOOP if
 * that token came before (at the latest when it has come three times), or too many pages were empty; -ENOMEM.
 */
int paging_next(struct paging *p, const char *token, bool empty);
void paging_free(struct paging *p);

#endif
