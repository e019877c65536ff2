/*
 * Packs: sealed segments in one store object, and a sealed table of what they hold.
 *
 * "packs/<xx>/<id>" (data) or "trees/<xx>/<id>" (trees); id is the BLAKE2b-256 of all bytes, xx its first two digits.
 *
 *   0  magic "VARVEPK1"                     8
 *   8  kind (enum pack_kind), cipher, zero  1 + 1 + 6
 *  16  wrapped key (seal.h; data or metadata domain by kind)   80
 *  96  boxes of segments, one after the other.  Box: AEAD (position: its byte offset; associated data: bytes 0..16 of
 *      the pack, 'S', byte offset le64) of codec byte and body (compress.h)
 *      table: sealed blob in the metadata domain (associated data: bytes 0..96 of the pack, 'T'): for each object, in
 *      pack order: id (32), place record (place.h)
 *  -16 byte offset of the table le32, its length le32, magic "VPKEND1\n"
 */
#ifndef VARVE_PACK_PACK_H
#define VARVE_PACK_PACK_H

#include "repo/crypt/seal.h"
#include "repo/pack/place.h"
#include "repo/store/store.h"
#include "repo/util/bytes/id.h"

enum pack_kind { PACK_DATA = 1, PACK_TREE = 2 };

#define PACK_HEADER_LEN 96
#define PACK_TRAILER_LEN 16
#define PACK_TABLE_MAX (64u * 1024 * 1024) /* bytes of a table that a reader accepts */
#define PACK_NAME_SIZE 80

/* What an index run says of a pack, so that reading an object costs one range request. */
struct pack_info {
	struct id id;
	enum pack_kind kind;
	uint32_t size; /* bytes of the whole object */
	uint8_t wrapped[CRYPT_WRAPPED_LEN];
};

/* Store name of a pack.  Return ${out}. */
char *pack_name(enum pack_kind kind, const struct id *id, char out[PACK_NAME_SIZE]);

/* Reverse it.  Return 0, or -EINVAL if ${name} is no pack's. */
int pack_name_parse(const char *name, enum pack_kind *kind, struct id *id);

/* A pack being written.  Not thread-safe. */
struct pack_writer;

/**
 * pack_begin(store, kind, domain, metadata, out):
 * Begin a pack sealed in ${domain}, with its table sealed in ${metadata}; all borrowed until commit or abort.  A cache
 * keeps tree packs, which the next backup compares with.  Return 0; -EACCES if this role cannot seal; -ENOMEM; what
 * store_put_begin() returns.
 */
int pack_begin(struct store *store, enum pack_kind kind, const struct seal_domain *domain,
    const struct seal_domain *metadata, struct pack_writer **out);

/**
 * pack_append(w, segment, len, offset, box):
 * Seal and append one segment (${len} bytes of codec byte and body, overwritten by its ciphertext; the memory has
 * CRYPT_TAG_LEN bytes to spare behind it).  ${*offset} and ${*box} are its place.  Return 0; -EFBIG if the pack would
 * pass 4 GiB; what store_put_append() returns.
 */
int pack_append(struct pack_writer *w, uint8_t *segment, size_t len, uint32_t *offset, uint32_t *box);

/* Enter an object into the table.  Return 0; -EFBIG if the table would pass PACK_TABLE_MAX; -ENOMEM. */
int pack_enter(struct pack_writer *w, const struct id *id, const struct place *place);

/* Bytes so far. */
uint64_t pack_length(const struct pack_writer *w);

/* Write table and trailer, make it durable, free ${w} in any case.  Return 0; what the store returns; -ENOMEM. */
int pack_commit(struct pack_writer *w, struct pack_info *out);

/* Give up and free.  Does nothing for NULL. */
void pack_abort(struct pack_writer *w);

/**
 * pack_open_segment(cipher, kind, key, offset, box, len, out):
 * Open the box of ${len} bytes that stood at byte ${offset}: ${len - CRYPT_TAG_LEN} bytes of codec byte and body to
 * ${out}, which may be ${box}.  Return 0 or -EBADMSG.
 */
int pack_open_segment(enum cipher cipher, enum pack_kind kind, const struct aead_key *key, uint32_t offset,
    const uint8_t *box, size_t len, uint8_t *out);

/**
 * pack_read_table(store, kind, id, metadata, segment_size, info, fn, arg):
 * Read header and table of a pack and call ${fn} for each object of it in pack order (${place->pack} is 0).  A non-zero
 * return of ${fn} ends it and is returned.  Fills ${info} before the first call.  Return 0; -ENOENT; -EBADMSG (logged
 * to the store's log by name); -EPROTONOSUPPORT; -EACCES; what the store returns.
 */
typedef int pack_table_fn(void *arg, const struct id *id, const struct place *place);
int pack_read_table(struct store *store, enum pack_kind kind, const struct id *id, const struct seal_domain *metadata,
    uint32_t segment_size, struct pack_info *info, pack_table_fn *fn, void *arg);

/**
 * pack_read_known_table(store, info, metadata, segment_size, fn, arg):
 * The same for a pack whose kind, size and wrapped key are known from a trusted source (an index run): only the end is
 * read, mostly with one request.  ${info->size} may be 0 if it is not known, which costs another, and is then set.
 */
int pack_read_known_table(struct store *store, struct pack_info *info, const struct seal_domain *metadata,
    uint32_t segment_size, pack_table_fn *fn, void *arg);

/* The parser of an opened table (for fuzzing too).  Return 0, -EBADMSG, or what ${fn} returned. */
int pack_parse_table(const void *data, size_t len, uint32_t segment_size, pack_table_fn *fn, void *arg);

/**
 * pack_verify(store, kind, id):
 * Read the whole pack in pieces of bounded size and compare the hash of its bytes with its name; needs no key.  Return
 * 0; -ENOENT; -EBADMSG if they differ; what the store returns.
 */
int pack_verify(struct store *store, enum pack_kind kind, const struct id *id);

#endif
