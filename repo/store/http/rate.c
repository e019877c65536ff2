/*
 * A shared limit of bytes a second.  See rate.h.
 */
#include "repo/store/http/rate.h"

#define BURST_DIVISOR 10       /* the bucket holds this part of a second */
#define ELAPSED_MAX_MS 1000000 /* keeps the multiplication from overflowing, for rates up to 2^43 */
#define PER_S_MAX (UINT64_C(1) << 43)

/* Levels are in thousandths of bytes, of which each millisecond brings ${per_s}: nothing is lost by rounding. */
static int64_t capacity(const struct rate *r)
{
	return ((int64_t)(r->per_s / BURST_DIVISOR) + 1) * 1000;
}

void rate_init(struct rate *r, uint64_t per_s, int64_t now_ms)
{
	r->per_s = per_s < PER_S_MAX ? per_s : PER_S_MAX;
	r->level = capacity(r);
	r->at_ms = now_ms;
}

static void fill(struct rate *r, int64_t now_ms)
{
	int64_t elapsed = now_ms - r->at_ms, more;

	if (elapsed <= 0)
		return;
	elapsed = elapsed < ELAPSED_MAX_MS ? elapsed : ELAPSED_MAX_MS;
	more = elapsed * (int64_t)r->per_s;
	r->at_ms = now_ms;
	r->level = r->level + more < capacity(r) ? r->level + more : capacity(r);
}

bool rate_open(struct rate *r, int64_t now_ms)
{
	if (r->per_s == 0)
		return true;
	fill(r, now_ms);
	return r->level > 0;
}

void rate_take(struct rate *r, size_t len)
{
	if (r->per_s != 0)
		r->level -= (int64_t)len * 1000;
}

int rate_wait_ms(struct rate *r, int64_t now_ms)
{
	int64_t ms;

	if (rate_open(r, now_ms))
		return 0;
	ms = (1 - r->level) / (int64_t)r->per_s + 1;
	return ms < ELAPSED_MAX_MS ? (int)ms : ELAPSED_MAX_MS;
}
