/*
 * Witness: what this machine has seen of a repository in a store, so that a store which shows another repository, or
 * the same one as it was before, is noticed.
 *
 * They are kept per URL, as copies of a repository may lag behind it, in the file
 *
 *   <cache dir>/seen/<first 32 digits of the BLAKE2b-256 of the URL without secrets>/<repository id, 32 digits>
 *
 * and are worth as much as that file: without it a store is believed, as it was the first time.  In it is nothing that
 * the store's operator does not see: ids of snapshots and revocations, and a keyed hash for each host.
 *
 *   heads        for each host the newest snapshot that was read here: a store that has neither it nor a newer one of
 *                that host has been rolled back, or somebody has forgotten a host's newest
 *   sightings    for each snapshot the last time that it was not in the list yet: what was not there after its writer's
 *                certificate had expired has been made later than it says; they stay when it is gone
 *   revocations  that were there: they are heeded also when the store no longer has them
 *
 * Thread-safe.  Several processes may use one file: it is read anew, changed, and replaced, under a lock.
 */
#ifndef VARVE_SNAPSHOT_WITNESS_H
#define VARVE_SNAPSHOT_WITNESS_H

#include "repo/crypt/crypt.h"
#include "repo/crypt/keys/secrets.h"
#include "repo/util/log.h"

struct witness;

#define WITNESS_HEADS_MAX 4096           /* hosts */
#define WITNESS_SIGHTINGS_MAX (1u << 20) /* the newest of so many snapshots are known by sight */
#define WITNESS_GONE_MAX (1u << 16)      /* so many more that are gone */
#define WITNESS_LATE_NS (86400 * INT64_C(1000000000)) /* clocks differ, and copies lag: see witness_made_late() */

struct witness_options {
	const char *cache_dir;
	const char *url;                /* without secrets */
	const struct secrets *secrets;  /* whose repository, and the owner's key; borrowed until witness_close() */
	bool recipient;                 /* it was opened for a public key: anybody may have made it */
	bool trust;                     /* what was seen before does not count */
	bool listings;                  /* the listings are this store's, and of now; else nothing follows from them */
	const struct log *log;
};

/* The newest snapshot of a host. */
struct witness_head {
	struct id host; /* witness_host() */
	struct id id;
	int64_t time_ns;
};

/**
 * witness_open(opts, out):
 * Read what was seen.  If that is nothing of this repository, but of another one at this URL, it is told: a warning,
 * or, for a recipient without ${opts->trust}, an error, as who put another repository there may know no more than the
 * recipient's public key.  Return 0; -EBADMSG (logged) for such an error, or if the owner's key is another; -ENOMEM.  A
 * file that cannot be read or is damaged is no failure: it is begun anew, with a warning.
 */
int witness_open(const struct witness_options *opts, struct witness **out);

/* Write what is new, and free.  Does nothing for NULL. */
void witness_close(struct witness *p);

/* The directory that the file is in.  Borrowed until witness_close(). */
const char *witness_path(const struct witness *p);

/* What a host is called here. */
void witness_host(const struct witness *p, const char *host, struct id *out);

/* The manifest of a snapshot of ${host} was read, which the store has listed. */
void witness_saw(struct witness *p, const char *host, const struct id *id, int64_t time_ns);

/* What a store has listed. */
struct witness_listing {
	const struct id *snapshots; /* the newest last */
	size_t nsnapshots;
	const struct id *revocations;
	size_t nrevocations;
	int64_t begun_ns;           /* when the listing began, by this machine's clock */
};

/* What was there before and is not in it.  The arrays are the caller's (witness_missing_free()). */
struct witness_missing {
	struct witness_head *heads;
	struct id *revocations;
	size_t nheads, nrevocations;
};

/**
 * witness_listed(p, l, out):
 * The store has listed this.  Return 0 or -ENOMEM.
 */
int witness_listed(struct witness *p, const struct witness_listing *l, struct witness_missing *out);
void witness_missing_free(struct witness_missing *m);

/* It has been told in this process that the head of this host, or this revocation, is missing; and has it? */
void witness_tell(struct witness *p, const struct id *what);
bool witness_was_told(struct witness *p, const struct id *what);

/* Somebody at this machine has forgotten a snapshot, so it will not be missed. */
void witness_forgotten(struct witness *p, const struct id *id);

/**
 * witness_made_late(p, id, expires_ns):
 * Was the snapshot not there more than WITNESS_LATE_NS after that time?  Whoever signed it with a certificate that
 * ended then has made it later than it says.
 */
bool witness_made_late(struct witness *p, const struct id *id, int64_t expires_ns);

#endif
