/*
 * For the sources of index runs only: fixed parts, the decoded footer, and how a box is read.
 */
#ifndef VARVE_INDEX_RUN_IMPL_H
#define VARVE_INDEX_RUN_IMPL_H

#include <pthread.h>

#include "repo/index/run/run.h"

#define RUN_MAGIC "VARVEIX1"
#define RUN_MAGIC_LEN 8
#define RUN_FIXED_LEN 16 /* magic, zero: what every box is bound to */
#define RUN_TRAILER_LEN (CRYPT_WRAPPED_LEN + 16)
#define RUN_END_MAGIC "VIX1"

#define RUN_PREFIX_LEN 16
#define RUN_PACK_RECORD_LEN 120
#define RUN_FOOTER_HEAD_LEN 24
#define RUN_OBJECT_BLOCK_ENTRY_LEN 32
#define RUN_PACK_BLOCK_ENTRY_LEN 16

#define RUN_BOX_AD_LEN (RUN_FIXED_LEN + 1 + 8)

enum run_box { RUN_OBJECTS = 'C', RUN_PACKS = 'P', RUN_FOOTER = 'F' };

/* One box as the footer names it. */
struct run_block {
	uint8_t prefix[RUN_PREFIX_LEN]; /* object blocks: of the first id in it */
	uint64_t offset;
	uint32_t box;      /* its length */
	uint32_t nrecords;
};

struct run_footer {
	uint64_t nobjects;
	uint32_t npacks;
	uint32_t nobject_blocks, npack_blocks, nreplaced;
	struct run_block *object_block;
	struct run_block *pack_block;
	struct id *replaced;
};

/* A block that is kept opened. */
struct run_kept_block {
	uint32_t n; /* its number, or RUN_NO_BLOCK */
	struct buf plain;
};
#define RUN_NO_BLOCK UINT32_MAX

struct run {
	struct run_reading how;
	struct id id;
	uint64_t size;
	char name[RUN_NAME_SIZE];
	struct aead_key key;
	struct run_footer *footer;
	pthread_mutex_t lock; /* of the rest */
	struct buf tail;      /* the last bytes, sealed; may be empty */
	struct run_kept_block objects, packs;
};

/* Associated data of the box of kind ${kind} at byte ${offset}. */
void run_box_ad(enum run_box kind, uint64_t offset, uint8_t out[RUN_BOX_AD_LEN]);

/* The footer of an open run; borrowed until run_close(). */
const struct run_footer *run_footer_of(const struct run *r);

/**
 * run_get(r, off, len, out), run_open_box(r, kind, b, box, out):
 * Fetch ${len} bytes of the run; open the box of ${b}, which is at ${box}, to ${out} (may be ${box}).  Return 0;
 * -EBADMSG (logged by name); what the store returns.
 */
int run_get(struct run *r, uint64_t off, size_t len, void *out);
int run_open_box(struct run *r, enum run_box kind, const struct run_block *b, const uint8_t *box, uint8_t *out);

/* Log that ${what} of the run is damaged.  Return -EBADMSG. */
int run_damaged(const struct run *r, const char *what);

/**
 * run_next_object(r, segment_size, id, place):
 * Take one record of an object block.  Return 1; 0 at the end; -EBADMSG.
 */
int run_next_object(struct rd *r, uint32_t segment_size, struct id *id, struct place *place);

/* Take one record of a pack block.  Return 1; 0 at the end; -EBADMSG. */
int run_next_pack(struct rd *r, struct pack_info *out);

uint32_t run_segment_size(const struct run *r);

/*
 * Say that this run holds all that run ${id} held.  For run_combine() only, which sees to it that this is so: whoever
 * has loaded run ${id} keeps what it said of objects that are not in this one.  Return 0 or -ENOMEM.
 */
int run_replaces(struct run_writer *w, const struct id *id);

#endif
