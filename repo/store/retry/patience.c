/*
 * When to ask again, and when to give up.  See patience.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "repo/store/retry/patience.h"
#include "repo/store/store_impl.h"

#define FIRST_MS 250  /* longest first pause */
#define CAP_MS 8000   /* longest pause of all */
#define PROBE_MS 5000 /* between two probes */
#define SLOW_MS 5000  /* without an answer, after which somebody may wonder */
#define SLICE_MS 50   /* of a pause: so soon it is seen that it should end */
#define RENEWALS_MAX 4

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void patience_init(struct patience *p, unsigned deadline_ms, const atomic_int *cancel)
{
	memset(p, 0, sizeof(*p));
	p->deadline_ms = deadline_ms;
	p->first_ms = least(FIRST_MS, deadline_ms / 20 + 1);
	p->cap_ms = least(CAP_MS, deadline_ms / 4 + 1);
	p->probe_ms = least(PROBE_MS, deadline_ms / 6 + 1);
	p->slow_ms = least(SLOW_MS, deadline_ms / 6 + 1);
	p->cancel = cancel;
	pthread_mutex_init(&p->lock, NULL);
}

void patience_destroy(struct patience *p)
{
	pthread_mutex_destroy(&p->lock);
}

static bool canceled(const struct patience *p)
{
	return p->cancel != NULL && atomic_load_explicit(p->cancel, memory_order_relaxed) != 0;
}

enum patience_advice patience_begin(struct patience *p, struct effort *e)
{
	enum patience_advice advice = PATIENCE_ASK;
	int64_t now = store_now_ms();

	*e = (struct effort){
		.begun_ms = now,
		.answers = atomic_load(&p->answers),
		.since_ms = now,
		.attempt_ms = now,
	};
	if (canceled(p))
		return PATIENCE_CANCELED;
	if (!atomic_load(&p->down))
		return PATIENCE_ASK;
	pthread_mutex_lock(&p->lock);
	if (atomic_load(&p->down) && !p->probing && now >= p->next_probe_ms) {
		p->probing = e->probe = true;
	} else if (atomic_load(&p->down)) {
		advice = p->told ? PATIENCE_REFUSED : PATIENCE_REFUSED_FIRST;
		p->told = true;
	}
	pthread_mutex_unlock(&p->lock);
	return advice;
}

/* A random pause of at most ${most} milliseconds. */
static int64_t random_pause(int64_t most)
{
	uint32_t random = UINT32_MAX / 2;

	/* Without random bytes, as early in a boot, half of it. */
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return (int64_t)((uint64_t)random * (uint64_t)(most + 1) >> 32);
}

/* Sleep until ${until_ms}.  Return false if the reason to wait is gone before: cancelled, or down. */
static bool pause_until(const struct patience *p, int64_t until_ms)
{
	int64_t left;
	struct timespec ts;

	while ((left = until_ms - store_now_ms()) > 0) {
		if (canceled(p) || atomic_load(&p->down))
			return false;
		left = least(left, SLICE_MS);
		ts = (struct timespec){ .tv_nsec = (long)left * 1000000 };
		nanosleep(&ts, NULL);
	}
	return true;
}

/*
 * Until when to pause, or -1 to give up.  A request that stalls takes a third of the deadline; one that would take as
 * long again as the last and so end after the deadline is not begun.
 */
static int64_t next_attempt(const struct patience *p, const struct effort *e, int64_t now, int64_t not_before_ms)
{
	int64_t end = e->since_ms + p->deadline_ms, took = now - e->attempt_ms, most, until;

	most = e->tries < 16 ? least(p->cap_ms, p->first_ms << (e->tries - 1)) : p->cap_ms;
	until = now + random_pause(most);
	if (until < not_before_ms)
		until = least(not_before_ms + random_pause(p->first_ms), end);
	if (now >= end)
		return -1;
	if (took > p->deadline_ms / 4 && e->since_ms != now && until + took > end)
		return -1;
	return least(until, end);
}

/*
 * Nothing came back in all that time.  Unless somebody else had an answer meanwhile, the store counts as down.  Return
 * false if somebody else has found that out, and told.
 */
static bool mark_down(struct patience *p, const struct effort *e)
{
	bool first;

	pthread_mutex_lock(&p->lock);
	first = !atomic_load(&p->down);
	if (first && atomic_load(&p->answers) == e->answers) {
		p->told = false;
		p->next_probe_ms = store_now_ms() + p->probe_ms;
		atomic_store(&p->down, true);
	}
	pthread_mutex_unlock(&p->lock);
	return first;
}

enum patience_advice patience_again(struct patience *p, struct effort *e, int64_t not_before_ms, bool progress)
{
	int64_t now = store_now_ms(), until;

	e->tries++;
	if (canceled(p)) {
		patience_abandon(p, e);
		return PATIENCE_CANCELED;
	}
	if (e->probe) {
		patience_abandon(p, e);
		return PATIENCE_REFUSED;
	}
	/* Stalls are ended after a third of the deadline: what took so much longer did move. */
	if (now - e->attempt_ms > p->deadline_ms * 2 / 3 && e->renewals < RENEWALS_MAX) {
		e->renewals++;
		progress = true;
	}
	if (progress)
		e->since_ms = now;
	until = next_attempt(p, e, now, not_before_ms);
	if (until < 0)
		return mark_down(p, e) ? PATIENCE_GIVE_UP : PATIENCE_REFUSED;
	if (!pause_until(p, until))
		return canceled(p) ? PATIENCE_CANCELED : PATIENCE_REFUSED;
	e->attempt_ms = store_now_ms();
	return PATIENCE_ASK;
}

bool patience_slow(struct patience *p, const struct effort *e)
{
	return store_now_ms() - e->begun_ms >= p->slow_ms && !e->probe && !atomic_exchange(&p->told_slow, true);
}

bool patience_answered(struct patience *p, struct effort *e)
{
	bool told;

	atomic_fetch_add(&p->answers, 1);
	if (!e->probe && !atomic_load(&p->down) && !atomic_load(&p->told_slow))
		return false;
	pthread_mutex_lock(&p->lock);
	told = atomic_exchange(&p->down, false);
	told |= atomic_exchange(&p->told_slow, false);
	if (e->probe)
		p->probing = false;
	pthread_mutex_unlock(&p->lock);
	return told;
}

void patience_abandon(struct patience *p, struct effort *e)
{
	if (!e->probe)
		return;
	pthread_mutex_lock(&p->lock);
	p->probing = false;
	p->next_probe_ms = store_now_ms() + p->probe_ms;
	pthread_mutex_unlock(&p->lock);
}
