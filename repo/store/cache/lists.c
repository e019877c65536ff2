/*
 * Listings.  See cache_impl.h.
 *
 * The store is asked each time; what it said last is kept for when it cannot be.  "lists/<kind>": for each object its
 * size le64, the length of its name u8, its name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "repo/crypt/crypt.h"
#include "repo/store/cache/cache_impl.h"

#define LIST_MAX (64u * 1024 * 1024) /* bytes of one that is kept: some 800,000 names */

static const char *const prefixes[LISTINGS] = { "keys/", "generations/", "revoked/", "snapshots/", "index/" };

void listings_init(struct listings *l)
{
	pthread_mutex_init(&l->lock, NULL);
}

/* Which of them is it? */
static int which(const char *name, size_t len)
{
	for (unsigned i = 0; i < LISTINGS; i++)
		if (len >= strlen(prefixes[i]) && strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return (int)i;
	return -1;
}

static void file_name(unsigned i, char out[32])
{
	snprintf(out, 32, "lists/%.*s", (int)strlen(prefixes[i]) - 1, prefixes[i]);
}

/* --- Entries ------------------------------------------------------------------------------------------------------ */

static int add_entry(void *arg, const char *name, uint64_t size)
{
	struct buf *b = arg;
	size_t len = strlen(name);

	if (buf_le64(b, size) < 0 || buf_u8(b, (uint8_t)len) < 0 || buf_append(b, name, len) < 0)
		return -ENOMEM;
	return 0;
}

/* The next entry: 1, 0 at the end or where it makes no sense. */
static int next_entry(struct rd *r, char name[STORE_NAME_MAX + 1], uint64_t *size)
{
	const uint8_t *p;
	uint8_t len;

	if (rd_le64(r, size) < 0 || rd_u8(r, &len) < 0 || rd_take(r, len, &p) < 0)
		return 0;
	memcpy(name, p, len);
	name[len] = '\0';
	return 1;
}

static int replay(const struct buf *b, store_list_fn *fn, void *arg)
{
	struct rd r = rd_init(b->data, b->len);
	char name[STORE_NAME_MAX + 1];
	uint64_t size;
	int rc = 0;

	while (rc == 0 && next_entry(&r, name, &size))
		rc = fn(arg, name, size);
	return rc;
}

/* --- Files -------------------------------------------------------------------------------------------------------- */

/* Called locked: write it, unless that is what was written last. */
static void save(struct store_cache *c, unsigned i, const struct buf *b)
{
	char file[32];
	struct id sum;
	int rc;

	file_name(i, file);
	crypt_hash(b->data, b->len, &sum);
	if (b->len > LIST_MAX || !room_usable(&c->room))
		return;
	/* Another process may have cleared the cache. */
	if (id_equal(&sum, &c->lists.saved[i]) && faccessat(c->room.dir, file, F_OK, 0) == 0)
		return;
	rc = room_write_file(&c->room, file, b->data, b->len);
	if (rc == 0)
		c->lists.saved[i] = sum;
	else
		room_failed(&c->room, rc);
}

static int load(struct store_cache *c, unsigned i, struct buf *out)
{
	char file[32];

	file_name(i, file);
	return room_read_file(&c->room, file, LIST_MAX, out) < 0 ? -ENOENT : 0;
}

/* --- Listing ------------------------------------------------------------------------------------------------------ */

static int ask(struct store_cache *c, const char *prefix, bool names, store_list_fn *fn, void *arg)
{
	if (c->offline)
		return -ENETDOWN;
	return names ? store_list_names(c->inner, prefix, fn, arg) : store_list(c->inner, prefix, fn, arg);
}

/* Of runs, whose size says how they are to be read, a listing without sizes would be of no use later. */
static void keep(struct store_cache *c, unsigned i, bool names, uint64_t changes, const struct buf *b)
{
	if (names && strcmp(prefixes[i], "index/") == 0)
		return;
	pthread_mutex_lock(&c->lists.lock);
	/* What was put or deleted while it was made may be missing, or still in it. */
	if (c->lists.changes == changes)
		save(c, i, b);
	pthread_mutex_unlock(&c->lists.lock);
}

static uint64_t changes_so_far(struct store_cache *c)
{
	uint64_t n;

	pthread_mutex_lock(&c->lists.lock);
	n = c->lists.changes;
	pthread_mutex_unlock(&c->lists.lock);
	return n;
}

/* It is complete before ${fn} sees any of it, so that nothing is seen twice if another one takes its place. */
static int list_kept(struct store_cache *c, unsigned i, bool names, store_list_fn *fn, void *arg)
{
	uint64_t changes = changes_so_far(c);
	struct buf b = BUF_INIT;
	int rc;

	rc = ask(c, prefixes[i], names, add_entry, &b);
	if (rc == 0) {
		keep(c, i, names, changes, &b);
	} else if (cache_unreachable(rc) && (c->offline || !c->exact)) {
		buf_clear(&b);
		if (load(c, i, &b) < 0) {
			rc = c->offline ? cache_refuse(c, prefixes[i]) : rc;
		} else {
			if (!c->offline)
				cache_warn(c, prefixes[i]);
			rc = 0;
		}
	}
	if (rc == 0)
		rc = replay(&b, fn, arg);
	buf_free(&b);
	return rc;
}

static int list(struct store_cache *c, const char *prefix, bool names, store_list_fn *fn, void *arg)
{
	int i = which(prefix, strlen(prefix));

	if (i >= 0 && strcmp(prefixes[i], prefix) == 0)
		return list_kept(c, (unsigned)i, names, fn, arg);
	if (c->offline)
		return cache_refuse(c, *prefix != '\0' ? prefix : "the list of all objects");
	return ask(c, prefix, names, fn, arg);
}

int cache_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list((struct store_cache *)s, prefix, false, fn, arg);
}

int cache_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list((struct store_cache *)s, prefix, true, fn, arg);
}

/* Copy all entries but ${name}. */
static int copy_without(const struct buf *from, const char *name, struct buf *to)
{
	struct rd r = rd_init(from->data, from->len);
	char other[STORE_NAME_MAX + 1];
	uint64_t size;
	int rc = 0;

	while (rc == 0 && next_entry(&r, other, &size))
		if (strcmp(other, name) != 0)
			rc = add_entry(to, other, size);
	return rc;
}

void cache_list_change(struct store_cache *c, const char *name, uint64_t size, bool there)
{
	struct buf old = BUF_INIT, new = BUF_INIT;
	int i = which(name, strlen(name)), rc;

	if (i < 0)
		return;
	pthread_mutex_lock(&c->lists.lock);
	c->lists.changes++;
	rc = load(c, (unsigned)i, &old);
	if (rc == 0)
		rc = copy_without(&old, name, &new);
	if (rc == 0 && there)
		rc = add_entry(&new, name, size);
	if (rc == 0)
		save(c, (unsigned)i, &new);
	pthread_mutex_unlock(&c->lists.lock);
	buf_free(&old);
	buf_free(&new);
}
