/*
 * MD5 (RFC 1321): the checksum that servers compare with the bytes that reached them (Content-MD5, RFC 1864).  Against
 * accidents on the way only: nothing that has to withstand anybody may rely on it.
 */
#ifndef VARVE_UTIL_MD5_H
#define VARVE_UTIL_MD5_H

#include <stddef.h>
#include <stdint.h>

#define MD5_LEN 16

/* In progress.  May be copied. */
struct md5 {
	uint32_t state[4];
	uint64_t len;      /* bytes so far */
	uint8_t block[64]; /* those of them that are no whole block yet */
};

void md5_init(struct md5 *m);
void md5_update(struct md5 *m, const void *data, size_t len);

/* The sum; ${m} is used up. */
void md5_final(struct md5 *m, uint8_t out[MD5_LEN]);

#endif
