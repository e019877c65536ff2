/*
 * Pieces: files that hold blocks of one object, 1 MiB of it each.
 *
 *     0  magic "VARVEC01"                              8
 *     8  number of the piece in the object le32, zero  4 + 4
 *    16  size of the object le64                       8
 *    24  name of the object, padded with zeros         256
 *   280  checksum of bytes 0..280                      24
 *   304  zero
 *  1024  for each block: its checksum, zero if it is not there   64 * 24
 *  4096  blocks, each at its place
 *
 * A checksum is the first 24 bytes of the BLAKE2b-256 of bytes 0..280, the number of the block le32, and its bytes.  A
 * block's bytes are written before its checksum.  Two who write the same block write the same bytes, so nothing is
 * locked.  The file's time of modification is when it was last used, to the second.
 *
 * Thread-safe, and safe between processes.
 */
#ifndef VARVE_STORE_CACHE_PIECE_H
#define VARVE_STORE_CACHE_PIECE_H

#include "repo/store/cache/disk/room.h"

#define BLOCK_LEN (16u * 1024)
#define PIECE_BLOCKS 64u
#define PIECE_LEN (BLOCK_LEN * PIECE_BLOCKS)

/* An object whose size is known. */
struct cached_object {
	const char *name;
	uint64_t size;
};

/* Number of blocks of an object, and the length of block ${n}, of which only the last may be short. */
uint64_t object_blocks(const struct cached_object *o);
size_t block_len(const struct cached_object *o, uint64_t n);

/**
 * piece_read(room, o, first, n, out, have, dropped):
 * Read those of the ${n} blocks from block ${first} on that are there to their places in ${out} (n * BLOCK_LEN bytes),
 * and set ${have} for them; those that ${have} has already are left alone.  Bad ones are taken out and counted in
 * ${*dropped}.  Return how many were read.
 */
unsigned piece_read(struct cache_room *room, const struct cached_object *o, uint64_t first, unsigned n, uint8_t *out,
    bool *have, unsigned *dropped);

/* Set ${have} for those of the blocks that have a checksum, right or wrong, and clear it for others. */
void piece_has(struct cache_room *room, const struct cached_object *o, uint64_t first, unsigned n, bool *have);

/* Keep blocks, one after the other at ${data}.  Return 0 or a negative errno. */
int piece_write(struct cache_room *room, const struct cached_object *o, uint64_t first, unsigned n,
    const uint8_t *data);

/* Take out the blocks that hold bytes [${off}, ${off} + ${len}), whatever the object's size.  Return how many. */
unsigned piece_forget(struct cache_room *room, const char *name, uint64_t off, uint64_t len);

/* Take out all pieces of an object of at most ${size} bytes. */
void piece_remove(struct cache_room *room, const char *name, uint64_t size);

/* The object's size, as the piece that would hold byte ${off} has it.  Return 0 or -ENOENT. */
int piece_size(struct cache_room *room, const char *name, uint64_t off, uint64_t *size);

/* Names of the pieces that hold these blocks, below the room's directory: "a/...". */
#define PIECE_PATH_SIZE 40
void piece_path(const char *name, uint32_t piece, char out[PIECE_PATH_SIZE]);

#endif
