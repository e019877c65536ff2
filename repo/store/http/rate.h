/*
 * A limit of bytes a second that many transfers share: a bucket that fills at the rate and holds a tenth of a second's
 * worth.  Not thread-safe.
 */
#ifndef VARVE_STORE_RATE_H
#define VARVE_STORE_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rate {
	uint64_t per_s; /* 0: without limit */
	int64_t level;  /* thousandths of bytes that may go now; negative: owed */
	int64_t at_ms;  /* when ${level} was right */
};

void rate_init(struct rate *r, uint64_t per_s, int64_t now_ms);

/* May anything go now?  It may then be more than the bucket has: what is too much is waited for afterwards. */
bool rate_open(struct rate *r, int64_t now_ms);

/* ${len} bytes have gone. */
void rate_take(struct rate *r, size_t len);

/* Milliseconds until rate_open(); 0 if it is. */
int rate_wait_ms(struct rate *r, int64_t now_ms);

#endif
