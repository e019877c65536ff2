/*
 * For tests of what builds trees: pages as they are put, in order; the hash of its bytes is a page's id.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_PAGES_H
#define VARVE_TEST_PAGES_H

#include "repo/tree/dir_build.h"

/* Where the pages go: in order, the hash of their bytes as id. */
struct pages {
	struct page_put {
		struct id id;
		uint8_t *data;
		size_t len;
	} *put;
	size_t n;
	size_t fail_at; /* the n-th put fails with -ENOSPC; 0: none */
};

/* For the builders, with a struct pages as ${arg}. */
int pages_take(void *arg, const void *data, size_t len, struct id *id);

/* Forget all of them. */
void pages_free(struct pages *p);

/* The page of that id, which must have been put. */
const struct page_put *pages_find(const struct pages *p, const struct id *id);

/* An entry of that name, which is borrowed. */
struct tree_entry pages_file(const char *name);

#endif
