/*
 * Witness: listings, and what was seen in them when.  See witness.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/snapshot/witness/witness_impl.h"
#include "repo/util/text/when.h"

#define REWRITE_NS (3600 * NS_PER_SEC) /* the time of the last listing may be so much older in the file than it is */

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
		if (!witness_has_id(l->revocations, l->nrevocations, &s->revoked[i]))
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
	int changed = witness_enter_seen(p), rc = changed < 0 ? changed : set_now(p, l);

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
	rc = witness_reread(p);
	if (rc == 0)
		rc = take_listing(p, l);
	if (rc > 0)
		witness_write(p);
	if (rc >= 0)
		rc = find_missing(p, l, out);
	if (fd >= 0)
		close(fd);
	pthread_mutex_unlock(&p->lock);
	return rc;
}
