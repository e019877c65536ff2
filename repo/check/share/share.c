/*
 * Arcs.  See share.h.
 */
#include "repo/check/share/share.h"

struct arc arc_whole(int64_t now_s)
{
	return (struct arc){ .span = UINT64_MAX, .begun_s = now_s };
}

static uint64_t place_of(const struct id *pack)
{
	uint64_t place = 0;

	for (unsigned i = 0; i < sizeof(place); i++)
		place = place << 8 | pack->b[i];
	return place;
}

uint64_t arc_offset(const struct arc *a, const struct id *pack)
{
	return place_of(pack) - a->origin;
}

bool arc_has(const struct arc *a, const struct id *pack)
{
	uint64_t offset = arc_offset(a, pack);

	return !a->complete && offset >= a->done && offset <= a->span;
}

/* The span that the time since ${then_s} has earned: rounded up, so that all shares of a cycle make a whole. */
static uint64_t earned(int64_t then_s, uint32_t days, int64_t now_s)
{
	uint64_t cycle = (uint64_t)days * DAY_SECONDS, share;
	int64_t since;

	if (__builtin_sub_overflow(now_s, then_s, &since) || since < DAY_SECONDS)
		since = DAY_SECONDS;
	if ((uint64_t)since >= cycle || __builtin_mul_overflow(UINT64_MAX / cycle + 1, (uint64_t)since, &share))
		return UINT64_MAX;
	return share - 1;
}

struct arc arc_rotate(const struct arc *last, uint32_t days, int64_t now_s)
{
	struct arc a = { .begun_s = now_s };
	uint64_t span;

	if (last == NULL) {
		a.span = earned(now_s, days, now_s);
		return a;
	}
	span = earned(last->begun_s, days, now_s);
	if (last->complete) {
		a.origin = last->origin + last->span + 1;
		a.span = span;
		return a;
	}
	a = *last;
	a.span = span > a.span ? span : a.span;
	return a;
}
