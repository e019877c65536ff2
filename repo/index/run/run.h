/*
 * Index runs: immutable sorted tables "object id -> place", in the store as "index/<id>" (BLAKE2b-256 of all bytes).
 *
 *   0  magic "VARVEIX1", zero (8)                         16
 *  16  boxes, one after the other, in any order: AEAD (position: byte offset; associated data: bytes 0..16, a letter
 *      for the kind of box, byte offset le64)
 *        'C' object block: records in ascending order of id: id (32), pack number le32, place record (place.h);
 *            all ids of a block are above those of the object block before it
 *        'P' pack block: 512 records (the last block fewer) of pack id (32), kind u8, zero u8[3], size le32, wrapped
 *            key (80); pack numbers count from 0 through all pack blocks
 *        'F' footer, the last box:
 *            objects le64, packs le32, object blocks le32, pack blocks le32, replaced runs le32
 *            per object block: first 16 bytes of its first id, byte offset le64, box length le32, records le32
 *            per pack block:   byte offset le64, box length le32, records le32
 *            per replaced run: its id (32); a run that merges others says so, and theirs are then ignored
 *  -96 wrapped key (metadata domain) (80), byte offset of the footer le64, its length le32, magic "VIX1"
 *
 * So a reader that wants one object needs the end of the run and two blocks, whatever the run's size.  The key stands
 * at the end so that the end is one request; nobody needs to read the beginning.
 */
#ifndef VARVE_INDEX_RUN_H
#define VARVE_INDEX_RUN_H

#include "repo/pack/pack.h"

#define RUN_BLOCK_LEN (64u * 1024)        /* plaintext at which an object block is closed */
#define RUN_BLOCK_MAX (256u * 1024)       /* what a reader accepts */
#define RUN_PACKS_PER_BLOCK 512
#define RUN_FOOTER_MAX (256u * 1024 * 1024)
#define RUN_NAME_SIZE 72

/* Store name of a run: "index/<64 digits>".  Return ${out}. */
char *run_name(const struct id *id, char out[RUN_NAME_SIZE]);

/* A run being written.  Not thread-safe. */
struct run_writer;

/**
 * run_begin(store, metadata, out):
 * Begin.  ${metadata} is borrowed until commit or abort.  Return 0; -EACCES if this role cannot seal; -ENOMEM; what the
 * store returns.
 */
int run_begin(struct store *store, const struct seal_domain *metadata, struct run_writer **out);

/* As run_begin(), for a run that this machine reads next: a cache around the store keeps it. */
int run_begin_kept(struct store *store, const struct seal_domain *metadata, struct run_writer **out);

/* Add a pack; ${*number} is what places of this run call it.  Return 0, -ENOMEM, what the store returns. */
int run_add_pack(struct run_writer *w, const struct pack_info *info, uint32_t *number);

/* Add an object, of a pack that was added.  Ids must ascend (-EINVAL).  Return 0, -ENOMEM, what the store returns. */
int run_add(struct run_writer *w, const struct id *id, const struct place *place);

/*
 * Finish, make durable, free ${w} in any case.  ${*id} is its name, ${*size} (unless NULL) its length.  Return 0,
 * -ENOMEM, what the store returns.
 */
int run_commit(struct run_writer *w, struct id *id, uint64_t *size);
void run_abort(struct run_writer *w);

/* A run opened for reading: its footer in memory.  Thread-safe. */
struct run;

/* How a run is read. */
struct run_reading {
	struct store *store;                /* all borrowed until run_close() */
	const struct seal_domain *metadata;
	const struct log *log;
	uint32_t segment_size;
};

/**
 * run_open(how, id, size, out):
 * Read the end of the run: one request, if ${size} is its bytes as the store has listed them (0: not known, which costs
 * another) and the footer is not much longer than usual.  Runs of up to RUN_SMALL bytes are read whole by that, and
 * cost no further request.  ${how} is copied.  Return 0; -ENOENT; -EBADMSG (logged by name); -EPROTONOSUPPORT; -EACCES;
 * -ENOMEM; what the store returns.
 */
#define RUN_SMALL (64u * 1024)
int run_open(const struct run_reading *how, const struct id *id, uint64_t size, struct run **out);
void run_close(struct run *r);

/**
 * run_end(r, out), run_open_kept(how, id, end, len, out):
 * The end of an open run as it is in the store, from the footer's box on, behind the run's size (le64), appended to
 * ${out}: to be kept somewhere; and a run opened from that without a request.  0 or -ENOMEM; as run_open().
 */
int run_end(const struct run *r, struct buf *out);
int run_open_kept(const struct run_reading *how, const struct id *id, const void *end, size_t len, struct run **out);

/* Bytes of the run; of what an open one takes in memory. */
uint64_t run_size(const struct run *r);
size_t run_memory(const struct run *r);

/* Its name's digits; borrowed until run_close(). */
const struct id *run_id(const struct run *r);

/* Let go of the blocks that lookups keep, and of the end. */
void run_trim(struct run *r);

uint64_t run_nobjects(const struct run *r);
uint32_t run_npacks(const struct run *r);

/* Runs that this one replaces, all that they held being in it: ${*n} ids, borrowed until run_close(). */
const struct id *run_replaced(const struct run *r, size_t *n);

/**
 * run_lookup(r, id, place, pack):
 * Find one object: reads at most one object block (two at a tie of prefixes) and one pack block.  Return 0 with
 * ${place} (${place->pack}: this run's number) and ${pack}; -ENOENT if it is not in the run; -ESTALE if the run itself
 * is not in the store any more; -EBADMSG (logged); what the store returns.
 */
int run_lookup(struct run *r, const struct id *id, struct place *place, struct pack_info *pack);

/**
 * run_packs_from(r, number, n, out):
 * Up to ${n} packs in order of number, from this run's pack ${number} on, as far as they stand in one block with it.
 * Return how many, or what the store returns; -EBADMSG (logged).
 */
int run_packs_from(struct run *r, uint32_t number, unsigned n, struct pack_info *out);

/* Call ${fn} for all packs in order of number, or all objects in order of id; non-zero ends it and is returned. */
typedef int run_pack_fn(void *arg, uint32_t number, const struct pack_info *info);
typedef int run_object_fn(void *arg, const struct id *id, const struct place *place);
int run_each_pack(struct run *r, run_pack_fn *fn, void *arg);
int run_each_object(struct run *r, run_object_fn *fn, void *arg);

/* The parsers of opened boxes (for fuzzing too). */
struct run_footer;
int run_parse_footer(const void *data, size_t len, uint64_t run_len, struct run_footer **out);
void run_footer_free(struct run_footer *f);
int run_parse_objects(const void *data, size_t len, uint32_t segment_size, run_object_fn *fn, void *arg);
int run_parse_packs(const void *data, size_t len, uint32_t first, run_pack_fn *fn, void *arg);

#endif
