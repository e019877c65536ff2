/*
 * Witness: what was seen, and what follows from it.
 *
 * The file is what counts: each listing is compared with it as it is then, and it is replaced if something has changed,
 * all under its lock.  What is learned between two listings (heads) waits in ${p->state} for the next.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <unistd.h>

#include "repo/snapshot/witness/witness_impl.h"
#include "repo/util/text/when.h"

#define REWRITE_NS (3600 * NS_PER_SEC) /* the time of the last listing may be so much older in the file than it is */

struct witness {
	struct witness_options opts;
	pthread_mutex_t lock;
	struct buf dir, path;
	struct hash_key hosts;  /* for names of hosts */
	struct witness_state state;
	struct witness_head *seen;  /* heads that the file has not got yet */
	size_t nseen;
	struct sighting *now;   /* the last listing, by id */
	size_t nnow;
	struct id *told;        /* hosts, revocations */
	size_t ntold;
	bool unwritable;        /* that has been told */
};

/* --- Files -------------------------------------------------------------------------------------------------------- */

static int set_paths(struct witness *p)
{
	char url[ID_HEX_SIZE], repo[33];
	struct id id;
	int rc;

	crypt_hash(p->opts.url, strlen(p->opts.url), &id);
	hex_encode(p->opts.secrets->repo_id, 16, repo);
	rc = buf_printf(&p->dir, "%s/seen/%.32s", p->opts.cache_dir, id_hex(&id, url));
	return rc == 0 ? buf_printf(&p->path, "%s/%s", (const char *)p->dir.data, repo) : rc;
}

/* The file's state takes the place of ours, if there is one.  Return 0 or -ENOMEM. */
static int reread(struct witness *p)
{
	struct witness_state f;
	int rc = witness_file_read((const char *)p->path.data, &f);

	if (rc == 0) {
		witness_state_free(&p->state);
		p->state = f;
	}
	return rc == -ENOMEM ? rc : 0;
}

static void write_file(struct witness *p)
{
	int rc;

	p->state.owner = p->opts.secrets->owner_public;
	rc = witness_file_write((const char *)p->path.data, &p->state);
	if (rc < 0 && !p->unwritable)
		log_warn(p->opts.log, "%s: %s: what is seen of the repository is not remembered",
		    (const char *)p->path.data, ERR(rc));
	p->unwritable = p->unwritable || rc < 0;
}

/* Enter what was seen since.  Return 1 if that has changed anything, 0, -ENOMEM. */
static int enter_seen(struct witness *p)
{
	int rc = 0, changed = 0;

	for (size_t i = 0; i < p->nseen && rc >= 0; i++) {
		rc = witness_set_head(&p->state, &p->seen[i]);
		changed |= rc > 0;
	}
	p->nseen = 0;
	return rc < 0 ? rc : changed;
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

/* Nothing is known of this repository at this URL.  Is anything of another one? */
static int first_time(const struct witness *p)
{
	const struct witness_options *o = &p->opts;

	if (!witness_file_others((const char *)p->dir.data) || o->trust)
		return 0;
	if (!o->recipient) {
		log_warn(o->log, "%s: is another repository than the one that was here before", o->url);
		return 0;
	}
	log_error(o->log, "%s: is another repository than the one that was here before, and anybody who knows your "
	    "public key could have made it for you (to accept it: varve key trust)", o->url);
	return -EBADMSG;
}

static bool same_owner(const struct witness *p)
{
	return crypt_equal(p->state.owner.b, p->opts.secrets->owner_public.b, sizeof(p->state.owner.b));
}

static int load(struct witness *p)
{
	int rc;

	if (p->opts.trust)
		unlink((const char *)p->path.data);
	rc = witness_file_read((const char *)p->path.data, &p->state);
	if (rc == -ENOENT) {
		rc = first_time(p);
		if (rc == 0) {
			witness_file_make_dirs((const char *)p->path.data);
			write_file(p);
		}
	} else if (rc == 0 && !same_owner(p)) {
		log_error(p->opts.log, "%s: has another owner than before (to accept it: varve key trust)",
		    p->opts.url);
		rc = -EBADMSG;
	} else if (rc != 0 && rc != -ENOMEM) {
		log_warn(p->opts.log, "%s: %s: the repository is believed as if it were seen for the first time",
		    (const char *)p->path.data, ERR(rc));
		rc = 0;
	}
	return rc;
}

int witness_open(const struct witness_options *opts, struct witness **out)
{
	struct witness *p = calloc(1, sizeof(*p));
	int rc;

	if (p == NULL)
		return -ENOMEM;
	p->opts = *opts;
	pthread_mutex_init(&p->lock, NULL);
	crypt_derive(opts->secrets->metadata.b, "hosts, as this machine has seen them", p->hosts.b);
	rc = set_paths(p);
	if (rc == 0)
		rc = load(p);
	if (rc == 0) {
		*out = p;
	} else {
		p->opts.listings = false;
		witness_close(p);
	}
	return rc;
}

void witness_close(struct witness *p)
{
	int fd;

	if (p == NULL)
		return;
	if (p->nseen > 0) {
		fd = witness_file_lock((const char *)p->dir.data);
		if (reread(p) == 0 && enter_seen(p) > 0)
			write_file(p);
		if (fd >= 0)
			close(fd);
	}
	witness_state_free(&p->state);
	free(p->seen);
	free(p->now);
	free(p->told);
	buf_free(&p->dir);
	buf_free(&p->path);
	crypt_wipe(&p->hosts, sizeof(p->hosts));
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static bool has_id(const struct id *ids, size_t n, const struct id *id)
{
	for (size_t i = 0; i < n; i++)
		if (id_equal(&ids[i], id))
			return true;
	return false;
}

const char *witness_path(const struct witness *p)
{
	return (const char *)p->dir.data;
}

/* --- Heads -------------------------------------------------------------------------------------------------------- */

void witness_host(const struct witness *p, const char *host, struct id *out)
{
	crypt_object_id(&p->hosts, host, strlen(host), out);
}

/* Under the lock.  Without memory it is not remembered. */
static void add_seen(struct witness *p, const struct witness_head *h)
{
	struct witness_head *grown;

	for (size_t i = 0; i < p->nseen; i++) {
		if (id_equal(&p->seen[i].host, &h->host)) {
			if (p->seen[i].time_ns < h->time_ns)
				p->seen[i] = *h;
			return;
		}
	}
	grown = p->nseen < WITNESS_HEADS_MAX ? reallocarray(p->seen, p->nseen + 1, sizeof(*grown)) : NULL;
	if (grown == NULL)
		return;
	p->seen = grown;
	p->seen[p->nseen++] = *h;
}

static const struct witness_head *head_of(const struct witness *p, const struct id *host)
{
	for (size_t i = 0; i < p->state.nheads; i++)
		if (id_equal(&p->state.heads[i].host, host))
			return &p->state.heads[i];
	return NULL;
}

void witness_saw(struct witness *p, const char *host, const struct id *id, int64_t time_ns)
{
	struct witness_head h = { .id = *id, .time_ns = time_ns };
	const struct witness_head *known;

	if (!p->opts.listings)
		return;
	witness_host(p, host, &h.host);
	pthread_mutex_lock(&p->lock);
	known = head_of(p, &h.host);
	if (known == NULL || known->time_ns < time_ns)
		add_seen(p, &h);
	pthread_mutex_unlock(&p->lock);
}

void witness_tell(struct witness *p, const struct id *what)
{
	struct id *grown;

	pthread_mutex_lock(&p->lock);
	grown = reallocarray(p->told, p->ntold + 1, sizeof(*grown));
	if (grown != NULL) {
		p->told = grown;
		p->told[p->ntold++] = *what;
	}
	pthread_mutex_unlock(&p->lock);
}

bool witness_was_told(struct witness *p, const struct id *what)
{
	bool told;

	pthread_mutex_lock(&p->lock);
	told = has_id(p->told, p->ntold, what);
	pthread_mutex_unlock(&p->lock);
	return told;
}

static bool is_head(const struct witness_head *heads, size_t n, const struct id *id)
{
	for (size_t i = 0; i < n; i++)
		if (id_equal(&heads[i].id, id))
			return true;
	return false;
}

void witness_forgotten(struct witness *p, const struct id *id)
{
	bool found = false;
	int fd;

	pthread_mutex_lock(&p->lock);
	if (!is_head(p->state.heads, p->state.nheads, id) && !is_head(p->seen, p->nseen, id)) {
		pthread_mutex_unlock(&p->lock);
		return;
	}
	fd = witness_file_lock((const char *)p->dir.data);
	reread(p);
	enter_seen(p);
	for (size_t i = 0; i < p->state.nheads && !found; i++) {
		found = id_equal(&p->state.heads[i].id, id);
		if (found)
			p->state.heads[i] = p->state.heads[--p->state.nheads];
	}
	if (found)
		write_file(p);
	if (fd >= 0)
		close(fd);
	pthread_mutex_unlock(&p->lock);
}

/* --- Sightings ---------------------------------------------------------------------------------------------------- */

static int compare_sightings(const void *a, const void *b)
{
	return memcmp(a, b, SIGHTING_ID_LEN);
}

static const struct sighting *sighting_of(const struct witness_state *s, const struct id *id)
{
	return s->nsightings == 0 ? NULL :
	    bsearch(id->b, s->sightings, s->nsightings, sizeof(*s->sightings), compare_sightings);
}

/*
 * When a snapshot that is in this list for the first time was not there yet: at the last listing, if there was one and
 * it is known in full.
 */
static int64_t absence(const struct witness_state *s, const struct id *id)
{
	const struct sighting *known = sighting_of(s, id);

	if (known != NULL)
		return known->absent_ns;
	return s->nsightings < WITNESS_SIGHTINGS_MAX - WITNESS_GONE_MAX ? s->listed_ns : 0;
}

/* What the store lists now, in order of id. */
static int set_now(struct witness *p, const struct witness_listing *l)
{
	size_t n = l->nsnapshots < WITNESS_SIGHTINGS_MAX ? l->nsnapshots : WITNESS_SIGHTINGS_MAX;
	const struct id *ids = l->snapshots + (l->nsnapshots - n);
	struct sighting *now = calloc(n + 1, sizeof(*now));

	if (now == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		memcpy(now[i].id, ids[i].b, SIGHTING_ID_LEN);
		now[i].absent_ns = absence(&p->state, &ids[i]);
	}
	qsort(now, n, sizeof(*now), compare_sightings);
	free(p->now);
	p->now = now;
	p->nnow = n;
	return 0;
}

/*
 * The sightings become what is there now, and some of what is gone: it may come back, when somebody undoes a deletion.
 * Return 1 if they are others than before, 0, -ENOMEM.
 */
static int set_sightings(struct witness *p)
{
	struct witness_state *s = &p->state;
	struct sighting *fresh = calloc(p->nnow + s->nsightings + 1, sizeof(*fresh));
	size_t n = 0, i = 0, gone = 0;
	int changed;

	if (fresh == NULL)
		return -ENOMEM;
	for (size_t k = 0; k <= p->nnow; k++) {
		for (; i < s->nsightings && (k == p->nnow || compare_sightings(&s->sightings[i], &p->now[k]) < 0); i++)
			if (gone++ < WITNESS_GONE_MAX)
				fresh[n++] = s->sightings[i];
		if (k < p->nnow)
			fresh[n++] = p->now[k];
		if (k < p->nnow && i < s->nsightings && compare_sightings(&s->sightings[i], &p->now[k]) == 0)
			i++;
	}
	changed = n != s->nsightings || (n > 0 && memcmp(fresh, s->sightings, n * sizeof(*fresh)) != 0);
	free(s->sightings);
	s->sightings = fresh;
	s->nsightings = n;
	return changed;
}

bool witness_made_late(struct witness *p, const struct id *id, int64_t expires_ns)
{
	const struct sighting *s;
	bool late;

	pthread_mutex_lock(&p->lock);
	s = expires_ns != 0 ? sighting_of(&p->state, id) : NULL;
	late = s != NULL && s->absent_ns != 0 && s->absent_ns - WITNESS_LATE_NS > expires_ns;
	pthread_mutex_unlock(&p->lock);
	return late;
}

/* --- Listings ----------------------------------------------------------------------------------------------------- */

static bool is_listed(const struct witness *p, const struct id *id)
{
	return p->nnow > 0 && bsearch(id->b, p->now, p->nnow, sizeof(*p->now), compare_sightings) != NULL;
}

static int find_missing(const struct witness *p, const struct witness_listing *l, struct witness_missing *out)
{
	const struct witness_state *s = &p->state;

	out->heads = calloc(s->nheads + 1, sizeof(*out->heads));
	out->revocations = calloc(s->nrevoked + 1, sizeof(*out->revocations));
	if (out->heads == NULL || out->revocations == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->nheads && p->nnow < WITNESS_SIGHTINGS_MAX; i++)
		if (!is_listed(p, &s->heads[i].id))
			out->heads[out->nheads++] = s->heads[i];
	for (size_t i = 0; i < s->nrevoked; i++)
		if (!has_id(l->revocations, l->nrevocations, &s->revoked[i]))
			out->revocations[out->nrevocations++] = s->revoked[i];
	return 0;
}

void witness_missing_free(struct witness_missing *m)
{
	free(m->heads);
	free(m->revocations);
	*m = (struct witness_missing){ .nheads = 0 };
}

/* Bring the state up to date.  Return 1 if the file is to be written, 0, -ENOMEM. */
static int take_listing(struct witness *p, const struct witness_listing *l)
{
	struct witness_state *s = &p->state;
	int changed = enter_seen(p), rc = changed < 0 ? changed : set_now(p, l);

	if (rc == 0)
		rc = set_sightings(p);
	changed |= rc > 0;
	for (size_t i = 0; i < l->nrevocations && rc >= 0; i++) {
		rc = witness_set_revoked(s, &l->revocations[i]);
		changed |= rc > 0;
	}
	if (rc < 0)
		return rc;
	changed |= l->begun_ns - s->listed_ns > REWRITE_NS;
	if (changed)
		s->listed_ns = l->begun_ns;
	return changed;
}

int witness_listed(struct witness *p, const struct witness_listing *l, struct witness_missing *out)
{
	int fd, rc;

	*out = (struct witness_missing){ .nheads = 0 };
	if (!p->opts.listings)
		return 0;
	pthread_mutex_lock(&p->lock);
	fd = witness_file_lock((const char *)p->dir.data);
	rc = reread(p);
	if (rc == 0)
		rc = take_listing(p, l);
	if (rc > 0)
		write_file(p);
	if (rc >= 0)
		rc = find_missing(p, l, out);
	if (fd >= 0)
		close(fd);
	pthread_mutex_unlock(&p->lock);
	return rc;
}
