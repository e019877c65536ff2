/*
 * Copying objects in pieces, verified by their names.  See copy.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/crypt.h"
#include "repo/sync/copy.h"

#define UNREADABLE_MAX 100 /* objects that a source may fail to give before it is taken for broken as a whole */

struct copying {
	const struct sync_options *o;
	enum sync_kind kind;
	const struct inventory *v;
	_Atomic size_t next;
	atomic_int error;     /* the first; others stop at it */
	pthread_mutex_t lock; /* of what follows */
	struct copy_result *result;
	uint64_t unreadable;
};

static bool canceled(const struct copying *c)
{
	return c->o->cancel != NULL && atomic_load_explicit(c->o->cancel, memory_order_relaxed) != 0;
}

/* What one object came to, when it is not an error of its own. */
enum outcome { COPIED = 1, GONE, DAMAGED, UNREADABLE };

/* Does what was hashed have the name that it should? */
static int verify(const struct copying *c, struct hasher *h, const struct id *id, const char *name)
{
	struct id found;

	hasher_final(h, &found);
	if (memcmp(found.b, id->b, sync_hash_len(c->kind)) == 0)
		return COPIED;
	log_error(c->o->log, "%s/%s: its bytes do not hash to its name; not copied", store_url(c->o->from), name);
	return DAMAGED;
}

/* Read ${e} piece by piece, and append it to ${p}.  Return an outcome, or an error. */
static int transfer(const struct copying *c, const struct inventory_entry *e, const char *name, uint8_t *piece,
    struct store_put *p)
{
	struct hasher h;
	size_t n;
	int rc;

	hasher_init(&h);
	for (uint64_t at = 0; at < e->size; at += n) {
		if (canceled(c))
			return -EINTR;
		n = e->size - at < SYNC_PIECE ? (size_t)(e->size - at) : SYNC_PIECE;
		rc = store_get(c->o->from, name, at, n, piece);
		if (rc < 0)
			return rc == -ENOENT ? GONE : rc == -EBADMSG ? DAMAGED : rc == -EIO ? UNREADABLE : rc;
		hasher_update(&h, piece, n);
		rc = store_put_append(p, piece, n);
		if (rc < 0)
			return rc;
	}
	return verify(c, &h, &e->id, name);
}

static int copy_one(const struct copying *c, const struct inventory_entry *e, const char *name, uint8_t *piece)
{
	struct store_put *p = NULL;
	int rc, committed;

	rc = store_put_begin(c->o->to, &p);
	if (rc < 0)
		return rc;
	rc = transfer(c, e, name, piece, p);
	if (rc != COPIED) {
		store_put_abort(p);
		return rc;
	}
	committed = store_put_commit(p, name, 0);
	return committed < 0 ? committed : COPIED;
}

static void note(struct copying *c, const struct inventory_entry *e, const char *name, int outcome)
{
	struct sync_progress *progress = c->o->progress;

	pthread_mutex_lock(&c->lock);
	c->result->copied += outcome == COPIED;
	c->result->bytes += outcome == COPIED ? e->size : 0;
	c->result->gone += outcome == GONE;
	c->unreadable += outcome == UNREADABLE;
	if (outcome == DAMAGED || outcome == UNREADABLE) {
		c->result->damaged++;
		c->o->damaged(c->o->arg, name);
	}
	if (c->unreadable >= UNREADABLE_MAX)
		atomic_store(&c->error, -EIO);
	pthread_mutex_unlock(&c->lock);
	if (progress != NULL && outcome == COPIED) {
		progress->objects++;
		progress->bytes += e->size;
	} else if (progress != NULL && outcome != GONE) {
		progress->damaged++;
	}
}

static void *work(void *arg)
{
	struct copying *c = arg;
	uint8_t *piece = malloc(SYNC_PIECE);
	char name[SYNC_NAME_SIZE];
	int rc = piece != NULL ? 0 : -ENOMEM, none = 0;
	size_t i;

	while (rc >= 0 && atomic_load(&c->error) == 0 && (i = atomic_fetch_add(&c->next, 1)) < c->v->n) {
		const struct inventory_entry *e = &c->v->entries[i];

		sync_name(c->kind, &e->id, name);
		rc = canceled(c) ? -EINTR : copy_one(c, e, name, piece);
		if (rc > 0)
			note(c, e, name, rc);
	}
	if (rc == -ENOMEM && piece == NULL)
		log_error(c->o->log, "copying: out of memory");
	if (rc < 0)
		atomic_compare_exchange_strong(&c->error, &none, rc);
	free(piece);
	return NULL;
}

int copy_objects(const struct sync_options *o, enum sync_kind kind, const struct inventory *v,
    struct copy_result *out)
{
	struct copying c = { .o = o, .kind = kind, .v = v, .result = out };
	unsigned wanted = o->threads != 0 ? o->threads : SYNC_THREADS, n = 0;
	pthread_t threads[SYNC_THREADS_MAX];

	if (v->n == 0)
		return 0;
	pthread_mutex_init(&c.lock, NULL);
	/* This thread is one of them; with fewer than wanted it takes longer, that is all. */
	while (n < SYNC_THREADS_MAX && n + 1 < wanted && n + 1 < v->n &&
	    pthread_create(&threads[n], NULL, work, &c) == 0)
		n++;
	work(&c);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	pthread_mutex_destroy(&c.lock);
	return atomic_load(&c.error);
}
