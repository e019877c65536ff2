/*
 * For store implementations only: what stands behind the wrappers of store.h.
 */
#ifndef VARVE_STORE_STORE_IMPL_H
#define VARVE_STORE_STORE_IMPL_H

#include <stdatomic.h>

#include "repo/store/store.h"

/*
 * Semantics are those of the wrappers.  The wrappers have checked the names, that ${off + len} and the length of a put
 * do not overflow, and do the counting; ${get} must return -EBADMSG for a short object.  ${get_all} is an operation of
 * its own because a store can do it in one request; it may leave a part in ${out} on failure, which the wrapper takes
 * away.  ${close} frees the implementation's state and struct store itself, with ${url} and ${local_path}.
 */
struct store_ops {
	int (*get)(struct store *s, const char *name, uint64_t off, size_t len, void *out);
	int (*get_all)(struct store *s, const char *name, size_t max, struct buf *out);
	int (*stat)(struct store *s, const char *name, uint64_t *size);
	int (*list)(struct store *s, const char *prefix, store_list_fn *fn, void *arg);
	int (*list_names)(struct store *s, const char *prefix, store_list_fn *fn, void *arg); /* NULL: as list */
	int (*del)(struct store *s, const char *name);
	int (*info)(struct store *s, struct store_info *out);
	int (*put_begin)(struct store *s, struct store_put **out);
	int (*put_append)(struct store_put *p, const void *data, size_t len);
	int (*put_commit)(struct store_put *p, const char *name, unsigned flags);
	void (*put_abort)(struct store_put *p);
	void (*close)(struct store *s);
};

/* First member of every implementation's own struct. */
struct store {
	const struct store_ops *ops;
	const struct log *log;
	char *url;        /* owned */
	char *local_path; /* owned; NULL if not local */
	_Atomic uint64_t counter[7]; /* in the order of struct store_counters */
};

/* First member of every implementation's own struct of an object being written. */
struct store_put {
	struct store *store;
	uint64_t len; /* bytes appended so far; kept by the wrapper */
};

#define STORE_NAME_DEPTH 3 /* components that a name may have */

/* Is ${name} one that store.h allows? */
bool store_name_valid(const char *name);

#endif
