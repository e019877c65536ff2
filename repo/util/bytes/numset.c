/*
 * A set of small numbers.  See numset.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/util/bytes/numset.h"

void numset_init(struct numset *s)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
}

void numset_destroy(struct numset *s)
{
	pthread_mutex_destroy(&s->lock);
	free(s->bits);
}

/* Called locked. */
static int grow(struct numset *s, size_t len)
{
	uint8_t *more;

	len *= 2;
	more = realloc(s->bits, len);
	if (more == NULL)
		return -ENOMEM;
	memset(more + s->len, 0, len - s->len);
	s->bits = more;
	s->len = len;
	return 0;
}

int numset_add(struct numset *s, uint32_t n)
{
	size_t at = n / 8;
	uint8_t bit = (uint8_t)(1u << n % 8);
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (at >= s->len)
		rc = grow(s, at + 1);
	if (rc == 0 && !(s->bits[at] & bit)) {
		s->bits[at] |= bit;
		rc = 1;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

bool numset_has(const struct numset *s, uint32_t n)
{
	return n / 8 < s->len && (s->bits[n / 8] & 1u << n % 8) != 0;
}

bool numset_next(const struct numset *s, uint32_t *n)
{
	for (uint64_t i = *n; i / 8 < s->len; i++) {
		if (i % 8 == 0 && s->bits[i / 8] == 0) {
			i += 7;
			continue;
		}
		if (s->bits[i / 8] & (1u << i % 8)) {
			*n = (uint32_t)i;
			return true;
		}
	}
	return false;
}
