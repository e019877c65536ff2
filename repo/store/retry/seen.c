/*
 * Names that a listing has come to.  See seen.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "repo/store/retry/seen.h"

#define FIRST_SLOTS 256

/* FNV-1a over the name, then the finalizer of MurmurHash3, which spreads it over all bits. */
static uint64_t hash_name(uint64_t key, const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ key;

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h != 0 ? h : 1;
}

/* Enter ${hash}.  Return 1 if it is new, else 0.  There is a free slot. */
static int enter(struct seen *s, uint64_t hash)
{
	size_t i = (size_t)hash & s->mask;

	while (s->slots[i] != 0 && s->slots[i] != hash)
		i = (i + 1) & s->mask;
	if (s->slots[i] == hash)
		return 0;
	s->slots[i] = hash;
	s->n++;
	return 1;
}

static int grow(struct seen *s)
{
	size_t old = s->slots != NULL ? s->mask + 1 : 0, cap = old != 0 ? 2 * old : FIRST_SLOTS;
	struct seen larger = { .slots = calloc(cap, sizeof(uint64_t)), .mask = cap - 1, .key = s->key };

	if (larger.slots == NULL)
		return -ENOMEM;
	if (old == 0)
		(void)!getrandom(&larger.key, sizeof(larger.key), GRND_NONBLOCK);
	for (size_t i = 0; i < old; i++)
		if (s->slots[i] != 0)
			enter(&larger, s->slots[i]);
	free(s->slots);
	*s = larger;
	return 0;
}

int seen_add(struct seen *s, const char *name)
{
	int rc = 0;

	/* At most three quarters full. */
	if (s->slots == NULL || s->n >= (s->mask + 1) / 4 * 3)
		rc = grow(s);
	return rc < 0 ? rc : enter(s, hash_name(s->key, name));
}

void seen_free(struct seen *s)
{
	free(s->slots);
	*s = (struct seen){ 0 };
}
