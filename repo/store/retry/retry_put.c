/*
 * Retry: what is put.  See store_retry.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/retry/retry_impl.h"
#include "repo/store/retry/store_retry.h"
#include "repo/store/store_impl.h"

struct retry_put {
	struct store_put base;
	struct store_put *lower;
	struct buf head;         /* the first RETRY_EXCL_MAX bytes, and one more if there are more */
};

static void put_free(struct retry_put *p)
{
	store_put_abort(p->lower);
	buf_free(&p->head);
	free(p);
}

int retry_put_begin(struct store *s, struct store_put **out)
{
	struct retry_put *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL) {
		log_error(s->log, "%s: put: out of memory", s->url);
		return -ENOMEM;
	}
	p->base.store = s;
	rc = store_put_begin(retry_of(s)->lower, &p->lower);
	if (rc < 0) {
		free(p);
		return rc;
	}
	*out = &p->base;
	return 0;
}

int retry_put_append(struct store_put *base, const void *data, size_t len)
{
	struct retry_put *p = (struct retry_put *)base;
	size_t room = RETRY_EXCL_MAX + 1 - p->head.len;

	if (buf_append(&p->head, data, len < room ? len : room) < 0) {
		log_error(base->store->log, "%s: put: out of memory", base->store->url);
		return -ENOMEM;
	}
	return store_put_append(p->lower, data, len);
}

static int ask_commit(struct store *lower, struct retry_call *c)
{
	int rc = store_put_commit(c->put, c->name, c->flags);

	(void)lower;
	if (rc != -EAGAIN)
		c->put = NULL;
	return rc;
}

/* A second try found the name taken.  Return 0 if it holds what was put, else -EEXIST, or why nobody knows. */
static int whose_is_it(struct store_retry *r, const char *name, const struct buf *mine)
{
	struct buf theirs = BUF_INIT;
	int rc = -EEXIST;

	if (mine->len <= RETRY_EXCL_MAX)
		rc = retry_get_all(&r->base, name, RETRY_EXCL_MAX, &theirs);
	if (rc == -ENOENT || rc == -EBADMSG)
		rc = -EEXIST;
	if (rc == 0 && (theirs.len != mine->len || memcmp(theirs.data, mine->data, mine->len) != 0))
		rc = -EEXIST;
	buf_free(&theirs);
	return rc;
}

int retry_put_commit(struct store_put *base, const char *name, unsigned flags)
{
	struct retry_put *p = (struct retry_put *)base;
	struct store_retry *r = retry_of(base->store);
	struct retry_call c = { .ask = ask_commit, .operation = "put", .name = name, .put = p->lower, .flags = flags };
	int rc = retry_run(r, &c);

	if (rc == -EEXIST && c.tries > 0)
		rc = whose_is_it(r, name, &p->head);
	p->lower = c.put;
	put_free(p);
	return rc;
}

void retry_put_abort(struct store_put *base)
{
	put_free((struct retry_put *)base);
}
