/*
 * What is put goes through; what its writer will read again (store_put_keep()) is kept, too.  See cache_impl.h.
 *
 * Pieces are found by the object's name, which is known only when it is complete.  Until then a copy waits in the
 * cache's directory, in a file without a name; it becomes pieces once the store has the object, and never before.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/store/cache/cache_impl.h"
#include "repo/store/http/spool.h"

#define KEEP_SHARE 4 /* an object of more than this part of the cache would drive out what else is wanted */

struct cache_put {
	struct store_put base;
	struct store_put *inner;
	bool keep;
	struct spool copy;
};

static struct store_cache *cache_of(const struct store_put *base)
{
	return (struct store_cache *)base->store;
}

int cache_put_begin(struct store *s, struct store_put **out)
{
	struct store_cache *c = (struct store_cache *)s;
	struct cache_put *p;
	int rc;

	if (c->offline)
		return cache_refuse(c, "a new object");
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		log_error(s->log, "%s: put: out of memory", s->url);
		return -ENOMEM;
	}
	rc = store_put_begin(c->inner, &p->inner);
	if (rc < 0) {
		free(p);
		return rc;
	}
	p->base.store = s;
	spool_init(&p->copy, c->room.path);
	*out = &p->base;
	return 0;
}

void cache_put_keep(struct store_put *base)
{
	((struct cache_put *)base)->keep = room_usable(&cache_of(base)->room);
}

static void keep_no_more(struct cache_put *p)
{
	p->keep = false;
	spool_free(&p->copy);
}

static void copy(struct cache_put *p, const void *data, size_t len)
{
	struct cache_room *room = &cache_of(&p->base)->room;
	int rc;

	if (p->copy.len + len > room->limit * ROOM_DIRS / KEEP_SHARE) {
		keep_no_more(p);
		return;
	}
	rc = spool_append(&p->copy, data, len, NULL);
	if (rc < 0) {
		room_failed(room, rc);
		keep_no_more(p);
	}
}

int cache_put_append(struct store_put *base, const void *data, size_t len)
{
	struct cache_put *p = (struct cache_put *)base;
	int rc = store_put_append(p->inner, data, len);

	if (rc == 0 && p->keep)
		copy(p, data, len);
	return rc;
}

/* Make pieces of the copy. */
static int keep(struct store_cache *c, const struct spool *copy, const char *name)
{
	struct cached_object o = { .name = name, .size = copy->len };
	uint8_t *piece = malloc(PIECE_LEN);
	int rc = piece == NULL ? -ENOMEM : 0;
	size_t n;

	for (uint64_t at = 0; at < o.size && rc == 0; at += n) {
		n = o.size - at < PIECE_LEN ? (size_t)(o.size - at) : PIECE_LEN;
		rc = spool_read(copy, at, piece, n);
		if (rc == 0)
			rc = piece_write(&c->room, &o, at / BLOCK_LEN, (unsigned)((n + BLOCK_LEN - 1) / BLOCK_LEN),
			    piece);
	}
	free(piece);
	if (rc == 0)
		ahead_know(c, name, o.size);
	return rc;
}

int cache_put_commit(struct store_put *base, const char *name, unsigned flags)
{
	struct cache_put *p = (struct cache_put *)base;
	struct store_cache *c = cache_of(base);
	int rc = store_put_commit(p->inner, name, flags), kept = 0;

	if (rc == 0) {
		cache_list_change(c, name, base->len, true);
		if (p->keep && cache_immutable(name))
			kept = keep(c, &p->copy, name);
		if (kept < 0)
			room_failed(&c->room, kept);
	}
	spool_free(&p->copy);
	free(p);
	return rc;
}

void cache_put_abort(struct store_put *base)
{
	struct cache_put *p = (struct cache_put *)base;

	store_put_abort(p->inner);
	spool_free(&p->copy);
	free(p);
}
