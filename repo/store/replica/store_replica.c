/*
 * Replica: the store.  See store_replica.h; reading is in replica_read.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/replica/replica_impl.h"
#include "repo/store/replica/store_replica.h"

#define TOLD_SECONDS 60

struct replica_put {
	struct store_put base;
	struct store_put *lower;
};

static struct store_replica *replica_of(struct store *s)
{
	return (struct store_replica *)s;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static int ask_get(struct store *member, struct ask *a)
{
	return store_get(member, a->name, a->off, a->len, a->into);
}

static int replica_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	struct ask a = { .fn = ask_get, .operation = "get", .name = name, .off = off, .len = len, .into = out };

	return replica_read(replica_of(s), &a);
}

static int ask_get_all(struct store *member, struct ask *a)
{
	return store_get_all(member, a->name, a->len, a->append);
}

static int replica_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	struct ask a = { .fn = ask_get_all, .operation = "get", .name = name, .len = max, .append = out };

	return replica_read(replica_of(s), &a);
}

static int ask_stat(struct store *member, struct ask *a)
{
	return store_stat(member, a->name, a->size);
}

static int replica_stat(struct store *s, const char *name, uint64_t *size)
{
	struct ask a = { .fn = ask_stat, .operation = "stat", .name = name, .size = size };

	return replica_read(replica_of(s), &a);
}

static int pass_on(void *arg, const char *name, uint64_t size)
{
	struct ask *a = arg;
	int rc;

	a->delivered = true;
	rc = a->list_fn(a->arg, name, size);
	a->final = rc != 0;
	return rc;
}

static int ask_list(struct store *member, struct ask *a)
{
	return a->names_only ? store_list_names(member, a->name, pass_on, a) : store_list(member, a->name, pass_on, a);
}

static int list(struct store *s, const char *prefix, bool names_only, store_list_fn *fn, void *arg)
{
	struct ask a = {
		.fn = ask_list,
		.operation = "list",
		.name = prefix,
		.is_list = true,
		.list_fn = fn,
		.arg = arg,
		.names_only = names_only,
	};

	return replica_read(replica_of(s), &a);
}

static int replica_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, false, fn, arg);
}

static int replica_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, true, fn, arg);
}

/* Who gave it is passed over for this object from now on, if there is anybody else to ask. */
static int replica_distrust(struct store *s, const char *name, uint64_t off, uint64_t len)
{
	struct store_replica *r = replica_of(s);
	int who = health_who_served(&r->health, name);
	uint32_t distrusted;
	unsigned i, bad;

	(void)off;
	(void)len;
	/* It was kept by a cache of an earlier process: nobody here has given it. */
	if (who < 0)
		return -ENOENT;
	bad = (unsigned)who;
	distrusted = health_distrust(&r->health, bad, name);
	if (strcmp(name, STORE_CONFIG) == 0)
		replica_judge_anew(r, bad);
	for (i = 0; i < r->n; i++)
		if (replica_usable(r, i) && (distrusted >> i & 1) == 0)
			break;
	if (i == r->n)
		return -ENOENT;
	log_warn(s->log, "%s: damaged in %s; reading it from another", name, replica_url(r, bad));
	return 0;
}

/* --- What goes to the primary alone ------------------------------------------------------------------------------- */

/* The primary, or NULL after a message if it cannot be used. */
static struct store *primary(struct store *s, const char *operation, const char *name)
{
	struct store_replica *r = replica_of(s);

	if (replica_usable(r, 0))
		return r->member[0];
	log_error(s->log, "%s: %s: the primary store cannot be used, and replicas are not written", name, operation);
	return NULL;
}

/* The primary's answer as this store's. */
static int answer(struct store *s, int rc)
{
	return rc == -EAGAIN ? replica_transient(replica_of(s), 0) : rc;
}

static int replica_delete(struct store *s, const char *name)
{
	struct store *p = primary(s, "delete", name);

	return p != NULL ? answer(s, store_delete(p, name)) : -EIO;
}

static int replica_info(struct store *s, struct store_info *out)
{
	struct store *p = primary(s, "info", s->url);

	return p != NULL ? answer(s, store_info(p, out)) : -EIO;
}

/* A backup is to be safe where it is put; a copy has its own locks, if any. */
static int replica_retain(struct store *s, const char *name, int64_t until)
{
	struct store *p = primary(s, "retain", name);

	return p != NULL ? answer(s, store_retain(p, name, until)) : -EIO;
}

static unsigned replica_retain_days(const struct store *s)
{
	const struct store *p = ((const struct store_replica *)s)->member[0];

	return p != NULL ? store_retain_days(p) : 0;
}

static int replica_put_begin(struct store *s, struct store_put **out)
{
	struct store *first = primary(s, "put", s->url);
	struct replica_put *p;
	int rc;

	if (first == NULL)
		return -EIO;
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		log_error(s->log, "%s: put: out of memory", s->url);
		return -ENOMEM;
	}
	p->base.store = s;
	rc = store_put_begin(first, &p->lower);
	if (rc < 0) {
		free(p);
		return rc;
	}
	*out = &p->base;
	return 0;
}

static int replica_put_append(struct store_put *base, const void *data, size_t len)
{
	return store_put_append(((struct replica_put *)base)->lower, data, len);
}

static int replica_put_commit(struct store_put *base, const char *name, unsigned flags)
{
	struct replica_put *p = (struct replica_put *)base;
	int rc = store_put_commit(p->lower, name, flags);

	if (rc == -EAGAIN) {
		base->sent = p->lower->sent;
		return answer(base->store, rc);
	}
	free(p);
	return rc;
}

static void replica_put_abort(struct store_put *base)
{
	struct replica_put *p = (struct replica_put *)base;

	store_put_abort(p->lower);
	free(p);
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

static void replica_close(struct store *s)
{
	struct store_replica *r = replica_of(s);

	for (unsigned i = 0; i < r->n; i++)
		store_close(r->member[i]);
	health_destroy(&r->health);
	pthread_mutex_destroy(&r->identity_lock);
	buf_free(&r->config);
	store_destroy(s);
	free(r);
}

static const struct store_ops replica_ops = {
	.get = replica_get,
	.get_all = replica_get_all,
	.distrust = replica_distrust,
	.stat = replica_stat,
	.list = replica_list,
	.list_names = replica_list_names,
	.del = replica_delete,
	.info = replica_info,
	.thaw = replica_thaw,
	.thaw_state = replica_thaw_state,
	.retain = replica_retain,
	.retain_days = replica_retain_days,
	.put_begin = replica_put_begin,
	.put_append = replica_put_append,
	.put_commit = replica_put_commit,
	.put_abort = replica_put_abort,
	.close = replica_close,
};

int store_replica_open(const struct store_options *opts, struct store *const *members, unsigned n, struct store **out)
{
	const struct store *named = members[0] != NULL ? members[0] : members[1];
	struct store_replica *r = calloc(1, sizeof(*r));

	if (r == NULL || store_init(&r->base, &replica_ops, opts->log, named->url, named->local_path) < 0) {
		log_error(opts->log, "%s: open: out of memory", named->url);
		free(r);
		return -ENOMEM;
	}
	r->n = n;
	memcpy(r->member, members, n * sizeof(*members));
	health_init(&r->health, opts->deadline_ms != 0 ? opts->deadline_ms : STORE_DEADLINE_DEFAULT_MS);
	told_init(&r->told, TOLD_SECONDS);
	pthread_mutex_init(&r->identity_lock, NULL);
	*out = &r->base;
	return 0;
}
