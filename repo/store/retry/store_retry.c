/*
 * Retry.  See store_retry.h.
 *
 * Each operation is a struct retry_call: how it is asked of the store below, and with what.  retry_run() asks until
 * there is an answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/retry/patience.h"
#include "repo/store/retry/retry_impl.h"
#include "repo/store/retry/seen.h"
#include "repo/store/retry/store_retry.h"
#include "repo/store/store_impl.h"

/* --- Asking until there is an answer ------------------------------------------------------------------------------ */

/* The last cause, without the operation and name that most begin with. */
static int64_t last_cause(struct store_retry *r, const struct retry_call *c, char *cause, size_t size)
{
	int64_t not_before = store_last_trouble(r->lower, cause, size);
	size_t op = strlen(c->operation), name = strlen(c->name), len = strlen(cause);

	if (len > op + name + 3 && memcmp(cause, c->operation, op) == 0 && cause[op] == ' ' &&
	    memcmp(cause + op + 1, c->name, name) == 0 && memcmp(cause + op + 1 + name, ": ", 2) == 0)
		memmove(cause, cause + op + name + 3, len - op - name - 2);
	return not_before;
}

static void tell_given_up(struct store_retry *r, const struct retry_call *c, const struct effort *e)
{
	char cause[sizeof(r->lower->trouble.cause)];
	int64_t ms = store_now_ms() - e->begun_ms;

	last_cause(r, c, cause, sizeof(cause));
	log_error(r->base.log, "%s/%s: %s: %s (tried %u time%s in %lld.%lld s)", r->base.url, c->name, c->operation,
	    cause, e->tries, e->tries == 1 ? "" : "s", (long long)(ms / 1000), (long long)(ms % 1000 / 100));
}

static void tell_slow(struct store_retry *r, const struct retry_call *c)
{
	char cause[sizeof(r->lower->trouble.cause)];

	last_cause(r, c, cause, sizeof(cause));
	log_warn(r->base.log, "%s/%s: %s: %s; trying again for up to %lld s", r->base.url, c->name, c->operation, cause,
	    (long long)r->patience.deadline_ms / 1000);
}

/* Carry out what the patience advises.  Return 0 to ask (again), or the operation's result. */
static int heed(struct store_retry *r, const struct retry_call *c, const struct effort *e, enum patience_advice advice)
{
	switch (advice) {
	case PATIENCE_ASK:
		return 0;
	case PATIENCE_CANCELED:
		return -ECANCELED;
	case PATIENCE_REFUSED_FIRST:
		log_error(r->base.log, "%s/%s: %s: still unreachable; until it answers nothing waits for it",
		    r->base.url, c->name, c->operation);
		return -ETIMEDOUT;
	case PATIENCE_GIVE_UP:
		tell_given_up(r, c, e);
		return -ETIMEDOUT;
	default:
		log_debug(r->base.log, "%s/%s: %s: unreachable", r->base.url, c->name, c->operation);
		return -ETIMEDOUT;
	}
}

/* An attempt has failed for a cause that may go away.  Return 0 to ask again, or the operation's result. */
static int failed(struct store_retry *r, struct retry_call *c, struct effort *e)
{
	char cause[sizeof(r->lower->trouble.cause)];
	int64_t not_before = store_last_trouble(r->lower, cause, sizeof(cause));
	bool progress = c->put != NULL && c->put->sent > c->sent;

	c->tries++;
	if (c->once) {
		e->tries++;
		tell_given_up(r, c, e);
		patience_abandon(&r->patience, e);
		return -ETIMEDOUT;
	}
	if (c->put != NULL)
		c->sent = c->put->sent;
	if (patience_slow(&r->patience, e))
		tell_slow(r, c);
	return heed(r, c, e, patience_again(&r->patience, e, not_before, progress));
}

int retry_run(struct store_retry *r, struct retry_call *c)
{
	struct effort e = { 0 };
	enum patience_advice advice = patience_begin(&r->patience, &e);
	int rc = heed(r, c, &e, advice);

	if (rc < 0)
		return rc;
	do {
		rc = c->ask(r->lower, c);
		if (rc != -EAGAIN || c->final)
			break;
		rc = failed(r, c, &e);
		if (rc < 0)
			return rc;
	} while (true);

	if (rc == -ECANCELED && !c->final)
		patience_abandon(&r->patience, &e);
	else if (patience_answered(&r->patience, &e))
		log_warn(r->base.log, "%s: reachable again", r->base.url);
	return rc;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static int ask_get(struct store *lower, struct retry_call *c)
{
	return store_get(lower, c->name, c->off, c->len, c->into);
}

static int retry_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	struct retry_call c = { .ask = ask_get, .operation = "get", .name = name, .off = off, .len = len, .into = out };

	return retry_run(retry_of(s), &c);
}

static int ask_get_all(struct store *lower, struct retry_call *c)
{
	return store_get_all(lower, c->name, c->len, c->append);
}

int retry_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	struct retry_call c = { .ask = ask_get_all, .operation = "get", .name = name, .len = max, .append = out };

	return retry_run(retry_of(s), &c);
}

/* What came over a network may have been damaged on the way: it is worth another try, whoever gave it. */
static int retry_distrust(struct store *s, const char *name, uint64_t off, uint64_t len)
{
	int rc = store_distrust(retry_of(s)->lower, name, off, len);

	return rc == -ENOENT ? 0 : rc;
}

static int ask_stat(struct store *lower, struct retry_call *c)
{
	return store_stat(lower, c->name, c->size);
}

static int retry_stat(struct store *s, const char *name, uint64_t *size)
{
	struct retry_call c = { .ask = ask_stat, .operation = "stat", .name = name, .size = size };

	return retry_run(retry_of(s), &c);
}

static int ask_info(struct store *lower, struct retry_call *c)
{
	return store_info(lower, c->info);
}

static int retry_info(struct store *s, struct store_info *out)
{
	struct retry_call c = { .ask = ask_info, .operation = "info", .name = "", .info = out, .once = true };

	return retry_run(retry_of(s), &c);
}

/* --- Listing ------------------------------------------------------------------------------------------------------ */

static int pass_on(void *arg, const char *name, uint64_t size)
{
	struct retry_call *c = arg;
	int rc = seen_add(&c->seen, name);

	if (rc == 1)
		rc = c->fn(c->arg, name, size);
	c->final = rc != 0;
	return rc;
}

static int ask_list(struct store *lower, struct retry_call *c)
{
	return c->names_only ? store_list_names(lower, c->name, pass_on, c) : store_list(lower, c->name, pass_on, c);
}

static int list(struct store *s, const char *prefix, bool names_only, store_list_fn *fn, void *arg)
{
	struct retry_call c = {
		.ask = ask_list,
		.operation = "list",
		.name = prefix,
		.fn = fn,
		.arg = arg,
		.names_only = names_only,
	};
	int rc = retry_run(retry_of(s), &c);

	seen_free(&c.seen);
	return rc;
}

static int retry_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, false, fn, arg);
}

static int retry_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, true, fn, arg);
}

/* --- Classes and locks -------------------------------------------------------------------------------------------- */

static int ask_thaw(struct store *lower, struct retry_call *c)
{
	return store_thaw(lower, c->name, c->days);
}

static int retry_thaw(struct store *s, const char *name, unsigned days)
{
	struct retry_call c = { .ask = ask_thaw, .operation = "thaw", .name = name, .days = days };

	return retry_run(retry_of(s), &c);
}

static int ask_thaw_state(struct store *lower, struct retry_call *c)
{
	return store_thaw_state(lower, c->name, c->state);
}

static int retry_thaw_state(struct store *s, const char *name, enum store_class *out)
{
	struct retry_call c = { .ask = ask_thaw_state, .operation = "thaw", .name = name, .state = out };

	return retry_run(retry_of(s), &c);
}

static int ask_retain(struct store *lower, struct retry_call *c)
{
	return store_retain(lower, c->name, c->until);
}

static int retry_retain(struct store *s, const char *name, int64_t until)
{
	struct retry_call c = { .ask = ask_retain, .operation = "retain", .name = name, .until = until };

	return retry_run(retry_of(s), &c);
}

static unsigned retry_retain_days(const struct store *s)
{
	return store_retain_days(((const struct store_retry *)s)->lower);
}

/* --- Writing ------------------------------------------------------------------------------------------------------ */

static int ask_delete(struct store *lower, struct retry_call *c)
{
	return store_delete(lower, c->name);
}

static int retry_delete(struct store *s, const char *name)
{
	struct retry_call c = { .ask = ask_delete, .operation = "delete", .name = name };

	return retry_run(retry_of(s), &c);
}

static void retry_close(struct store *s)
{
	struct store_retry *r = retry_of(s);

	store_close(r->lower);
	patience_destroy(&r->patience);
	store_destroy(s);
	free(r);
}

static const struct store_ops retry_ops = {
	.get = retry_get,
	.get_all = retry_get_all,
	.distrust = retry_distrust,
	.stat = retry_stat,
	.list = retry_list,
	.list_names = retry_list_names,
	.del = retry_delete,
	.info = retry_info,
	.thaw = retry_thaw,
	.thaw_state = retry_thaw_state,
	.retain = retry_retain,
	.retain_days = retry_retain_days,
	.put_begin = retry_put_begin,
	.put_append = retry_put_append,
	.put_commit = retry_put_commit,
	.put_abort = retry_put_abort,
	.close = retry_close,
};

int store_retry_open(const struct store_options *opts, struct store *lower, struct store **out)
{
	unsigned deadline_ms = opts->deadline_ms != 0 ? opts->deadline_ms : STORE_DEADLINE_DEFAULT_MS;
	struct store_retry *r = calloc(1, sizeof(*r));

	if (r == NULL || store_init(&r->base, &retry_ops, opts->log, lower->url, lower->local_path) < 0) {
		log_error(opts->log, "%s: open: out of memory", lower->url);
		free(r);
		return -ENOMEM;
	}
	r->lower = lower;
	patience_init(&r->patience, deadline_ms, opts->cancel);
	*out = &r->base;
	return 0;
}
