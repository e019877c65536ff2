/*
 * A small repository for tests: a store in memory or in a directory, fresh secrets of all roles' parts, a config, the
 * sealing domains, an index in a temporary directory, and a log that keeps its messages.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_FIXTURE_H
#define VARVE_TEST_FIXTURE_H

#include "repo/index/index.h"
#include "repo/object/reader.h"
#include "repo/object/writer.h"
#include "repo/store/mem/store_mem.h"
#include "tests/lib/scratch.h"

#define FIXTURE_SEGMENT_SIZE (16u * 1024)
#define FIXTURE_PACK_SIZE (1u * 1024 * 1024)

struct fixture {
	struct scratch *scratch; /* its directory holds "cache" and perhaps "store" */
	const struct log *log;   /* the scratch's */
	struct store *store;
	struct secrets *secrets; /* an owner's */
	struct config config;
	struct seal_domain data, metadata;
	struct hash_key tree_id;
	struct index *index;
	uint32_t run_objects;    /* for fixture_writer(); 0: the default */
	size_t cache_bytes;      /* for fixture_reader(); 0: the least */
};

enum fixture_store { FIXTURE_MEM, FIXTURE_DIR };

/* Make one; the store holds "config".  Segments of FIXTURE_SEGMENT_SIZE, packs of FIXTURE_PACK_SIZE, small chunks. */
void fixture_open(struct fixture *f, enum fixture_store store);

/* Close it and remove its directory.  Writers and readers of it must be closed. */
void fixture_close(struct fixture *f);

/* As cmocka's setup and teardown, with *state a struct fixture over a store in memory, or in a directory. */
int fixture_setup(void **state);
int fixture_setup_dir(void **state);
int fixture_teardown(void **state);

/* Close the index, delete it, and open an empty one, as on another machine. */
void fixture_forget_index(struct fixture *f);

/* A writer or reader of the repository with all keys; the caller closes it. */
struct object_writer *fixture_writer(struct fixture *f);
struct object_reader *fixture_reader(struct fixture *f);

/* Options as those two take them, to change and open oneself. */
void fixture_writer_options(struct fixture *f, struct object_writer_options *out);
void fixture_reader_options(struct fixture *f, struct object_reader_options *out);

/**
 * fixture_store_chunks(f, w, data, len, n, id):
 * Name ${n} chunks of ${len} bytes each, one after the other at ${data}, and give those that are new to the writer in
 * segments of the repository's size.  ${id[n]} are their ids.  Return what the writer returned.
 */
int fixture_store_chunks(struct fixture *f, struct object_writer *w, const uint8_t *data, uint32_t len, unsigned n,
    struct id *id);

/* Has a message with ${text} in it been logged?  And forget all messages. */
static inline bool fixture_logged(struct fixture *f, const char *text)
{
	return scratch_logged(f->scratch, text);
}

static inline void fixture_log_clear(struct fixture *f)
{
	scratch_log_clear(f->scratch);
}

/* Reproducible bytes: those that do not compress, and those that do (about four to one). */
void fixture_noise(uint64_t seed, void *out, size_t len);
void fixture_text(uint64_t seed, void *out, size_t len);

/* Name of the ${nth} object, in order of names, below ${prefix}.  Return ${out}. */
char *fixture_object(struct fixture *f, const char *prefix, unsigned nth, char out[STORE_NAME_MAX + 1]);

/* In a store in memory: invert a bit of that object at byte ${offset}, from the end if negative; or cut it short. */
void fixture_damage(struct fixture *f, const char *prefix, unsigned nth, int64_t offset);
void fixture_truncate(struct fixture *f, const char *prefix, unsigned nth, uint64_t len);

/* Number of objects below ${prefix}. */
unsigned fixture_count(struct fixture *f, const char *prefix);

#endif
