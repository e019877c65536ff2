/*
 * BLAKE2b (RFC 7693) of several messages at once: one message in each lane of the processor's vectors.
 *
 * One message is a chain in which each step waits for the one before; several side by side are hashed three to four
 * times as fast.  Which vectors there are is found out at run time.  Where there are none of use, LANES_NONE, whoever
 * asks hashes one message after the other with libsodium (crypt.c).
 *
 * Thread-safe: there is no state but the messages'.
 */
#ifndef VARVE_CRYPT_BLAKE2B_LANES_H
#define VARVE_CRYPT_BLAKE2B_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES_BLOCK 128 /* bytes */

enum lanes {
	LANES_NONE,
	LANES_AVX2,   /* 4 lanes of 64 bits */
	LANES_AVX512, /* 8, and 4 with AVX-512VL's rotations */
};

/* The best that this processor has. */
enum lanes lanes_best(void);

/*
 * A message, or a further part of one.  A part that is not the ${last} has a multiple of LANES_BLOCK bytes; the last
 * has at least one, unless it is the only one.
 */
struct lanes_message {
	uint64_t h[8];       /* state; at the end the hash, its words little-endian */
	uint64_t t;          /* bytes so far */
	const uint8_t *data; /* borrowed; used up */
	size_t len;
	bool last;
};

/* Begin an unkeyed message with a hash of 32 bytes: sets ${h} and ${t}. */
void lanes_begin(struct lanes_message *m);

/* The same, keyed; what follows may not be empty.  ${h} is as secret as the key. */
void lanes_begin_keyed(struct lanes_message *m, const uint8_t key[32]);

/* The first 32 bytes of the hash, of a message whose last part was hashed. */
void lanes_end(const struct lanes_message *m, uint8_t out[32]);

#define LANES_MESSAGES_MAX 64

/**
 * lanes_run(lanes, messages, n):
 * Hash the data of ${n} messages (LANES_MESSAGES_MAX at most) onto their states.  ${lanes} is one that this processor
 * has; LANES_NONE is right as well, but slow.
 */
void lanes_run(enum lanes lanes, struct lanes_message *messages, size_t n);

#endif
