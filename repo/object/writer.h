/*
 * Object writer: names objects, groups new ones into segments, segments into packs, packs into index runs.
 *
 * Made for many workers and one committer:
 *
 *   worker:     segment_builder (one a thread): objects in, finished compressed segments out; object_claim() first, so
 *               that an object is stored once.
 *   committer:  object_writer_add_segment() in the order that the packs should have; seals, appends, enters.
 *
 * An object counts as known when a loaded index run has it, in a pack that is not about to be deleted (doomed/watch.h),
 * or when this writer has claimed it.  Places become visible
 * to others (and enter the local index) only when the run that names them is durable in the store.
 */
#ifndef VARVE_OBJECT_WRITER_H
#define VARVE_OBJECT_WRITER_H

#include "repo/doomed/watch.h"
#include "repo/index/index.h"
#include "repo/object/compress.h"
#include "repo/util/bytes/numset.h"

/* One object in a finished segment. */
struct segment_object {
	struct id id;
	uint32_t skip; /* first byte in the segment's plaintext */
	uint32_t len;  /* bytes */
};

/*
 * One finished segment, or all segments of an object that has its own: ${nboxes} bodies (codec byte and body) one after
 * the other in ${bytes}, each followed by CRYPT_TAG_LEN spare bytes.
 */
struct segment_out {
	enum pack_kind kind;
	uint32_t plain_len;  /* bytes of plaintext in all */
	unsigned nboxes;
	uint32_t box_len[PLACE_SEGMENTS_MAX]; /* codec byte and body, without the spare bytes */
	bool own;            /* the one object has these segments for itself */
	unsigned nobjects;
	struct segment_object *objects;
	struct buf bytes;
	struct segment_out *next; /* for the user's lists */
};

void segment_out_free(struct segment_out *s);

/* Groups the objects of one worker.  Not thread-safe. */
struct segment_builder;

/* ${level}: zstd's.  NULL if there is no memory. */
struct segment_builder *segment_builder_new(enum pack_kind kind, uint32_t segment_size, int level);
void segment_builder_free(struct segment_builder *b);

/**
 * segment_builder_add(b, id, data, len, out):
 * Add an object (copied).  If a segment is finished by it, append it to the list ${*out} (linked by next; the
 * caller frees).  An object larger than half of the segment size gets segments of its own, at once; what was gathered
 * before it goes on being gathered, as small files between large ones would not be grouped otherwise.  Return 0;
 * -EINVAL if ${len} is 0, above OBJECT_LEN_MAX or above PLACE_SEGMENTS_MAX segments; -ENOMEM: then the object was not
 * added.
 */
int segment_builder_add(struct segment_builder *b, const struct id *id, const void *data, uint32_t len,
    struct segment_out **out);

/* Finish what is gathered, if anything; appended to the list ${*out}.  Return 0 or -ENOMEM. */
int segment_builder_flush(struct segment_builder *b, struct segment_out **out);

/* Bytes of plaintext gathered and not yet finished. */
uint32_t segment_builder_pending(const struct segment_builder *b);

struct object_writer;

struct object_writer_options {
	struct store *store;
	struct index *index;
	const struct seal_domain *data;     /* all borrowed until object_writer_close() */
	const struct seal_domain *metadata;
	const struct hash_key *object_id;
	const struct hash_key *tree_id;
	uint32_t segment_size;
	uint32_t pack_size;                 /* bytes at which a pack is closed */
	uint32_t run_objects;               /* objects after which an index run is written; 0: default */
	int level;                          /* compression of tree objects */
	struct doom_watch *watch;           /* NULL: nothing is ever deleted from this repository */
	bool dry_run;                       /* count, but store nothing; some million new objects are told apart */
	const struct log *log;
};

struct object_writer_counters {
	uint64_t data_objects, data_bytes; /* new contents, plaintext */
	uint64_t tree_objects, tree_bytes; /* new tree objects, plaintext */
	uint64_t stored_bytes;             /* bytes put to the store: packs and runs */
	uint64_t packs, runs;
};

/* Open.  Return 0; -EACCES if this role cannot name or seal objects (logged); -ENOMEM. */
int object_writer_open(const struct object_writer_options *opts, struct object_writer **out);

/**
 * object_claim(w, kind, data, len, id):
 * Name ${len} bytes (any thread): ${*id} is their keyed hash under the key of ${kind}.  Return 1 if the object is new
 * and the caller must now store it; 0 if it is known or claimed by another; -EIO if the index failed: then the writer
 * is broken; -ENOMEM.
 */
int object_claim(struct object_writer *w, enum pack_kind kind, const void *data, size_t len, struct id *id);

/* The same in two steps, for who has many objects at hand: name them side by side, then claim one after the other. */
void object_name(struct object_writer *w, enum pack_kind kind, const struct hash_job *jobs, size_t n);
int object_claim_named(struct object_writer *w, const struct id *id);

/* Is the object stored or claimed (any thread)?  1, 0, or -EIO. */
int object_known(struct object_writer *w, const struct id *id);

/**
 * object_writer_add_segment(w, s):
 * Committer: append the finished segment to the pack of its kind and free it, in any case.  Closes packs that are full,
 * and puts an index run when enough objects wait for one.  Packs are made durable in the background: an error may be
 * that of an earlier call.  Return 0; -EINVAL if ${s} contradicts itself; -ENOMEM; -ESTALE if packs that this writer
 * relies on were doomed meanwhile (doom_watch_look()); what the store returns: then the writer is broken, all further
 * calls return the same, and only object_writer_close() is of use.
 */
int object_writer_add_segment(struct object_writer *w, struct segment_out *s);

/**
 * object_writer_put(w, data, len, id):
 * Committer: store a tree object if it is new.  Return 0; -EINVAL; -ENOMEM; what the store returns.
 */
int object_writer_put(struct object_writer *w, const void *data, size_t len, struct id *id);

/* Committer, now and then: see to it that what is relied on stays (doom_watch_tell()).  Return as add_segment. */
int object_writer_tick(struct object_writer *w);

/* Committer: close all packs and put the last run.  Everything is durable after it.  Return as add_segment. */
int object_writer_finish(struct object_writer *w);

/* Close; what was not finished is given up.  Does nothing for NULL. */
void object_writer_close(struct object_writer *w);

/*
 * The index's numbers of the packs that objects were found in, which this writer did not store again.  Borrowed; to be
 * iterated over once all workers have ended.
 */
const struct numset *object_writer_relied(const struct object_writer *w);

/* Figures so far (any thread). */
void object_writer_counters(struct object_writer *w, struct object_writer_counters *out);

#endif
