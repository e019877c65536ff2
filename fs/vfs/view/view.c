/*
 * View: the list of snapshots with names that stay.  Hosts and tags: view_group.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/vfs/view/view_impl.h"
#include "repo/util/text/when.h"

/* --- Looking up --------------------------------------------------------------------------------------------------- */

static size_t name_hash(const char *name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32);
}

const struct view_snapshot *view_by_name(const struct view *v, const char *name)
{
	for (size_t h = name_hash(name); v->by_name[h & v->mask] != 0; h++) {
		const struct view_snapshot *s = &v->snaps[v->by_name[h & v->mask] - 1];

		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static void enter_name(struct view *v, size_t i)
{
	size_t h = name_hash(v->snaps[i].name);

	while (v->by_name[h & v->mask] != 0)
		h++;
	v->by_name[h & v->mask] = (uint32_t)i + 1;
}

const struct view_snapshot *view_next_slot(const struct view *v, uint32_t slot)
{
	size_t lo = 0, hi = v->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v->by_slot[mid]->slot < slot)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < v->n ? v->by_slot[lo] : NULL;
}

const struct view_snapshot *view_by_slot(const struct view *v, uint32_t slot)
{
	const struct view_snapshot *s = view_next_slot(v, slot);

	return s != NULL && s->slot == slot ? s : NULL;
}

const struct view_snapshot *view_by_id(const struct view *v, const char *name)
{
	const struct view_snapshot *found = NULL;
	char hex[ID_HEX_SIZE];
	size_t len = strlen(name);

	if (len < 4 || len > 2 * ID_LEN)
		return NULL;
	for (size_t i = 0; i < v->n; i++) {
		if (strncmp(id_hex(&v->snaps[i].id, hex), name, len) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = &v->snaps[i];
	}
	return found;
}

const struct view_snapshot *view_by_time(const struct view *v, int64_t ns)
{
	size_t lo = 0, hi = v->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v->snaps[mid].time_ns <= ns)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 ? &v->snaps[lo - 1] : NULL;
}

const struct view_snapshot *view_latest(const struct view *v)
{
	return v->n > 0 ? &v->snaps[v->n - 1] : NULL;
}

size_t view_count(const struct view *v)
{
	return v->n;
}

const struct view_snapshot *view_at(const struct view *v, size_t i)
{
	return &v->snaps[i];
}

/* --- Loading ------------------------------------------------------------------------------------------------------ */

struct view *view_ref(struct view *v)
{
	atomic_fetch_add(&v->refs, 1);
	return v;
}

void view_unref(struct view *v)
{
	if (v == NULL || atomic_fetch_sub(&v->refs, 1) != 1)
		return;
	for (size_t i = 0; v->members != NULL && i < v->n; i++)
		free(v->members[i].tags);
	free(v->members);
	free(v->by_slot);
	free(v->gone);
	free(v->by_name);
	free(v->snaps);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

static struct view *view_new(const struct view_options *opts, size_t n)
{
	struct view *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	atomic_init(&v->refs, 1);
	pthread_mutex_init(&v->lock, NULL);
	v->opts = opts;
	for (v->mask = 15; v->mask < 2 * n; v->mask = 2 * v->mask + 1)
		;
	v->snaps = calloc(n + 1, sizeof(*v->snaps));
	v->by_name = calloc(v->mask + 1, sizeof(*v->by_name));
	v->by_slot = calloc(n + 1, sizeof(*v->by_slot));
	v->members = calloc(n + 1, sizeof(*v->members));
	if (v->snaps != NULL && v->by_name != NULL && v->by_slot != NULL && v->members != NULL)
		return v;
	view_unref(v);
	return NULL;
}

/* The old view's snapshot with this id; both lists are ordered by time and id. */
static ssize_t find_same(const struct view *old, const struct snapshot *s)
{
	size_t lo = 0, hi = old != NULL ? old->n : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct view_snapshot *o = &old->snaps[mid];

		if (o->time_ns < s->time_ns || (o->time_ns == s->time_ns && id_compare(&o->id, &s->id) < 0))
			lo = mid + 1;
		else
			hi = mid;
	}
	return old != NULL && lo < old->n && id_equal(&old->snaps[lo].id, &s->id) ? (ssize_t)lo : -1;
}

static bool is_gone(const struct view *v, const char *name)
{
	uint64_t hash = name_hash(name);

	for (size_t i = 0; i < v->ngone; i++)
		if (v->gone[i] == hash)
			return true;
	return false;
}

/* Note the names that the old view had and this one has not. */
static int note_gone(struct view *v, const struct view *old)
{
	v->gone = calloc(old->ngone + old->n + 1, sizeof(*v->gone));
	if (v->gone == NULL)
		return -ENOMEM;
	if (old->ngone > 0)
		memcpy(v->gone, old->gone, old->ngone * sizeof(*v->gone));
	v->ngone = old->ngone;
	for (size_t i = 0; i < old->n; i++)
		if (view_by_name(v, old->snaps[i].name) == NULL)
			v->gone[v->ngone++] = name_hash(old->snaps[i].name);
	return 0;
}

/* A name that nobody has, nor has had, with as few digits as that takes. */
static void make_name(const struct view *v, struct view_snapshot *s)
{
	struct snapshot plain = { .id = s->id, .time_ns = s->time_ns };
	char name[SNAPSHOT_NAME_MAX];

	for (unsigned form = 0; snapshot_name(&plain, v->opts->style, v->opts->utc, form, name); form++) {
		if (view_by_name(v, name) == NULL && !is_gone(v, name))
			break;
	}
	memcpy(s->name, name, sizeof(s->name));
}

static int by_slot_order(const void *a, const void *b)
{
	const struct view_snapshot *const *x = a, *const *y = b;

	return (*x)->slot < (*y)->slot ? -1 : (*x)->slot > (*y)->slot;
}

/* Take over what the old view knew of a snapshot. */
static int inherit(struct view *v, size_t i, const struct view *old, size_t o)
{
	const struct membership *from = &old->members[o];
	struct membership *to = &v->members[i];

	v->snaps[i] = old->snaps[o];
	enter_name(v, i);
	if (!from->known)
		return 0;
	*to = *from;
	to->tags = calloc(from->ntags + 1, sizeof(*to->tags));
	if (to->tags == NULL) {
		to->ntags = 0;
		return -ENOMEM;
	}
	if (from->ntags > 0)
		memcpy(to->tags, from->tags, from->ntags * sizeof(*to->tags));
	return 0;
}

/* Slots for the snapshots that the old view did not have, all in one transaction. */
static int fill_slots(struct view *v)
{
	struct id *ids = calloc(v->n + 1, sizeof(*ids));
	uint32_t *slots = calloc(v->n + 1, sizeof(*slots));
	size_t n = 0;
	int rc = ids != NULL && slots != NULL ? 0 : -ENOMEM;

	for (size_t i = 0; i < v->n && rc == 0; i++) {
		if (v->snaps[i].slot == 0)
			ids[n++] = v->snaps[i].id;
	}
	if (n > 0)
		rc = index_slots(v->opts->repo->index, ids, n, slots);
	for (size_t i = 0, k = 0; i < v->n && rc == 0; i++) {
		if (v->snaps[i].slot == 0)
			v->snaps[i].slot = slots[k++];
	}
	free(ids);
	free(slots);
	return rc;
}

static int fill(struct view *v, const struct catalog *c, const size_t *chosen, struct view *old)
{
	int rc = 0;

	if (old != NULL)
		pthread_mutex_lock(&old->lock);
	for (size_t i = 0; i < v->n && rc == 0; i++) {
		const struct snapshot *s = catalog_at(c, chosen[i]);
		ssize_t o = find_same(old, s);

		v->snaps[i].id = s->id;
		v->snaps[i].time_ns = s->time_ns;
		if (old != NULL && o >= 0)
			rc = inherit(v, i, old, (size_t)o);
	}
	if (old != NULL)
		pthread_mutex_unlock(&old->lock);
	if (rc == 0 && old != NULL)
		rc = note_gone(v, old);
	if (rc == 0)
		rc = fill_slots(v);
	for (size_t i = 0; i < v->n && rc == 0; i++) {
		v->by_slot[i] = &v->snaps[i];
		if (v->snaps[i].name[0] == '\0') {
			make_name(v, &v->snaps[i]);
			enter_name(v, i);
		}
	}
	/* After a failure it points nowhere yet. */
	if (rc == 0)
		qsort(v->by_slot, v->n, sizeof(*v->by_slot), by_slot_order);
	return rc;
}

/*
 * Who was not entitled to make a snapshot cannot make himself the newest.  Older ones are not read for that, as there
 * may be many: they show what they are when they are entered.
 */
static void drop_rejected(const struct catalog *c, const size_t *chosen, size_t *n)
{
	struct manifest m;
	int rc = -EKEYREJECTED;

	while (*n > 0 && (rc = catalog_manifest(c, chosen[*n - 1], &m)) == -EKEYREJECTED)
		(*n)--;
	if (rc == 0)
		manifest_destroy(&m);
}

/* The snapshots that the mount's filter lets through. */
static int choose(const struct catalog *c, const struct snapshot_filter *f, size_t *chosen, size_t *n)
{
	*n = 0;
	for (size_t i = 0; i < catalog_count(c); i++) {
		int rc = catalog_matches(c, i, f);

		if (rc == -ENOMEM)
			return rc;
		/* A manifest that cannot be read was logged; whether it matches is not known, so it is shown. */
		if (rc != 0 && rc != -EKEYREJECTED)
			chosen[(*n)++] = i;
	}
	drop_rejected(c, chosen, n);
	return 0;
}

static bool same_list(const struct view *old, const struct catalog *c, const size_t *chosen, size_t n)
{
	if (old == NULL || old->n != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!id_equal(&old->snaps[i].id, &catalog_at(c, chosen[i])->id))
			return false;
	}
	return true;
}

int view_load(const struct view_options *opts, struct view *old, struct view **out)
{
	struct catalog_options co = repo_catalog_options(opts->repo);
	struct catalog *c = NULL;
	struct view *v = NULL;
	size_t *chosen = NULL, n = 0;
	int rc;

	co.again = old != NULL;
	rc = catalog_load(&co, &c);
	if (rc != 0)
		return rc;
	chosen = calloc(catalog_count(c) + 1, sizeof(*chosen));
	rc = chosen != NULL ? choose(c, &opts->filter, chosen, &n) : -ENOMEM;
	if (rc != 0 || same_list(old, c, chosen, n))
		goto out;
	v = view_new(opts, n);
	if (v == NULL) {
		rc = -ENOMEM;
		goto out;
	}
	v->n = n;
	rc = fill(v, c, chosen, old);
	if (rc == 0) {
		*out = v;
		v = NULL;
		rc = 1;
	}
out:
	view_unref(v);
	free(chosen);
	catalog_free(c);
	return rc;
}
