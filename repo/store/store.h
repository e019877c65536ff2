/*
 * Store: a flat set of named, immutable byte objects.  Names are "config" or "kind/.../hex": one to three components of
 * [a-z0-9] characters, "/" between them, and the first is not "tmp".  Any other name is refused with -EINVAL.
 *
 * A store is a struct of functions (store_impl.h) behind the wrappers below; behaviour is added by stores around a
 * store.  All functions may be called from several threads on one store; one store_put belongs to one thread at a time.
 *
 * Errors: -ENOENT only if the store is certain that there is no such object; -EEXIST (STORE_EXCL); -ENOSPC; -EACCES;
 * -EROFS; -ETIMEDOUT after the request's deadline; -ECANCELED; -EIO for everything else that went wrong.  Each failure
 * but -ENOENT, -EEXIST and -ECANCELED has been logged here, with operation, name and cause, before the call returns.
 */
#ifndef VARVE_STORE_STORE_H
#define VARVE_STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repo/util/bytes/buf.h"
#include "repo/util/log.h"

#define STORE_NAME_MAX 255 /* bytes, without the NUL */

struct store;     /* a store */
struct store_put; /* an object being written */

/* What happened to a store since it was opened. */
struct store_counters {
	uint64_t gets, get_bytes;
	uint64_t puts, put_bytes;
	uint64_t stats, lists, deletes;
};

struct store_info {
	uint64_t total_bytes; /* size of what holds the store; 0 if unknown */
	uint64_t free_bytes;
};

/* How long a request may go without progress, in milliseconds, unless the options say otherwise. */
#define STORE_DEADLINE_DEFAULT_MS 30000u

#define STORE_REPLICAS_MAX 8

/* What store_open() is told.  Zero is the default of everything but ${url}.  All borrowed as long as the store. */
struct store_options {
	const char *url;
	const char *const *replicas;   /* URLs of further stores of the same repository, in order of preference */
	unsigned nreplicas;            /* at most STORE_REPLICAS_MAX */
	bool create;                   /* make the place if it is missing */
	const char *spool_dir;         /* where sealed bytes wait for their upload; NULL: $TMPDIR, /var/tmp */
	const char *ca_file;           /* PEM file of the authorities to trust; NULL: the system's */
	unsigned deadline_ms;          /* remote stores: a request fails after that long without progress */
	uint64_t upload_rate, download_rate; /* bytes a second of all requests together; 0: without limit */
	const atomic_int *cancel;      /* not 0: requests end soon with -ECANCELED; may be NULL */
	const struct log *log;
};

/**
 * store_open(opts, out):
 * Open the store at ${opts->url}: a path or "file:///path", or one of the remote stores (docs/stores.md).  With
 * ${opts->create}, make the directory (one level) and its parts if they are missing; without, nothing is written.  A
 * remote store comes with its retries, and with replicas in one (replica/store_replica.h); it is not asked for anything
 * yet.  ${*out} is owned by the caller (store_close).  Return 0; -ENOENT if there is nothing there; -ENOTDIR;
 * -EPROTONOSUPPORT for a scheme that this build has no store for; -EINVAL for a malformed URL; others as above.  All
 * failures are logged.  What has no "scheme://" at its front is a path, even with a ":" in it; in a URL, %XX stands for
 * a byte.
 */
int store_open(const struct store_options *opts, struct store **out);

/* Close it and what it stands on.  Does nothing for NULL. */
void store_close(struct store *s);

/* The URL for messages, without secrets.  Borrowed as long as the store. */
const char *store_url(const struct store *s);

/* Where the store's messages go, for those of what was read from it.  Borrowed as long as the store; may be NULL. */
const struct log *store_log(const struct store *s);

/* Is ${url} neither a path nor of a file ("file://")?  It need not be one that can be opened. */
bool store_url_is_remote(const char *url);

/**
 * store_local_path(s):
 * The absolute path of the directory that holds the objects, or NULL if they are not in a local directory.  Borrowed as
 * long as the store.  (Mounts, restores and backups keep out of it.)
 */
const char *store_local_path(const struct store *s);

/**
 * store_get(s, name, off, len, out):
 * Read exactly ${len} bytes at byte ${off} into ${out}, which is undefined on failure.  Return 0; -ENOENT; -EBADMSG if
 * the object ends before ${off + len} (logged); others as above.
 */
int store_get(struct store *s, const char *name, uint64_t off, size_t len, void *out);

/**
 * store_get_once(s, name, off, len, out, room):
 * As store_get(), for those who read whole objects from front to end and not again: a directory need not leave them in
 * the system's memory, which costs less if ${out} and ${off} are multiples of 4096.  ${out} has ${room} bytes, which
 * may all be overwritten; up to 4095 more than ${len} are of use.
 */
int store_get_once(struct store *s, const char *name, uint64_t off, size_t len, void *out, size_t room);

/**
 * store_get_in(s, name, size, off, len, out):
 * As store_get(), of an object that is known to have ${size} bytes: a cache may fetch more of it, and keep that.
 */
int store_get_in(struct store *s, const char *name, uint64_t size, uint64_t off, size_t len, void *out);

/**
 * store_get_all(s, name, max, out):
 * Append the whole object to ${out} (unchanged on failure).  Return 0; -ENOENT; -EBADMSG if it has more than ${max}
 * bytes (logged); -ENOMEM; others as above.
 */
int store_get_all(struct store *s, const char *name, size_t max, struct buf *out);

/**
 * store_distrust(s, name, off, len):
 * Say that these bytes of an object, as they were returned, are damaged: a cache forgets them, a replica is passed over
 * for this object.  Return 0 if asking again may give other bytes (then do, once); -ENOENT if not.  A replica logs
 * which store it was, else nothing is logged.
 */
int store_distrust(struct store *s, const char *name, uint64_t off, uint64_t len);

/**
 * store_follows(s, name, next, size):
 * Say that ${next}, an object of ${size} bytes, was stored after ${name}: who reads one in its order to its end may go
 * on with the other, and a cache may fetch that ahead for him.
 */
void store_follows(struct store *s, const char *name, const char *next, uint64_t size);

/* Size of an object in bytes.  Return 0, -ENOENT, others as above. */
int store_stat(struct store *s, const char *name, uint64_t *size);

/**
 * store_list(s, prefix, fn, arg):
 * Call ${fn} once for each object whose name begins with ${prefix} (which ends at a "/", or is empty), in no particular
 * order.  ${name} is borrowed for the call.  Objects that come or go meanwhile may or may not be seen.  A non-zero
 * return of ${fn} ends the listing and is returned.  Return 0 at the end (also if there are none); others as above.
 */
typedef int store_list_fn(void *arg, const char *name, uint64_t size);
int store_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg);

/*
 * As store_list(), for those who want names only: ${size} may be 0, and in a directory an object that has just been
 * removed may be named.  A directory need not be asked about each file then.
 */
int store_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg);

/*
 * Remove an object.  Return 0 (also if it was gone already); others as above.  Where there may be power cuts it stays
 * removed, and before whatever is removed later; only a pack may come back.
 */
int store_delete(struct store *s, const char *name);

/*
 * Where an object is kept.  Some classes of object stores are archives: what is in them is stated and listed as ever,
 * but a get fails (-EIO, with a message that says so) until the object has been thawed, which takes minutes to days.
 */
enum store_class {
	STORE_READABLE, /* readable: not in an archive, or thawed */
	STORE_ARCHIVED, /* store_thaw() must be called, and then waited for */
	STORE_THAWING,  /* on its way */
};

/**
 * store_thaw(s, name, days):
 * Ask that an archived object be made readable, for ${days} days where the store limits it.  Does not wait.  Return 0
 * (also if it is readable or thawing already); -ENOTSUP if this store has no archives (not logged: all objects are
 * readable); -ENOENT; others as above.
 */
int store_thaw(struct store *s, const char *name, unsigned days);

/* Is it readable?  Return 0, -ENOENT, others as above; a store without archives says STORE_READABLE. */
int store_thaw_state(struct store *s, const char *name, enum store_class *out);

/**
 * store_retain(s, name, until):
 * Have the store refuse to delete or replace the object before ${until} (seconds since 1970), whoever asks; a
 * retention that ends later stays.  Return 0; -ENOTSUP if the store was opened without locks (not logged); -ENOENT;
 * others as above.
 */
int store_retain(struct store *s, const char *name, int64_t until);

/* How many days from now objects of this store are to be retained: what it was opened with; 0: not at all. */
unsigned store_retain_days(const struct store *s);

/* Figures for statfs.  Return 0, or a negative errno if the store has none. */
int store_info(struct store *s, struct store_info *out);

/**
 * store_put_begin(s, out):
 * Begin an object whose name is not yet known (it is often the hash of the bytes).  Nothing is visible before the
 * commit.  ${*out} is owned by the caller until commit or abort.  Return 0; others as above.
 */
int store_put_begin(struct store *s, struct store_put **out);

/*
 * How many commits of large objects to have on their way at once.  A disk writes one after the other, so that two keep
 * it busy; what goes over a network waits for round trips, and for a connection to get up to speed.
 */
unsigned store_parallel_puts(const struct store *s);

/* Say, before the first byte, that this machine will read the object again: a cache around the store keeps it then. */
void store_put_keep(struct store_put *p);

/* Append ${len} bytes.  Return 0, or an error after which only store_put_abort() may follow. */
int store_put_append(struct store_put *p, const void *data, size_t len);

enum store_put_flags {
	STORE_EXCL = 1,    /* fail with -EEXIST if the name exists (atomic where the store can) */
	STORE_REPLACE = 2, /* what has the name is damaged: put this in its place (atomic where the store can) */
};

/**
 * store_put_commit(p, name, flags):
 * Publish the object under ${name}, whole or not at all, and return only when it is durable: it survives a power cut.
 * Without either flag an existing object of that name is the same object (names are hashes or random) and stays or is
 * replaced.  ${p} is freed in any case (but for the -EAGAIN of a bare store: store_impl.h).  Return 0; -EEXIST; others
 * as above.
 */
int store_put_commit(struct store_put *p, const char *name, unsigned flags);

/* Give up; nothing remains.  Does nothing for NULL. */
void store_put_abort(struct store_put *p);

/* begin, append, commit in one. */
int store_put(struct store *s, const char *name, const void *data, size_t len, unsigned flags);

/* Requests and bytes so far. */
void store_get_counters(const struct store *s, struct store_counters *out);

#endif
