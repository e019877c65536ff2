/*
 * The cache as a store: what is asked of whom.  See store_cache.h.
 */
#include "repo/store/cache/store_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/cache/cache_impl.h"

#define TOLD_SECONDS 60

static struct store_cache *cache_of(struct store *s)
{
	return (struct store_cache *)s;
}

bool cache_unreachable(int rc)
{
	switch (rc) {
	case -EIO:
	case -EAGAIN:
	case -ETIMEDOUT:
	case -ENETDOWN:
	case -EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

static uint64_t hash_text(const char *text)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * 0x100000001b3;
	return h;
}

int cache_refuse(struct store_cache *c, const char *name)
{
	if (!told_before(&c->told, hash_text(name)))
		log_error(c->base.log, "%s: not in the cache, and offline", name);
	return -ENETDOWN;
}

void cache_warn(struct store_cache *c, const char *what)
{
	if (!told_before(&c->told, 1))
		log_warn(c->base.log, "%s: cannot be reached: %s is as it was when it last could", c->base.url, what);
}

static bool begins(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

bool cache_immutable(const char *name)
{
	return begins(name, "packs/") || begins(name, "trees/") || begins(name, "index/") || begins(name, "keys/") ||
	    begins(name, "generations/") || begins(name, "revoked/") || begins(name, "snapshots/");
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

/* Bytes of an object that may be cached, at most CACHE_READ_MAX. */
static int get_cached(struct store_cache *c, const struct cached_object *o, uint64_t off, size_t len, uint8_t *out)
{
	uint64_t first = off / BLOCK_LEN;
	unsigned n = (unsigned)((off + len - 1) / BLOCK_LEN - first + 1);
	uint8_t *blocks = malloc((size_t)n * BLOCK_LEN);
	int rc;

	if (blocks == NULL) {
		log_error(c->base.log, "%s/%s: read %zu bytes: out of memory", c->base.url, o->name, len);
		return -ENOMEM;
	}
	if (begins(o->name, "packs/"))
		ahead_reads(c, o, off, len);
	rc = cache_load(c, o, first, n, blocks);
	if (rc == 0 && out != NULL)
		memcpy(out, blocks + (off - first * BLOCK_LEN), len);
	free(blocks);
	return rc;
}

/* Is all of it on the disk, as what was put here may be? */
static bool is_there(struct store_cache *c, const struct cached_object *o, uint64_t off, size_t len)
{
	uint64_t first = off / BLOCK_LEN, end = (off + len - 1) / BLOCK_LEN + 1;
	bool have[PIECE_BLOCKS];
	unsigned n;

	for (; first < end; first += n) {
		n = end - first < PIECE_BLOCKS ? (unsigned)(end - first) : PIECE_BLOCKS;
		piece_has(&c->room, o, first, n, have);
		for (unsigned i = 0; i < n; i++)
			if (!have[i])
				return false;
	}
	return true;
}

/* What was too long to be kept as one may be there in parts. */
static int get_in_parts(struct store_cache *c, const struct cached_object *o, uint64_t off, size_t len, uint8_t *out)
{
	size_t done, n;
	int rc = 0;

	for (done = 0; done < len && rc == 0; done += n) {
		n = len - done < CACHE_READ_MAX ? len - done : CACHE_READ_MAX;
		rc = get_cached(c, o, off + done, n, out + done);
	}
	return rc;
}

static int cache_get_in(struct store *s, const char *name, uint64_t size, uint64_t off, size_t len, void *out)
{
	struct store_cache *c = cache_of(s);
	struct cached_object o = { name, size };
	int rc;

	if (!cache_immutable(name) || c->room.dir < 0 || off + len > size)
		return c->offline ? cache_refuse(c, name) : store_get(c->inner, name, off, len, out);
	if (len <= CACHE_READ_MAX)
		return get_cached(c, &o, off, len, out);
	rc = -ENETDOWN;
	if (!c->offline && !is_there(c, &o, off, len))
		rc = store_get(c->inner, name, off, len, out);
	return cache_unreachable(rc) ? get_in_parts(c, &o, off, len, out) : rc;
}

/* Are the bytes of such an object read again and again, so that it is worth asking how long it is? */
static bool is_pack(const char *name)
{
	return begins(name, "packs/") || begins(name, "trees/");
}

/* The size of an object that never changes, as it is known here.  Return 0 or -ENOENT. */
static int known_size(struct store_cache *c, const char *name, uint64_t off, uint64_t *size)
{
	if (!cache_immutable(name))
		return -ENOENT;
	return ahead_known(c, name, size) == 0 ? 0 : piece_size(&c->room, name, off, size);
}

static int cache_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	struct store_cache *c = cache_of(s);
	uint64_t size;
	int rc = known_size(c, name, off, &size);

	if (rc < 0 && c->offline)
		return cache_refuse(c, name);
	if (rc < 0 && is_pack(name) && len <= CACHE_READ_MAX && room_usable(&c->room)) {
		rc = store_stat(c->inner, name, &size);
		if (rc < 0)
			return rc;
		ahead_know(c, name, size);
	}
	return rc == 0 ? cache_get_in(s, name, size, off, len, out) : store_get(c->inner, name, off, len, out);
}

static int cache_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	struct store_cache *c = cache_of(s);

	if (begins(name, "keys/") || begins(name, "generations/") || begins(name, "revoked/") ||
	    begins(name, "snapshots/"))
		return cache_get_whole(c, name, max, out);
	if (strcmp(name, "config") == 0)
		return cache_get_changing(c, name, max, out);
	return c->offline ? cache_refuse(c, name) : store_get_all(c->inner, name, max, out);
}

static int cache_distrust(struct store *s, const char *name, uint64_t off, uint64_t len)
{
	struct store_cache *c = cache_of(s);
	unsigned n = piece_forget(&c->room, name, off, len);
	int rc = c->offline ? -ENOENT : store_distrust(c->inner, name, off, len);

	c->dropped += n;
	return n > 0 ? 0 : rc;
}

static void cache_follows(struct store *s, const char *name, const char *next, uint64_t size)
{
	struct store_cache *c = cache_of(s);

	ahead_pair(c, name, next, size);
}

static int cache_stat(struct store *s, const char *name, uint64_t *size)
{
	struct store_cache *c = cache_of(s);
	int rc = -ENETDOWN;

	if (is_pack(name) && known_size(c, name, 0, size) == 0)
		return 0;
	if (!c->offline)
		rc = store_stat(c->inner, name, size);
	if (rc == 0 && cache_immutable(name))
		ahead_know(c, name, *size);
	if (!cache_unreachable(rc) || piece_size(&c->room, name, 0, size) == 0)
		return cache_unreachable(rc) ? 0 : rc;
	return c->offline ? cache_refuse(c, name) : rc;
}

int store_cache_fetch(struct store *s, const char *name, uint64_t size, uint64_t off, size_t len)
{
	struct store_cache *c = cache_of(s);
	struct cached_object o = { name, size };
	uint64_t end = off + len, step;
	int rc = 0;

	if (end > size || !cache_immutable(name))
		return -EBADMSG;
	for (; off < end && rc == 0; off += step) {
		step = end - off < CACHE_READ_MAX ? end - off : CACHE_READ_MAX;
		rc = get_cached(c, &o, off, (size_t)step, NULL);
	}
	return rc == 0 && !room_usable(&c->room) ? -ENOSPC : rc;
}

/* --- What goes through -------------------------------------------------------------------------------------------- */

static int cache_del(struct store *s, const char *name)
{
	struct store_cache *c = cache_of(s);
	uint64_t size = 0;
	int rc;

	if (c->offline)
		return cache_refuse(c, name);
	known_size(c, name, 0, &size);
	rc = store_delete(c->inner, name);
	if (rc == 0) {
		ahead_know(c, name, 0);
		piece_remove(&c->room, name, size);
		cache_list_change(c, name, 0, false);
	}
	return rc;
}

static int cache_info(struct store *s, struct store_info *out)
{
	struct store_cache *c = cache_of(s);

	return c->offline ? -ENETDOWN : store_info(c->inner, out);
}

static int cache_thaw(struct store *s, const char *name, unsigned days)
{
	struct store_cache *c = cache_of(s);

	return c->offline ? cache_refuse(c, name) : store_thaw(c->inner, name, days);
}

static int cache_thaw_state(struct store *s, const char *name, enum store_class *out)
{
	struct store_cache *c = cache_of(s);

	return c->offline ? cache_refuse(c, name) : store_thaw_state(c->inner, name, out);
}

static int cache_retain(struct store *s, const char *name, int64_t until)
{
	struct store_cache *c = cache_of(s);

	return c->offline ? cache_refuse(c, name) : store_retain(c->inner, name, until);
}

static unsigned cache_retain_days(const struct store *s)
{
	return store_retain_days(((const struct store_cache *)s)->inner);
}

/* --- The whole ---------------------------------------------------------------------------------------------------- */

static void cache_close(struct store *s)
{
	struct store_cache *c = cache_of(s);

	ahead_stop(&c->ahead);
	fetching_destroy(&c->fetching);
	room_close(&c->room);
	pthread_mutex_destroy(&c->lists.lock);
	pthread_mutex_destroy(&c->pinning.lock);
	store_close(c->inner);
	store_destroy(s);
	free(c);
}

static const struct store_ops cache_ops = {
	.get = cache_get,
	.get_in = cache_get_in,
	.get_all = cache_get_all,
	.distrust = cache_distrust,
	.follows = cache_follows,
	.stat = cache_stat,
	.list = cache_list,
	.list_names = cache_list_names,
	.del = cache_del,
	.info = cache_info,
	.thaw = cache_thaw,
	.thaw_state = cache_thaw_state,
	.retain = cache_retain,
	.retain_days = cache_retain_days,
	.put_begin = cache_put_begin,
	.put_keep = cache_put_keep,
	.put_append = cache_put_append,
	.put_commit = cache_put_commit,
	.put_abort = cache_put_abort,
	.close = cache_close,
};

int store_cache_open(struct store *inner, const struct cache_options *opts, struct store **out)
{
	struct store_cache *c = calloc(1, sizeof(*c));

	if (c == NULL || store_init(&c->base, &cache_ops, opts->log, store_url(inner), NULL) != 0)
		goto fail;
	if (room_open(&c->room, opts->dir, opts->max_bytes, opts->log) != 0) {
		store_destroy(&c->base);
		goto fail;
	}
	c->inner = inner;
	c->offline = opts->offline;
	c->exact = opts->exact;
	told_init(&c->told, TOLD_SECONDS);
	fetching_init(&c->fetching);
	ahead_init(&c->ahead);
	listings_init(&c->lists);
	pinning_init(&c->pinning);
	*out = &c->base;
	return 0;
fail:
	free(c);
	store_close(inner);
	return -ENOMEM;
}

bool store_is_cache(const struct store *s)
{
	return s->ops == &cache_ops;
}

const char *store_cache_dir(const struct store *s)
{
	const struct store_cache *c = (const struct store_cache *)s;

	return c->room.dir >= 0 ? c->room.path : NULL;
}

void store_cache_counters(const struct store *s, struct cache_counters *out)
{
	const struct store_cache *c = (const struct store_cache *)s;

	out->fetches = c->fetches;
	out->fetched_bytes = c->fetched_bytes;
	out->ahead = c->nahead;
	out->hits = c->hits;
	out->dropped = c->dropped;
}

int store_cache_usage(struct store *s, struct cache_usage *out)
{
	return room_usage(&cache_of(s)->room, out);
}
