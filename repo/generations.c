/*
 * Generations of the secrets.  See generations.h.
 *
 * Kept in the index's store of objects: each generation that was for this key, under its name; and under LAST_SEEN the
 * ids of all that were seen, so that an old state of the store is noticed, and does no harm.
 */
#include "repo/generations.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/crypt/keys/generation.h"
#include "repo/util/text/when.h"

#define LAST_SEEN "last/generations"
#define RENEW_INTERVAL_MS 1000
#define RENEW_FREELY 100 /* times that it may have been in vain before that counts */

struct generations {
	struct generations_options opts;
	pthread_mutex_t lock;
	struct id known[GENERATIONS_MAX + 1]; /* that need not be looked at again, for whatever reason */
	unsigned nknown;
	bool behind;
	int64_t behind_ns;
	struct seal_domain *data, *metadata;  /* NULL: not served yet */
	struct learned {
		struct id id;
		struct buf object;
	} learned[GENERATIONS_MAX];           /* since then: to be kept at the end */
	unsigned nlearned;
	unsigned vain;                        /* times that something did not open, and there was no new one */
	int64_t looked_ms;                    /* when it was looked last, on CLOCK_MONOTONIC */
};

/* --- What is known ------------------------------------------------------------------------------------------------ */

static bool is_known(const struct generations *g, const struct id *id)
{
	for (unsigned i = 0; i < g->nknown; i++)
		if (id_equal(&g->known[i], id))
			return true;
	return false;
}

static void know(struct generations *g, const struct id *id)
{
	if (g->nknown < GENERATIONS_MAX + 1)
		g->known[g->nknown++] = *id;
}

static void fall_behind(struct generations *g, int64_t time_ns)
{
	char when[WHEN_SIZE] = "an unknown date";

	g->behind = true;
	if (time_ns > g->behind_ns)
		g->behind_ns = time_ns;
	if (g->metadata == NULL)
		return;
	if (time_ns > 0)
		when_format(time_ns, WHEN_HUMAN, false, when);
	if (!g->metadata->ring->behind)
		log_warn(g->opts.log, "the repository's secrets were rotated on %s, and this key has not got the new "
		    "ones: what was stored since cannot be read", when);
	g->data->ring->behind = g->metadata->ring->behind = true;
}

bool generations_behind(const struct generations *g, int64_t *time_ns)
{
	*time_ns = g->behind_ns;
	return g->behind;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static bool has_id(const struct buf *b, const struct id *id)
{
	struct id hash;

	crypt_hash(b->data, b->len, &hash);
	return id_equal(&hash, id);
}

/* Where another copy may be good, ask once more. */
static int fetch(const struct generations *g, const char *name, const struct id *id, struct buf *out)
{
	struct store *s = g->opts.store;
	int rc = store_get_all(s, name, GENERATION_MAX, out);

	if (rc == 0 && !has_id(out, id) && store_distrust(s, name, 0, out->len) == 0) {
		buf_clear(out);
		rc = store_get_all(s, name, GENERATION_MAX, out);
	}
	return rc;
}

/*
 * What the bytes bring: 0 with ${*out}; -ENOENT if nothing, and then ${*time_ns} is that of a generation that is not
 * for this key, or -1 if it is none (told).  Other errors: it cannot be read (told).
 */
static int look_into(const struct generations *g, const char *name, const struct id *id, const struct buf *b,
    struct generation_secrets *out, int64_t *time_ns)
{
	const struct log *log = g->opts.log;
	struct generation v;
	int rc = has_id(b, id) ? generation_open(b->data, b->len, g->opts.secrets, &v) : -EILSEQ;

	*time_ns = -1;
	if (rc == 0) {
		*time_ns = v.time_ns;
		rc = generation_secrets(&v, g->opts.secrets, id, out);
	} else if (rc == -EBADMSG || rc == -EKEYREJECTED) {
		log_warn(log, "%s: not made by the owner, ignored", name);
		return -ENOENT;
	}
	if (rc == -EILSEQ)
		log_error(log, "%s: damaged: what was stored with the secrets in it cannot be read", name);
	else if (rc != 0 && rc != -ENOENT)
		log_error(log, "%s: %s", name, ERR(rc));
	return rc;
}

/* The object of a generation is for this key: ${b} is kept, at once or at the end. */
static void keep(struct generations *g, const struct id *id, const char *name, struct buf *b)
{
	if (g->metadata == NULL) {
		index_keep(g->opts.index, name, b->data, b->len);
	} else if (g->nlearned < GENERATIONS_MAX) {
		g->learned[g->nlearned++] = (struct learned){ .id = *id, .object = *b };
		*b = (struct buf)BUF_INIT;
	}
}

/* Learn one: 0 with ${*out} if there is something for this key; -ENOENT if not; -ENOMEM; what the store returns. */
static int learn(struct generations *g, const struct id *id, struct generation_secrets *out)
{
	char name[GENERATION_NAME_SIZE];
	struct buf b = BUF_INIT;
	int64_t time_ns = -1;
	int rc, kept;

	generation_object_name(id, name);
	kept = g->metadata == NULL ? index_kept(g->opts.index, name, &b) : -ENOENT;
	if (kept == 0 && !has_id(&b, id))
		kept = -ENOENT;
	if (kept != 0)
		buf_clear(&b);
	rc = kept == 0 ? 0 : fetch(g, name, id, &b);
	if (rc != 0)
		goto out; /* also gone since it was listed */
	know(g, id);
	rc = look_into(g, name, id, &b, out, &time_ns);
	if (rc == 0)
		keep(g, id, name, &b);
	if (rc == -ENOENT && time_ns >= 0)
		fall_behind(g, time_ns);
	if (rc != 0 && rc != -ENOENT && rc != -ENOMEM) {
		fall_behind(g, 0);
		rc = -ENOENT;
	}
out:
	buf_free(&b);
	return rc;
}

/* --- Listing ------------------------------------------------------------------------------------------------------ */

#define LISTED_MAX (2u * GENERATIONS_MAX) /* objects that are looked at */

struct id_list {
	struct id ids[LISTED_MAX];
	unsigned n;
	bool more; /* there are */
};

static void add_id(struct id_list *l, const struct id *id)
{
	for (unsigned i = 0; i < l->n; i++)
		if (id_equal(&l->ids[i], id))
			return;
	l->more = l->n == LISTED_MAX;
	if (!l->more)
		l->ids[l->n++] = *id;
}

static int collect(void *arg, const char *name, uint64_t size)
{
	struct id id;

	(void)size;
	if (id_parse(name + strlen(GENERATIONS_PREFIX), &id) == 0)
		add_id(arg, &id);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int list(struct generations *g, struct id_list *out)
{
	out->n = 0;
	out->more = false;
	return store_list_names(g->opts.store, GENERATIONS_PREFIX, collect, out);
}

/* Those that were seen earlier, and are not in the store now, are missed. */
static void recall(const struct generations *g, struct id_list *l)
{
	struct buf b = BUF_INIT;
	unsigned listed = l->n;

	if (g->opts.trust)
		index_drop(g->opts.index, LAST_SEEN);
	if (index_kept(g->opts.index, LAST_SEEN, &b) == 0 && b.len % ID_LEN == 0) {
		for (size_t i = 0; i < b.len; i += ID_LEN) {
			struct id id;

			memcpy(id.b, b.data + i, ID_LEN);
			add_id(l, &id);
		}
	}
	for (unsigned i = listed; i < l->n && g->opts.look && g->opts.listings; i++) {
		char name[GENERATION_NAME_SIZE];

		log_warn(g->opts.log, "%s: was there and is not now: the store withholds it, or shows an old state",
		    generation_object_name(&l->ids[i], name));
	}
	buf_free(&b);
}

static void remember(const struct generations *g)
{
	struct buf b = BUF_INIT;

	int rc = 0;

	for (unsigned i = 0; i < g->opts.secrets->ngenerations && rc == 0; i++)
		rc = buf_append(&b, g->opts.secrets->generations[i].id.b, ID_LEN);
	for (unsigned i = 0; i < g->nlearned && rc == 0; i++)
		rc = buf_append(&b, g->learned[i].id.b, ID_LEN);
	if (rc == 0 && b.len > 0)
		index_keep(g->opts.index, LAST_SEEN, b.data, b.len);
	buf_free(&b);
}

/* --- At the opening ----------------------------------------------------------------------------------------------- */

static int take_in(struct generations *g, const struct id *id)
{
	struct generation_secrets s;
	int rc = learn(g, id, &s);

	if (rc == 0)
		rc = secrets_add_generation(g->opts.secrets, &s);
	crypt_wipe(&s, sizeof(s));
	if (rc == -ENOSPC)
		log_error(g->opts.log, "%s: the secrets have been rotated more than %d times, which is too often",
		    store_url(g->opts.store), GENERATIONS_MAX);
	return rc == -ENOENT || rc == -EEXIST ? 0 : rc;
}

int generations_new(const struct generations_options *opts, struct generations **out)
{
	struct generations *g = calloc(1, sizeof(*g));
	struct id_list l = { .n = 0 };
	int rc;

	if (g == NULL)
		return -ENOMEM;
	g->opts = *opts;
	pthread_mutex_init(&g->lock, NULL);
	for (unsigned i = 0; i < opts->secrets->ngenerations; i++)
		know(g, &opts->secrets->generations[i].id);
	rc = opts->look ? list(g, &l) : 0;
	if (rc != 0 && rc != -ENOMEM && !opts->listings)
		rc = 0; /* offline, say: what is kept has to do */
	if (rc == 0)
		recall(g, &l);
	if (rc == 0 && l.more)
		log_warn(g->opts.log, "%s: has more than %u objects: not all are looked at", GENERATIONS_PREFIX,
		    LISTED_MAX);
	for (unsigned i = 0; i < l.n && rc == 0; i++)
		if (!is_known(g, &l.ids[i]))
			rc = take_in(g, &l.ids[i]);
	if (rc != 0) {
		generations_free(g);
		return rc;
	}
	remember(g);
	*out = g;
	return 0;
}

void generations_free(struct generations *g)
{
	char name[GENERATION_NAME_SIZE];

	if (g == NULL)
		return;
	if (g->metadata != NULL)
		g->data->ring->renew = g->metadata->ring->renew = NULL;
	for (unsigned i = 0; i < g->nlearned; i++) {
		const struct learned *l = &g->learned[i];

		index_keep(g->opts.index, generation_object_name(&l->id, name), l->object.data, l->object.len);
	}
	if (g->nlearned > 0)
		remember(g);
	for (unsigned i = 0; i < g->nlearned; i++)
		buf_free(&g->learned[i].object);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

void generations_keep(struct generations *g, const struct id *id, const void *data, size_t len)
{
	char name[GENERATION_NAME_SIZE];

	index_keep(g->opts.index, generation_object_name(id, name), data, len);
	remember(g);
}

/* --- Later -------------------------------------------------------------------------------------------------------- */

static void add_to_rings(struct generations *g, struct generation_secrets *s)
{
	seal_data_ring_add(g->data->ring, g->opts.secrets, s);
	seal_metadata_ring_add(g->metadata->ring, s);
	crypt_wipe(s, sizeof(*s));
}

/*
 * The index is not touched here: whoever opens something may be in a transaction of it.  Each time there is a look at
 * the store, as what is taken for a stranger's must not be of a generation that has just come to be; unless there is so
 * much damage that it would be asked for ever.
 */
static int renew(void *arg)
{
	struct generations *g = arg;
	struct generation_secrets s;
	struct id_list l;
	unsigned n = g->metadata->ring->n;
	int rc = 0;

	pthread_mutex_lock(&g->lock);
	if (g->vain > RENEW_FREELY && now_ms() - g->looked_ms < RENEW_INTERVAL_MS)
		goto out;
	g->looked_ms = now_ms();
	rc = list(g, &l);
	for (unsigned i = 0; i < l.n && rc == 0; i++) {
		if (is_known(g, &l.ids[i]))
			continue;
		rc = learn(g, &l.ids[i], &s);
		if (rc == -ENOENT)
			rc = 0;
		else if (rc == 0)
			add_to_rings(g, &s);
	}
	if (rc == 0 && g->metadata->ring->n == n)
		g->vain++;
out:
	pthread_mutex_unlock(&g->lock);
	return rc;
}

void generations_serve(struct generations *g, struct seal_domain *data, struct seal_domain *metadata)
{
	g->data = data;
	g->metadata = metadata;
	data->ring->behind = metadata->ring->behind = g->behind;
	data->ring->arg = metadata->ring->arg = g;
	data->ring->renew = metadata->ring->renew = renew;
}
