/*
 * Object reader: objects by id out of sealed segments, through a bounded cache of opened segments.
 *
 * A segment that several threads want at once is fetched and opened once (single flight).  The cache counts all its
 * memory, the segments in use included; it exceeds its bound only by what is in use beyond it.
 *
 * Errors of all functions: -EBADMSG if the object, its pack or its index entry is missing, damaged or not authentic
 * (the store is at fault and will not mend itself); -EIO, -ETIMEDOUT if the store could not be asked; -EACCES if this
 * role has not the key (an auditor reading contents; logged the first time only); -EPROTONOSUPPORT; -ENOMEM.  Never
 * -ENOENT: an object that a verified tree names and that is not there is damage, not absence.  Each is logged once,
 * here or in the store, with object or pack.  A pack that has gone since its place became known, as a prune has moved
 * what was in it, is no error: the index is brought up to date and the object read where it is now.
 *
 * Thread-safe.
 */
#ifndef VARVE_OBJECT_READER_H
#define VARVE_OBJECT_READER_H

#include "repo/index/index.h"

/* An opened segment, shared and counted. */
struct segment {
	const uint8_t *data; /* plaintext, without the codec byte */
	uint32_t len;
};

/* How often one object may turn out to have been moved, or to have one more place in a pack that is gone. */
#define OBJECT_MOVES_MAX 16

struct object_reader;

struct object_reader_options {
	struct store *store;
	struct index *index;
	const struct seal_domain *data;     /* all borrowed until object_reader_free() */
	const struct seal_domain *metadata;
	const struct hash_key *object_id;   /* NULL if this role has none: contents cannot be verified by id */
	const struct hash_key *tree_id;
	uint32_t segment_size;
	size_t cache_bytes;                 /* opened segments kept; at least 4 MiB is used */
	const struct log *log;
};

struct object_reader_counters {
	uint64_t segments_opened; /* fetched from the store and opened */
	uint64_t segments_shared; /* answered by the cache */
	uint64_t cache_bytes;     /* held now */
};

/* Return 0 or -ENOMEM.  All segments must have been given back before free, which does nothing for NULL. */
int object_reader_new(const struct object_reader_options *opts, struct object_reader **out);
void object_reader_free(struct object_reader *r);

/**
 * object_place(r, kind, id, out):
 * Where the object is.  If the index does not know it, it asks the store (index_resolve()): the object may be of a
 * snapshot newer than this process, or the index too large to be loaded for it.
 */
int object_place(struct object_reader *r, enum pack_kind kind, const struct id *id, struct place *out);

/**
 * object_moved(r, id, place):
 * For who has used object_place() to read by himself: the pack of ${place} is not in the store.  Return true if it is
 * worth to ask for the object's place again, as a prune may have moved it.
 */
bool object_moved(struct object_reader *r, const struct id *id, const struct place *place);

/**
 * object_segment(r, kind, place, n, out, skip, take, off):
 * Open the ${n}-th segment of a place (place_segment()).  ${*out} is the caller's to give back with segment_put(); it
 * holds bytes [${*off}, ${*off} + ${*take}) of the object from its byte ${*skip} on: authenticated, but not verified by
 * the object's id.  -ESTALE (not logged) if the pack is not in the store: the object may have been moved to another,
 * and the functions below look for it there.
 */
int object_segment(struct object_reader *r, enum pack_kind kind, const struct place *place, unsigned n,
    struct segment **out, uint32_t *skip, uint32_t *take, uint32_t *off);
void segment_put(struct object_reader *r, struct segment *s);

/**
 * object_read(r, kind, id, max, out):
 * Append the whole object to ${out} (unchanged on failure) and verify that its bytes hash to ${id} (contents: if this
 * role has the object-id key).  -EBADMSG also if it has more than ${max} bytes.
 */
int object_read(struct object_reader *r, enum pack_kind kind, const struct id *id, size_t max, struct buf *out);

/* A chunk that is wanted, and how long it is to be: what says otherwise than its span is damaged. */
struct object_wanted {
	const struct id *id;
	uint32_t len;
};

/**
 * object_read_range(r, w, off, len, out):
 * Copy bytes [${off}, ${off} + ${len}) of a chunk to ${out}; -EBADMSG if it ends before, or is of another length than
 * is wanted.  Opens only the segments that hold them.  The segments are authenticated; the chunk's id is verified where
 * it lies in one segment (once as long as that is in the cache) or is read as a whole.
 */
int object_read_range(struct object_reader *r, const struct object_wanted *w, uint32_t off, uint32_t len,
    uint8_t *out);

/**
 * object_read_many(r, wanted, n, out):
 * Append ${n} chunks, at most OBJECT_READ_MAX, one after the other to ${out} (unchanged on failure); they are verified
 * side by side.  Errors as object_read(), of the first chunk that has one; -EBADMSG, too, for one of another length.
 */
#define OBJECT_READ_MAX 16
int object_read_many(struct object_reader *r, const struct object_wanted *wanted, unsigned n, struct buf *out);

/**
 * object_prefetch(r, ids, n):
 * Bring the segments of ${n} chunks, at most OBJECT_PREFETCH_MAX, into the cache, for somebody who is about to read
 * them, and verify those that lie in one segment, side by side.  What cannot be read or verified is left to whoever
 * reads it.
 */
#define OBJECT_PREFETCH_MAX 16
void object_prefetch(struct object_reader *r, const struct id *ids, unsigned n);

/* Figures so far. */
void object_reader_counters(struct object_reader *r, struct object_reader_counters *out);

#endif
