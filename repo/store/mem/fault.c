/*
 * Misbehaviour by rules.  See fault.h.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "repo/store/mem/fault.h"

void faults_init(struct faults *f)
{
	pthread_mutex_init(&f->lock, NULL);
	f->n = 0;
}

void faults_destroy(struct faults *f)
{
	pthread_mutex_destroy(&f->lock);
}

void faults_set(struct faults *f, const struct store_fault_rule *rules, size_t n)
{
	size_t i;

	pthread_mutex_lock(&f->lock);
	f->n = n < FAULT_RULES_MAX ? n : FAULT_RULES_MAX;
	for (i = 0; i < f->n; i++) {
		f->set[i].rule = rules[i];
		f->set[i].seen = 0;
	}
	pthread_mutex_unlock(&f->lock);
}

/* Does this call, to which rule ${i} could apply, fall between its ${skip} and its ${count}?  Under the lock. */
static bool rule_hits(struct faults *f, size_t i)
{
	const struct store_fault_rule *r = &f->set[i].rule;
	uint64_t n = f->set[i].seen++;

	return n >= r->skip && (r->count == 0 || n - r->skip < r->count);
}

static void sleep_ms(uint64_t ms)
{
	struct timespec ts = { .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		continue;
}

int faults_apply(struct faults *f, enum store_op op, const char *name, struct fault_effect *e)
{
	const struct store_fault_rule *r;
	uint64_t delay_ms = 0;
	int rc = 0;
	size_t i;

	*e = (struct fault_effect){ .length = UINT64_MAX };
	pthread_mutex_lock(&f->lock);
	for (i = 0; i < f->n; i++) {
		r = &f->set[i].rule;
		if (r->fault == STORE_FAULT_NOSPACE || r->fault == STORE_FAULT_HIDE || (r->ops & op) == 0 ||
		    strncmp(name, r->prefix, strlen(r->prefix)) != 0 || !rule_hits(f, i))
			continue;
		if (r->fault == STORE_FAULT_ERROR) {
			rc = r->err;
			e->wait_ms = (unsigned)r->amount;
		} else if (r->fault == STORE_FAULT_UNCLEAR) {
			e->after = r->err;
		} else if (r->fault == STORE_FAULT_DELAY) {
			delay_ms += r->amount;
		} else if (r->fault == STORE_FAULT_TRUNCATE) {
			e->length = r->amount;
		} else if (r->fault == STORE_FAULT_FLIP) {
			e->flip = true;
			e->flip_bit = r->amount;
		}
	}
	pthread_mutex_unlock(&f->lock);
	if (delay_ms > 0)
		sleep_ms(delay_ms);
	return rc;
}

bool faults_hide(struct faults *f, const char *name)
{
	bool hidden = false;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->n; i++) {
		const struct store_fault_rule *r = &f->set[i].rule;

		if (r->fault == STORE_FAULT_HIDE && strncmp(name, r->prefix, strlen(r->prefix)) == 0 && rule_hits(f, i))
			hidden = true;
	}
	pthread_mutex_unlock(&f->lock);
	return hidden;
}

bool faults_no_space(struct faults *f, uint64_t bytes)
{
	bool full = false;
	size_t i;

	pthread_mutex_lock(&f->lock);
	for (i = 0; i < f->n; i++)
		if (f->set[i].rule.fault == STORE_FAULT_NOSPACE && bytes > f->set[i].rule.amount && rule_hits(f, i))
			full = true;
	pthread_mutex_unlock(&f->lock);
	return full;
}
