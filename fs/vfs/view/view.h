/*
 * View: the snapshots as the mount shows them, with their names and slots.
 *
 * A view is immutable and counted; the refresher makes a new one when the store's list has changed.  Names do not
 * change from one view to the next: a snapshot that was there keeps its name, new ones get theirs around it.
 *
 * Hosts and tags are read from the manifests when they are asked for first.
 */
#ifndef VARVE_FS_VIEW_H
#define VARVE_FS_VIEW_H

#include "repo/repo.h"
#include "repo/util/text/when.h"

struct view_snapshot {
	struct id id;
	int64_t time_ns;
	uint32_t slot;
	char name[SNAPSHOT_NAME_MAX];
};

struct view;        /* one state of the list */
struct view_groups; /* names of hosts and tags, numbered for the life of the mount */

/* Hosts or tags. */
enum view_group { VIEW_HOSTS, VIEW_TAGS };

struct view_options {
	struct repo *repo; /* borrowed as long as any view */
	struct view_groups *groups; /* borrowed as long as any view */
	struct snapshot_filter filter;
	enum when_style style;
	bool utc;
};

struct view_groups *view_groups_new(void);
void view_groups_free(struct view_groups *g);

/**
 * view_load(opts, old, out):
 * List the store.  ${old} (or NULL) is the view whose names are kept; ${opts} is borrowed as long as the view.
 * Return 1 with a new view; 0 if nothing has changed since ${old}; an error of the store: then ${old} remains true as
 * far as one knows.
 */
int view_load(const struct view_options *opts, struct view *old, struct view **out);

struct view *view_ref(struct view *v);
void view_unref(struct view *v);

/* Snapshots, oldest first. */
size_t view_count(const struct view *v);
const struct view_snapshot *view_at(const struct view *v, size_t i);

/*
 * By name, slot, id as /ids shows it, or time (newest at or before): NULL if there is none.  The newest of all, or
 * NULL.
 */
const struct view_snapshot *view_by_name(const struct view *v, const char *name);
const struct view_snapshot *view_by_slot(const struct view *v, uint32_t slot);
const struct view_snapshot *view_by_id(const struct view *v, const char *name);
const struct view_snapshot *view_by_time(const struct view *v, int64_t ns);
const struct view_snapshot *view_latest(const struct view *v);

/* The first snapshot whose slot is at least ${slot}, or NULL: an order that does not change as others come and go. */
const struct view_snapshot *view_next_slot(const struct view *v, uint32_t slot);

/**
 * view_grouped(v):
 * Read all manifests, if that has not been done, so that the following functions can answer.  Return 0; -ENOMEM; or,
 * if a manifest could not be read, the error of the last such (the others are grouped all the same, and the next call
 * tries again).
 */
int view_grouped(struct view *v);

/* Number of groups that have been seen; name of the ${i}-th; number of the one with this name, or -1. */
size_t view_ngroups(const struct view *v, enum view_group kind);
const char *view_group_name(const struct view *v, enum view_group kind, size_t i);
ssize_t view_group_find(const struct view *v, enum view_group kind, const char *name);

/* Is snapshot ${s} (of this view) in group ${i}?  Has the group any snapshot? */
bool view_group_has(const struct view *v, enum view_group kind, size_t i, const struct view_snapshot *s);
bool view_group_used(const struct view *v, enum view_group kind, size_t i);

#endif
