/*
 * For the parts of the replica store only.
 */
#ifndef VARVE_STORE_REPLICA_IMPL_H
#define VARVE_STORE_REPLICA_IMPL_H

#include "repo/store/replica/health.h"
#include "repo/store/store_impl.h"
#include "repo/util/told.h"

#define REPLICA_CONFIG_MAX (64u * 1024) /* more than any config has */

enum identity { IDENTITY_UNKNOWN, IDENTITY_SAME, IDENTITY_OTHER };

struct store_replica {
	struct store base;
	struct store *member[REPLICA_MEMBERS_MAX]; /* the first may be NULL */
	unsigned n;
	struct health health;
	struct told told;
	pthread_mutex_t identity_lock; /* of ${config}, and of judging by it; nobody is asked under it */
	_Atomic int identity[REPLICA_MEMBERS_MAX];
	struct buf config;             /* the object of the first member that had one */
	unsigned config_of;
};

/* One read; which fields it has follows from ${fn}. */
struct ask {
	int (*fn)(struct store *member, struct ask *a);
	const char *operation, *name;
	bool is_list;
	bool delivered;     /* list: ${list_fn} has been called */
	bool final;         /* list: what ${fn} returned is ${list_fn}'s */
	uint64_t off;
	size_t len;         /* get, get_all: how much at most */
	void *into;
	struct buf *append;
	uint64_t *size;
	enum store_class *state; /* thaw */
	unsigned days;
	store_list_fn *list_fn;
	void *arg;
	bool names_only;
};

/* Messages say where something is by this; the primary's URL is known even if it could not be opened. */
const char *replica_url(const struct store_replica *r, unsigned i);

/* Is ${i} the number of a store that can be used at all: opened, and not of another repository? */
bool replica_usable(struct store_replica *r, unsigned i);

/**
 * replica_ask(r, a, i):
 * Ask one member, once it is sure that it is of this repository, and keep account of its health.  Return what it
 * returned, or -EIO (logged) if it is not used.
 */
int replica_ask(struct store_replica *r, struct ask *a, unsigned i);

/* The config that member ${i} gave is damaged: find out anew who is of this repository. */
void replica_judge_anew(struct store_replica *r, unsigned i);

/* The answer -EAGAIN, for the cause that member ${i} gave last. */
int replica_transient(struct store_replica *r, unsigned i);

/* Read from the first member that answers well.  Return as store_impl.h has it for the operation. */
int replica_read(struct store_replica *r, struct ask *a);

/* Operations of store_impl.h. */
int replica_thaw(struct store *s, const char *name, unsigned days);
int replica_thaw_state(struct store *s, const char *name, enum store_class *out);

#endif
