/*
 * Which stores may be asked.  See health.h.
 */
#include <errno.h>
#include <string.h>

#include "repo/store/replica/health.h"
#include "repo/store/store_impl.h"

#define HOLD_MS 3000      /* before a store that went is asked again */
#define HOLD_MAX_MS 600000
#define HOLD_TIMES 8      /* as long as the failing took: a store that hangs costs a ninth of the time, or a seventh */
#define FAILURES_MAX 3    /* of single objects, running, until a store counts as down */

void health_init(struct health *h, unsigned deadline_ms)
{
	memset(h, 0, sizeof(*h));
	pthread_mutex_init(&h->lock, NULL);
	h->hold_ms = deadline_ms / 10 < HOLD_MS ? deadline_ms / 10 + 1 : HOLD_MS;
	h->grace_ms = deadline_ms / 2;
}

void health_destroy(struct health *h)
{
	pthread_mutex_destroy(&h->lock);
}

bool health_may_ask(struct health *h, unsigned i)
{
	bool may = true;

	pthread_mutex_lock(&h->lock);
	if (h->member[i].down) {
		may = !h->member[i].probing && store_now_ms() >= h->member[i].next_ms;
		h->member[i].probing |= may;
	}
	pthread_mutex_unlock(&h->lock);
	return may;
}

bool health_well(struct health *h, unsigned i)
{
	bool was_down;

	pthread_mutex_lock(&h->lock);
	was_down = h->member[i].down;
	h->member[i].down = h->member[i].probing = false;
	h->member[i].ever_well = true;
	h->member[i].failures = 0;
	pthread_mutex_unlock(&h->lock);
	return was_down;
}

bool health_failed(struct health *h, unsigned i, int rc, int64_t asked_ms)
{
	int64_t now = store_now_ms(), hold = (now - asked_ms) * HOLD_TIMES;
	bool gone = false;

	if (hold < h->hold_ms)
		hold = h->hold_ms;
	if (hold > HOLD_MAX_MS)
		hold = HOLD_MAX_MS;
	pthread_mutex_lock(&h->lock);
	h->member[i].failures++;
	if (!h->member[i].down && (rc != -EIO || h->member[i].failures >= FAILURES_MAX)) {
		gone = h->member[i].down = true;
		h->member[i].since_ms = now;
	}
	h->member[i].transient = rc == -EAGAIN || rc == -ETIMEDOUT;
	h->member[i].probing = false;
	h->member[i].next_ms = now + hold;
	pthread_mutex_unlock(&h->lock);
	return gone;
}

void health_unasked(struct health *h, unsigned i)
{
	pthread_mutex_lock(&h->lock);
	h->member[i].probing = false;
	pthread_mutex_unlock(&h->lock);
}

bool health_just_gone(struct health *h, unsigned i)
{
	bool just;

	pthread_mutex_lock(&h->lock);
	just = h->member[i].down && h->member[i].transient && h->member[i].ever_well &&
	    store_now_ms() - h->member[i].since_ms < h->grace_ms;
	pthread_mutex_unlock(&h->lock);
	return just;
}

/* --- Objects ------------------------------------------------------------------------------------------------------ */

uint64_t health_hash(const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

void health_served(struct health *h, unsigned i, const char *name)
{
	uint64_t hash = health_hash(name);

	pthread_mutex_lock(&h->lock);
	h->served[hash % SERVED_MAX].name = hash;
	h->served[hash % SERVED_MAX].member = i;
	pthread_mutex_unlock(&h->lock);
}

int health_who_served(struct health *h, const char *name)
{
	uint64_t hash = health_hash(name);
	int who = -1;

	pthread_mutex_lock(&h->lock);
	if (h->served[hash % SERVED_MAX].name == hash)
		who = (int)h->served[hash % SERVED_MAX].member;
	pthread_mutex_unlock(&h->lock);
	return who;
}

bool health_distrusted(struct health *h, unsigned i, const char *name)
{
	uint64_t hash = health_hash(name);
	bool found;

	pthread_mutex_lock(&h->lock);
	found = h->distrusted[hash % DISTRUSTED_MAX].name == hash &&
	    (h->distrusted[hash % DISTRUSTED_MAX].members >> i & 1) != 0;
	pthread_mutex_unlock(&h->lock);
	return found;
}

uint32_t health_distrust(struct health *h, unsigned i, const char *name)
{
	uint64_t hash = health_hash(name), slot = hash % DISTRUSTED_MAX;
	uint32_t members;

	pthread_mutex_lock(&h->lock);
	if (h->distrusted[slot].name != hash)
		h->distrusted[slot].members = 0;
	h->distrusted[slot].name = hash;
	members = h->distrusted[slot].members |= UINT32_C(1) << i;
	pthread_mutex_unlock(&h->lock);
	return members;
}
