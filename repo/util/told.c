/*
 * What has been told already.  See told.h.
 */
#include <string.h>
#include <time.h>

#include "repo/util/told.h"

void told_init(struct told *t, unsigned seconds)
{
	memset(t, 0, sizeof(*t));
	t->seconds = seconds;
	pthread_mutex_init(&t->lock, NULL);
}

bool told_before(struct told *t, uint64_t what)
{
	struct timespec now;
	bool found = false;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&t->lock);
	for (unsigned i = 0; i < TOLD_MAX && !found; i++)
		found = t->entry[i].what == what && t->entry[i].until > now.tv_sec;
	if (!found) {
		t->entry[t->next].what = what;
		t->entry[t->next].until = now.tv_sec + t->seconds;
		t->next = (t->next + 1) % TOLD_MAX;
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

/* By its hash (FNV-1a): that two of a few hundred are confused is no matter. */
bool told_name_before(struct told *t, const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return told_before(t, h);
}
