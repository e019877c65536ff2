/*
 * For store_retry.c, which asks until there is an answer, and retry_put.c, what is put.
 */
#ifndef VARVE_STORE_RETRY_IMPL_H
#define VARVE_STORE_RETRY_IMPL_H

#include "repo/store/retry/patience.h"
#include "repo/store/retry/seen.h"
#include "repo/store/store_impl.h"

struct store_retry {
	struct store base;
	struct store *lower;
	struct patience patience;
};

/* One operation; which fields it has follows from ${ask}. */
struct retry_call {
	int (*ask)(struct store *lower, struct retry_call *c);
	const char *operation, *name;
	bool once;          /* not to be tried again */
	bool final;         /* what ${ask} returned is not the store's, but a caller's function's */
	unsigned tries;     /* that have failed */
	uint64_t off;       /* get */
	size_t len;         /* get, get_all: how much at most */
	void *into;
	struct buf *append;
	uint64_t *size;     /* stat */
	struct store_info *info;
	store_list_fn *fn;  /* list */
	void *arg;
	bool names_only;
	struct seen seen;
	struct store_put *put; /* put; NULL once it is gone */
	unsigned flags;
	unsigned days;      /* thaw */
	enum store_class *state;
	int64_t until;      /* retain */
	uint64_t sent;      /* as it was after the last attempt */
};

static inline struct store_retry *retry_of(struct store *s)
{
	return (struct store_retry *)s;
}

/* Ask until there is an answer, or the patience is at its end.  Return the operation's result. */
int retry_run(struct store_retry *r, struct retry_call *c);

/* Operations of the store; see store_impl.h. */
int retry_get_all(struct store *s, const char *name, size_t max, struct buf *out);
int retry_put_begin(struct store *s, struct store_put **out);
int retry_put_append(struct store_put *base, const void *data, size_t len);
int retry_put_commit(struct store_put *base, const char *name, unsigned flags);
void retry_put_abort(struct store_put *base);

#endif
