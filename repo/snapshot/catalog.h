/*
 * Catalog: the snapshots that a repository has now, ordered by time.
 *
 * A listing of the store gives ids and times; manifests are read when asked for, through the index's cache of sealed
 * manifests.
 *
 * A catalog is immutable once loaded: any number of threads may use it.
 */
#ifndef VARVE_SNAPSHOT_CATALOG_H
#define VARVE_SNAPSHOT_CATALOG_H

#include <sys/types.h>

#include "repo/index/index.h"
#include "repo/snapshot/manifest/manifest.h"
#include "repo/snapshot/revocations.h"
#include "repo/snapshot/witness/witness.h"
#include "repo/util/text/when.h"

struct catalog;

struct snapshot {
	struct id id;
	int64_t time_ns; /* as the id says */
};

struct catalog_options {
	struct store *store;                /* all borrowed until catalog_free() */
	struct index *index;
	const struct secrets *secrets;
	const struct seal_domain *metadata;
	struct revocations *revocations;    /* NULL: none is heeded */
	struct witness *witness;                  /* what was seen before; NULL: nothing */
	const struct log *log;
	bool again;                         /* listed before: strange names have been warned of */
};

/*
 * List the store, snapshots before revocations: so of a snapshot in the list no revocation is missed that was there
 * before it.  What is withheld, by what was seen before, is logged.  Return 0, -ENOMEM, what the store returns.
 */
int catalog_load(const struct catalog_options *opts, struct catalog **out);
void catalog_free(struct catalog *c);

/* Snapshots, oldest first; the ${i}-th, borrowed until catalog_free(). */
size_t catalog_count(const struct catalog *c);
const struct snapshot *catalog_at(const struct catalog *c, size_t i);

/* What was seen here before, and the store withholds (seen.h); borrowed until catalog_free(). */
struct withheld {
	struct id id;
	bool revocation; /* else a snapshot */
};
const struct withheld *catalog_withheld(const struct catalog *c, size_t *n);

/* Index of the snapshot with this id; -1 if there is none. */
ssize_t catalog_find(const struct catalog *c, const struct id *id);

/**
 * catalog_manifest(c, i, out):
 * Read and verify the manifest of the ${i}-th: from the index's cache of sealed manifests, else from the store (and
 * kept there).  ${out} is the caller's (manifest_destroy).  Return 0, or what manifest_open() and the store return; a
 * missing object is -EBADMSG; one that was made with a revoked key, or after its writer's certificate had expired, is
 * -EKEYREJECTED; logged by name.
 */
int catalog_manifest(const struct catalog *c, size_t i, struct manifest *out);

/*
 * The same for a snapshot known by its id alone, without a catalog.  -ENOENT (not logged) if it is neither in the
 * local cache nor in the store.
 */
int catalog_read_manifest(const struct catalog_options *o, const struct id *id, struct manifest *out);

/**
 * catalog_enter(index, m):
 * Somebody is about to read the tree of this snapshot: tell the index where the manifest says that its root page is, so
 * that it is found without an index run.  That may have ceased to be true: the runs are asked if it is not there.
 */
void catalog_enter(struct index *index, const struct manifest *m);

/* Which snapshots are meant: NULL or empty fields do not narrow.  ${path} is one of the source paths. */
struct snapshot_filter {
	const char *host, *tag, *path;
};

/* Does the ${i}-th match?  1, 0, or an error if its manifest cannot be read (only asked for if the filter narrows). */
int catalog_matches(const struct catalog *c, size_t i, const struct snapshot_filter *f);

/**
 * catalog_resolve(c, text, filter, utc, i):
 * Find the snapshot meant by ${text}: an id prefix (unique, 4 digits or more), "latest", "latest~N", or a time in any
 * form of when_parse() (the newest at or before it), among those that match; the newest is never one whose writer was
 * not entitled to make it.  Return 0; -ENOENT if there is none;
 * -ENOTUNIQ if a prefix is ambiguous; -EINVAL if ${text} is none of these forms; -ERANGE if it is a time that
 * when_parse() does not reach; others as above, if it cannot be told because a manifest cannot be read.  Not logged,
 * but for such manifests.
 */
int catalog_resolve(const struct catalog *c, const char *text, const struct snapshot_filter *filter, bool utc,
    size_t *i);

/**
 * catalog_split(text, snap, path):
 * Take "SNAP[:PATH]" apart, where SNAP may be a time with colons in it: ${*snap} is a copy (malloc, the caller's),
 * ${*path} points into ${text} ("" for none).  Return 0 or -ENOMEM.
 */
int catalog_split(const char *text, char **snap, const char **path);

/*
 * Newest snapshot of ${host} with exactly these paths, in any order (any paths if npaths is 0): index, or -1.  For
 * parents and chains: snapshots whose manifests cannot be read are logged and passed over.
 */
ssize_t catalog_newest(const struct catalog *c, const char *host, char *const *paths, uint32_t npaths);

#define SNAPSHOT_NAME_MAX 104 /* bytes with the NUL: a time and at worst a whole id */

/**
 * snapshot_name(s, style, utc, form, out):
 * A snapshot's name as a directory, the longer the higher ${form} is: 0 the time in ${style} (WHEN_MINUTES or
 * WHEN_GMT), 1 with seconds, 2 to 5 with 8, 16, 32, 64 digits of the id, so that the last is unique for sure.  Return
 * false, without a name, for any higher form.
 */
bool snapshot_name(const struct snapshot *s, enum when_style style, bool utc, unsigned form,
    char out[SNAPSHOT_NAME_MAX]);

#endif
