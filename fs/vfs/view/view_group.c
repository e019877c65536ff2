/*
 * Hosts and tags of a view.  Which snapshots are in which is read from their manifests when it is first asked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fs/vfs/view/view_impl.h"

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
