/*
 * View: the list of snapshots with names that stay.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/vfs/view.h"
#include "repo/util/text/when.h"

#define NO_GROUP UINT32_MAX

/* Names that only grow, so that a number once given always means the same. */
struct name_list {
	char **names;
	size_t n, cap;
};

struct view_groups {
	pthread_mutex_t lock;
	struct name_list kind[2];
};

/* In which groups a snapshot is. */
struct membership {
	bool known;
	uint32_t host;
	uint32_t *tags;
	uint32_t ntags;
};

struct view {
	atomic_uint refs;
	const struct view_options *opts;
	struct view_snapshot *snaps;
	size_t n;
	uint32_t *by_name; /* open addressing: index + 1; mask is its size - 1 */
	size_t mask;
	struct view_snapshot **by_slot; /* ascending */
	pthread_mutex_t lock;           /* over what follows */
	struct membership *members;
	bool grouped;
};

/* --- Groups ------------------------------------------------------------------------------------------------------- */

struct view_groups *view_groups_new(void)
{
	struct view_groups *g = calloc(1, sizeof(*g));

	if (g != NULL)
		pthread_mutex_init(&g->lock, NULL);
	return g;
}

void view_groups_free(struct view_groups *g)
{
	if (g == NULL)
		return;
	for (int k = 0; k < 2; k++) {
		for (size_t i = 0; i < g->kind[k].n; i++)
			free(g->kind[k].names[i]);
		free(g->kind[k].names);
	}
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static ssize_t list_find(const struct name_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->names[i], name) == 0)
			return (ssize_t)i;
	}
	return -1;
}

static ssize_t list_add(struct name_list *l, const char *name)
{
	char **grown;

	if (l->n == l->cap) {
		grown = realloc(l->names, (l->cap * 2 + 8) * sizeof(*grown));
		if (grown == NULL)
			return -1;
		l->names = grown;
		l->cap = l->cap * 2 + 8;
	}
	l->names[l->n] = strdup(name);
	return l->names[l->n] == NULL ? -1 : (ssize_t)l->n++;
}

/* Can the name of a host or tag be that of a directory? */
static bool group_name_valid(const char *name)
{
	return entry_name_valid(name, strlen(name));
}

static uint32_t group_number(struct view_groups *g, enum view_group kind, const char *name)
{
	struct name_list *l = &g->kind[kind];
	ssize_t i = -1;

	if (group_name_valid(name)) {
		pthread_mutex_lock(&g->lock);
		i = list_find(l, name);
		if (i < 0)
			i = list_add(l, name);
		pthread_mutex_unlock(&g->lock);
	}
	return i < 0 ? NO_GROUP : (uint32_t)i;
}

size_t view_ngroups(const struct view *v, enum view_group kind)
{
	struct view_groups *g = v->opts->groups;
	size_t n;

	pthread_mutex_lock(&g->lock);
	n = g->kind[kind].n;
	pthread_mutex_unlock(&g->lock);
	return n;
}

const char *view_group_name(const struct view *v, enum view_group kind, size_t i)
{
	struct view_groups *g = v->opts->groups;
	const char *name;

	pthread_mutex_lock(&g->lock);
	name = i < g->kind[kind].n ? g->kind[kind].names[i] : NULL;
	pthread_mutex_unlock(&g->lock);
	return name;
}

ssize_t view_group_find(const struct view *v, enum view_group kind, const char *name)
{
	struct view_groups *g = v->opts->groups;
	ssize_t i;

	pthread_mutex_lock(&g->lock);
	i = list_find(&g->kind[kind], name);
	pthread_mutex_unlock(&g->lock);
	return i;
}

bool view_group_has(const struct view *v, enum view_group kind, size_t i, const struct view_snapshot *s)
{
	const struct membership *m = &v->members[s - v->snaps];

	if (!m->known)
		return false;
	if (kind == VIEW_HOSTS)
		return m->host == i;
	for (uint32_t t = 0; t < m->ntags; t++) {
		if (m->tags[t] == i)
			return true;
	}
	return false;
}

bool view_group_used(const struct view *v, enum view_group kind, size_t i)
{
	for (size_t s = 0; s < v->n; s++) {
		if (view_group_has(v, kind, i, &v->snaps[s]))
			return true;
	}
	return false;
}

static int join_groups(struct view *v, struct membership *m, const struct id *id)
{
	struct catalog_options co = repo_catalog_options(v->opts->repo);
	struct view_groups *g = v->opts->groups;
	struct manifest manifest;
	int rc;

	rc = catalog_read_manifest(&co, id, &manifest);
	if (rc != 0)
		return rc;
	m->host = group_number(g, VIEW_HOSTS, manifest.host);
	m->tags = calloc(manifest.ntags + 1, sizeof(*m->tags));
	if (m->tags == NULL) {
		rc = -ENOMEM;
	} else {
		for (uint32_t i = 0; i < manifest.ntags; i++)
			m->tags[m->ntags++] = group_number(g, VIEW_TAGS, manifest.tags[i]);
		m->known = true;
	}
	manifest_destroy(&manifest);
	return rc;
}

int view_grouped(struct view *v)
{
	int rc, err = 0;

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->n && !v->grouped; i++) {
		if (v->members[i].known)
			continue;
		rc = join_groups(v, &v->members[i], &v->snaps[i].id);
		if (rc != 0)
			err = rc;
	}
	v->grouped = err == 0;
	pthread_mutex_unlock(&v->lock);
	return err;
}

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

/* A name that nobody has yet, with as few digits as that takes. */
static void make_name(const struct view *v, struct view_snapshot *s)
{
	struct snapshot plain = { .id = s->id, .time_ns = s->time_ns };
	char name[SNAPSHOT_NAME_MAX];

	for (unsigned form = 0; snapshot_name(&plain, v->opts->style, v->opts->utc, form, name); form++) {
		if (view_by_name(v, name) == NULL)
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
		if (o >= 0)
			rc = inherit(v, i, old, (size_t)o);
	}
	if (old != NULL)
		pthread_mutex_unlock(&old->lock);
	if (rc == 0)
		rc = fill_slots(v);
	for (size_t i = 0; i < v->n && rc == 0; i++) {
		v->by_slot[i] = &v->snaps[i];
		if (v->snaps[i].name[0] == '\0') {
			make_name(v, &v->snaps[i]);
			enter_name(v, i);
		}
	}
	qsort(v->by_slot, v->n, sizeof(*v->by_slot), by_slot_order);
	return rc;
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
		if (rc != 0)
			chosen[(*n)++] = i;
	}
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
	struct catalog *c = NULL;
	struct view *v = NULL;
	size_t *chosen = NULL, n = 0;
	int rc;

	rc = repo_catalog(opts->repo, &c);
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
