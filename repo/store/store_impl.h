/*
 * For store implementations only: what stands behind the wrappers of store.h.
 */
#ifndef VARVE_STORE_STORE_IMPL_H
#define VARVE_STORE_STORE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "repo/store/store.h"

/*
 * Semantics are those of the wrappers.  The wrappers have checked the names, that ${off + len} and the length of a put
 * do not overflow, and do the counting; ${get} is for one byte at least, and returns -EBADMSG for a short object.
 * ${get_all} is an operation of its own because a store can do it in one request; it may leave a part in ${out} on
 * failure, which the wrapper takes away.  ${close} frees the implementation's state and struct store itself, with
 * ${url} and ${local_path}.
 *
 * A store that may go away answers -EAGAIN (store_transient()) to any of these, and is then asked again:
 *
 *   get, get_once, get_all, stat, del, info, thaw, thaw_state, retain
 *                                   from the start
 *   list, list_names                from the start; ${fn} may have been called for some names by then, and does not see
 *                                   them twice (retry/ sees to it).  What ${fn} returns is no failure of the store.
 *   put_begin, put_append           never answer -EAGAIN: they spool, and speak to no server
 *   put_commit                      ${p} is NOT freed and still has the whole object.  put_commit() with the same name
 *                                   and flags may follow, any number of times, or put_abort().  The store may keep in
 *                                   ${p} how far it came (parts that are uploaded) and go on from there.  Any other
 *                                   answer frees ${p}, as store.h has it.
 *
 * An unclear failure of put_commit or del (no answer came: it may have been done) is -EAGAIN too: names are immutable,
 * and after STORE_EXCL retry/ finds out whose object it is that exists.
 */
struct store_ops {
	int (*get)(struct store *s, const char *name, uint64_t off, size_t len, void *out);
	int (*get_in)(struct store *s, const char *name, uint64_t size, uint64_t off, size_t len,
	    void *out); /* NULL: as get */
	int (*get_once)(struct store *s, const char *name, uint64_t off, size_t len, void *out,
	    size_t room); /* NULL: as get */
	int (*get_all)(struct store *s, const char *name, size_t max, struct buf *out);
	int (*distrust)(struct store *s, const char *name, uint64_t off, uint64_t len); /* NULL: -ENOENT */
	void (*follows)(struct store *s, const char *name, const char *next, uint64_t size); /* NULL: nothing to do */
	int (*stat)(struct store *s, const char *name, uint64_t *size);
	int (*list)(struct store *s, const char *prefix, store_list_fn *fn, void *arg);
	int (*list_names)(struct store *s, const char *prefix, store_list_fn *fn, void *arg); /* NULL: as list */
	int (*del)(struct store *s, const char *name);
	int (*info)(struct store *s, struct store_info *out);
	int (*thaw)(struct store *s, const char *name, unsigned days); /* NULL: -ENOTSUP */
	int (*thaw_state)(struct store *s, const char *name, enum store_class *out); /* NULL: STORE_READABLE */
	int (*retain)(struct store *s, const char *name, int64_t until); /* NULL: -ENOTSUP */
	unsigned (*retain_days)(const struct store *s); /* NULL: 0 */
	int (*put_begin)(struct store *s, struct store_put **out);
	void (*put_keep)(struct store_put *p); /* NULL: nothing is kept */
	int (*put_append)(struct store_put *p, const void *data, size_t len);
	int (*put_commit)(struct store_put *p, const char *name, unsigned flags);
	void (*put_abort)(struct store_put *p);
	void (*close)(struct store *s);
};

/* The last failure of a store that may go away, for whoever decides about trying again. */
struct store_trouble {
	pthread_mutex_t lock;
	char cause[240];       /* "" if there was none */
	int64_t not_before_ms; /* the server asked to be left alone until then, on CLOCK_MONOTONIC; 0: it did not */
};

/* What is known of the object "config", without which there is no repository.  Kept by the wrappers. */
enum store_config {
	STORE_CONFIG_UNKNOWN,
	STORE_CONFIG_SEEN,
	STORE_CONFIG_ABSENT, /* who opened the store has been told so: there is nothing here */
};

/* First member of every implementation's own struct. */
struct store {
	const struct store_ops *ops;
	const struct log *log;
	char *url;        /* owned */
	char *local_path; /* owned; NULL if not local */
	_Atomic uint64_t counter[7]; /* in the order of struct store_counters */
	atomic_int config;           /* enum store_config */
	struct store_trouble trouble; /* remote stores: between store_init() and store_destroy() */
};

/* First member of every implementation's own struct of an object being written. */
struct store_put {
	struct store *store;
	uint64_t len; /* bytes appended so far; kept by the wrapper */
	uint64_t sent; /* of them, safe at the server after -EAGAIN; kept by stores that commit in parts */
};

/**
 * store_init(s, ops, opts, url, local_path), store_destroy(s):
 * Set up the common part of a store that is all zero; copy ${url} (without secrets) and ${local_path} (may be NULL).
 * Return 0 or -ENOMEM.  store_destroy() frees what it made, not ${s}.
 */
int store_init(struct store *s, const struct store_ops *ops, const struct log *log, const char *url,
    const char *local_path);
void store_destroy(struct store *s);

/**
 * store_transient(s, wait_ms, fmt, ...):
 * Note that a request failed for a cause that may go away ("get packs/12/...: the server answered 503"), and that the
 * server asked to wait ${wait_ms} (0: it did not).  Logged as debug text: it is for the retries around the store to
 * tell it, once they give up.  Return -EAGAIN, which no user of store.h sees.
 */
int store_transient(struct store *s, unsigned wait_ms, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Does the server see ${name}?  Return 0; -ENOENT if it says no, rightly or not; others as in store.h, and -EAGAIN. */
typedef int store_look_fn(struct store *s, const char *name);

/**
 * store_absent(s, operation, name, look):
 * The server has just said that there is no ${name}.  That is certain only if it sees the repository: a disk behind it
 * may not be mounted, which leaves an empty directory, or a proxy may answer for a server that restarts.  So "config"
 * is looked for, and if it is there ${name} once more, as the server may have come back in between.  Nothing of this is
 * remembered: a disk may go at any moment, and what is absent is asked for seldom.  Return -ENOENT if it is absent,
 * also if ${s->config} says that there is no repository; -EAGAIN by store_invisible(), or if it is there now; what
 * ${look} returned.
 */
int store_absent(struct store *s, const char *operation, const char *name, store_look_fn *look);

/* store_transient() for a repository that is not where it was. */
int store_invisible(struct store *s, const char *operation, const char *name);

/**
 * store_may_make(s, creates, look):
 * May directories that are missing be made?  Not if the repository is not visible: what is put would lie below where
 * its disk belongs, and be hidden as soon as that is mounted.  ${creates}: it is being made, unless a config was seen.
 * Return 0; -EAGAIN by store_invisible(); what ${look} returned.
 */
int store_may_make(struct store *s, bool creates, store_look_fn *look);

/* Log that an object ends before the ${len} bytes at ${off}, or has more than ${max}.  Return -EBADMSG. */
int store_too_short(struct store *s, const char *name, uint64_t off, size_t len);
int store_too_long(struct store *s, const char *name, size_t max);

/* The last one: copies its cause; returns until when to wait (struct store_trouble). */
int64_t store_last_trouble(struct store *s, char *cause, size_t size);

/* Now, in milliseconds of CLOCK_MONOTONIC. */
int64_t store_now_ms(void);

/*
 * The openers behind store_open(), a scheme each: a bare store, which answers -EAGAIN (store_transient()) to what may
 * go away, and does not try again by itself.
 */
typedef int store_opener(const struct store_options *opts, struct store **out);

#define STORE_CONFIG "config" /* the object that every repository has */
#define STORE_NAME_DEPTH 3 /* components that a name may have */

/* Is ${name} one that store.h allows? */
bool store_name_valid(const char *name);

#endif
