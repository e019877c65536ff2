/*
 * Live objects.  See live.h.
 *
 * Buckets are a cache line of 16 marks; a full one goes on in the next.
 */
#include "repo/retention/prune/live.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKET_MARKS 16
#define BUCKET_LEN (BUCKET_MARKS * sizeof(uint32_t))
#define SPARE 1024 /* marks, beyond what is expected */

struct live_set {
	uint32_t (*bucket)[BUCKET_MARKS]; /* 0: free */
	uint64_t nbuckets;
	uint64_t n, max;
};

struct live_set *live_new(uint64_t expected)
{
	struct live_set *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->max = expected + expected / 16 + SPARE / 2;
	s->nbuckets = (expected + expected / 4 + SPARE) / BUCKET_MARKS + 1;
	s->bucket = calloc(s->nbuckets, sizeof(*s->bucket));
	if (s->bucket == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

void live_free(struct live_set *s)
{
	if (s == NULL)
		return;
	free(s->bucket);
	free(s);
}

static uint64_t first_bucket(const struct live_set *s, const struct id *id)
{
	return (uint64_t)((unsigned __int128)id_hash(id) * s->nbuckets >> 64);
}

static uint32_t mark_of(const struct id *id)
{
	uint32_t mark;

	memcpy(&mark, id->b + 8, sizeof(mark));
	return mark != 0 ? mark : 1;
}

/* The mark of the id, or the free place where it would be.  There is always a free one. */
static uint32_t *find(const struct live_set *s, const struct id *id, uint32_t mark)
{
	uint64_t at = first_bucket(s, id);

	for (;; at = at + 1 < s->nbuckets ? at + 1 : 0) {
		for (unsigned i = 0; i < BUCKET_MARKS; i++) {
			if (s->bucket[at][i] == mark || s->bucket[at][i] == 0)
				return &s->bucket[at][i];
		}
	}
}

int live_add(struct live_set *s, const struct id *id)
{
	uint32_t mark = mark_of(id), *at = find(s, id, mark);

	if (*at == mark)
		return 0;
	if (s->n == s->max)
		return -ENOSPC;
	*at = mark;
	s->n++;
	return 1;
}

bool live_has(const struct live_set *s, const struct id *id)
{
	uint32_t mark = mark_of(id);

	return *find(s, id, mark) == mark;
}

uint64_t live_count(const struct live_set *s)
{
	return s->n;
}

uint64_t live_memory(const struct live_set *s)
{
	return s->nbuckets * BUCKET_LEN;
}
