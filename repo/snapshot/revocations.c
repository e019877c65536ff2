/*
 * The set of revocations.  There are few, and each is read once: a plain array under a lock.
 */
#include "repo/snapshot/revocations.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct known {
	struct id id;
	struct revocation r;
	bool bad; /* there is nothing in ${r}: it has been told, and is not tried again */
};

struct ids {
	struct id *ids;
	size_t n;
};

struct revocations {
	struct revocations_options opts;
	pthread_mutex_t lock;
	struct known *known;
	size_t n, unreadable;
	struct ids listed;
};

int revocations_new(const struct revocations_options *opts, struct revocations **out)
{
	struct revocations *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return -ENOMEM;
	v->opts = *opts;
	pthread_mutex_init(&v->lock, NULL);
	*out = v;
	return 0;
}

void revocations_free(struct revocations *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < v->n; i++)
		revocation_destroy(&v->known[i].r);
	free(v->known);
	free(v->listed.ids);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

/* Under the lock. */
static const struct known *find(const struct revocations *v, const struct id *id)
{
	for (size_t i = 0; i < v->n; i++) {
		if (id_equal(&v->known[i].id, id))
			return &v->known[i];
	}
	return NULL;
}

/* Takes over ${k->r} in any case.  Two threads may have read the same one. */
static int add(struct revocations *v, struct known *k)
{
	struct known *grown;
	int rc = -ENOMEM;

	pthread_mutex_lock(&v->lock);
	if (find(v, &k->id) != NULL) {
		revocation_destroy(&k->r);
		rc = 0;
	} else if ((grown = reallocarray(v->known, v->n + 1, sizeof(*grown))) != NULL) {
		v->known = grown;
		v->known[v->n++] = *k;
		rc = 0;
	} else {
		revocation_destroy(&k->r);
	}
	pthread_mutex_unlock(&v->lock);
	return rc;
}

static bool is_known(struct revocations *v, const struct id *id)
{
	bool known;

	pthread_mutex_lock(&v->lock);
	known = find(v, id) != NULL;
	pthread_mutex_unlock(&v->lock);
	return known;
}

/* --- Reading ------------------------------------------------------------------------------------------------------ */

static bool has_id(const struct buf *b, const struct id *id)
{
	struct id hash;

	crypt_hash(b->data, b->len, &hash);
	return id_equal(&hash, id);
}

/*
 * Bytes that fit their name and are not the owner's will never be: that is kept in their place, so that whoever fills
 * the store with such costs us their reading once.
 */
#define NOT_THE_OWNERS "-"

static int open_kept(struct revocations *v, const char *name, struct known *k)
{
	struct buf b = BUF_INIT;
	int rc = index_kept(v->opts.index, name, &b);

	k->bad = rc == 0 && b.len == strlen(NOT_THE_OWNERS);
	if (rc == 0 && !k->bad)
		rc = has_id(&b, &k->id) ? revocation_open(b.data, b.len, v->opts.secrets, v->opts.metadata, &k->r) :
		    -EBADMSG;
	if (rc != 0 && rc != -ENOENT)
		index_drop(v->opts.index, name);
	buf_free(&b);
	return rc;
}

/* Where another copy may be good, ask once more. */
static int fetch(struct revocations *v, const char *name, const struct id *id, struct buf *out)
{
	struct store *s = v->opts.store;
	int rc = store_get_all(s, name, REVOCATION_MAX, out);

	if (rc == 0 && !has_id(out, id) && store_distrust(s, name, 0, out->len) == 0) {
		buf_clear(out);
		rc = store_get_all(s, name, REVOCATION_MAX, out);
	}
	return rc;
}

/* Say what is wrong with an object that has been read; true if it may be a revocation that should be heeded. */
static bool tell(struct revocations *v, const char *name, bool genuine, int rc)
{
	const struct log *log = v->opts.log;

	if (!genuine) {
		log_error(log, "%s: damaged: a writer whose key was revoked by it may be believed", name);
	} else if (rc != -EBADMSG && rc != -EKEYREJECTED) {
		log_error(log, "%s: %s: a writer whose key was revoked by it may be believed", name, ERR(rc));
	} else {
		log_warn(log, "%s: not made by the owner: it revokes nothing", name);
		index_keep(v->opts.index, name, NOT_THE_OWNERS, strlen(NOT_THE_OWNERS));
		return false;
	}
	return true;
}

/* An object as it was read.  Return 0, also for what is bad and has been told; -ENOMEM. */
static int take(struct revocations *v, const char *name, const struct buf *b, struct known *k)
{
	int rc = revocation_open(b->data, b->len, v->opts.secrets, v->opts.metadata, &k->r);

	if (rc == -ENOMEM)
		return rc;
	if (rc == 0)
		index_keep(v->opts.index, name, b->data, b->len);
	k->bad = rc != 0;
	if (k->bad && tell(v, name, has_id(b, &k->id), rc)) {
		pthread_mutex_lock(&v->lock);
		v->unreadable++;
		pthread_mutex_unlock(&v->lock);
	}
	return add(v, k);
}

/* Return 0; -ENOMEM; what the store returns. */
static int learn(struct revocations *v, const struct id *id)
{
	struct known k = { .id = *id };
	char name[REVOCATION_NAME_SIZE];
	struct buf b = BUF_INIT;
	int rc;

	revocation_object_name(id, name);
	if (open_kept(v, name, &k) == 0)
		return add(v, &k);
	rc = fetch(v, name, id, &b);
	if (rc == 0)
		rc = take(v, name, &b, &k);
	buf_free(&b);
	return rc == -ENOENT ? 0 : rc;
}

/* --- Listing ------------------------------------------------------------------------------------------------------ */

static int collect(void *arg, const char *name, uint64_t size)
{
	struct ids *l = arg;
	struct id *grown, id;

	(void)size;
	if (id_parse(name + strlen(REVOKED_PREFIX), &id) < 0 || l->n == REVOCATIONS_MAX)
		return 0;
	if ((l->n & (l->n - 1)) == 0) {
		grown = reallocarray(l->ids, l->n == 0 ? 1 : 2 * l->n, sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		l->ids = grown;
	}
	l->ids[l->n++] = id;
	return 0;
}

int revocations_refresh(struct revocations *v)
{
	struct ids l = { NULL, 0 }, old;
	int rc = store_list_names(v->opts.store, REVOKED_PREFIX, collect, &l);

	for (size_t i = 0; i < l.n && rc == 0; i++) {
		if (!is_known(v, &l.ids[i]))
			rc = learn(v, &l.ids[i]);
	}
	if (rc != 0) {
		free(l.ids);
		return rc;
	}
	pthread_mutex_lock(&v->lock);
	old = v->listed;
	v->listed = l;
	pthread_mutex_unlock(&v->lock);
	free(old.ids);
	return 0;
}

int revocations_listed(struct revocations *v, struct id **ids, size_t *n)
{
	int rc;

	pthread_mutex_lock(&v->lock);
	*ids = calloc(v->listed.n + 1, sizeof(**ids));
	*n = 0;
	for (size_t i = 0; *ids != NULL && i < v->listed.n; i++) {
		const struct known *k = find(v, &v->listed.ids[i]);

		if (k != NULL && !k->bad)
			(*ids)[(*n)++] = v->listed.ids[i];
	}
	rc = *ids != NULL ? 0 : -ENOMEM;
	pthread_mutex_unlock(&v->lock);
	return rc;
}

int revocations_recall(struct revocations *v, const struct id *id)
{
	struct known k = { .id = *id };
	const struct known *known;
	char name[REVOCATION_NAME_SIZE];
	int rc = 1;

	pthread_mutex_lock(&v->lock);
	known = find(v, id);
	if (known != NULL)
		rc = known->bad ? -ENOENT : 0;
	pthread_mutex_unlock(&v->lock);
	if (rc <= 0)
		return rc;
	if (open_kept(v, revocation_object_name(id, name), &k) != 0 || k.bad)
		return -ENOENT;
	return add(v, &k);
}

/* --- Asking ------------------------------------------------------------------------------------------------------- */

size_t revocations_unreadable(struct revocations *v)
{
	size_t n;

	pthread_mutex_lock(&v->lock);
	n = v->unreadable;
	pthread_mutex_unlock(&v->lock);
	return n;
}

/* The first in time of those of ${key} that do not keep ${snapshot} (NULL: of all). */
static bool search(struct revocations *v, const struct sign_public *key, const struct id *snapshot, int64_t *time_ns)
{
	int64_t first = INT64_MAX;
	bool found = false;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n; i++) {
		const struct known *k = &v->known[i];

		if (k->bad || memcmp(k->r.key.b, key->b, sizeof(key->b)) != 0 ||
		    (snapshot != NULL && revocation_keeps(&k->r, snapshot)))
			continue;
		found = true;
		first = k->r.time_ns < first ? k->r.time_ns : first;
	}
	pthread_mutex_unlock(&v->lock);
	if (found && time_ns != NULL)
		*time_ns = first;
	return found;
}

bool revocations_forbid(struct revocations *v, const struct sign_public *key, const struct id *snapshot,
    int64_t *time_ns)
{
	return search(v, key, snapshot, time_ns);
}

bool revocations_find(struct revocations *v, const struct sign_public *key, int64_t *time_ns)
{
	return search(v, key, NULL, time_ns);
}
