/*
 * Thaw.  See thaw.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/query/walk.h"
#include "repo/restore/thaw.h"
#include "repo/util/bytes/numset.h"

#define POLL_FIRST_S 5    /* a pause, and then twice as long each time, */
#define POLL_DEFAULT_S 60 /* up to that */

/* The packs that are needed. */
struct needed {
	struct repo *repo;
	const struct thaw_options *opts;
	struct numset seen;
	uint32_t *number; /* of those that are not known to be readable */
	size_t n, cap;
	uint64_t packs;
	unsigned pause_s; /* the last one */
};

static bool cancelled(const struct needed *d)
{
	return d->opts->cancel != NULL && *d->opts->cancel != 0;
}

/* --- Which packs -------------------------------------------------------------------------------------------------- */

static int add_pack(struct needed *d, uint32_t number)
{
	uint32_t *more;
	size_t cap = d->cap != 0 ? 2 * d->cap : 64;
	int rc = numset_add(&d->seen, number);

	if (rc <= 0)
		return rc;
	if (d->n == d->cap) {
		more = realloc(d->number, cap * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		d->number = more;
		d->cap = cap;
	}
	d->number[d->n++] = number;
	d->packs++;
	return 0;
}

static int add_file(struct needed *d, const struct tree_entry *e)
{
	uint64_t off = 0;
	struct place place;
	struct span span;
	int rc;

	while ((rc = tree_span(d->repo->tree, e, off, &span)) > 0) {
		rc = object_place(d->repo->reader, PACK_DATA, &span.id, &place);
		if (rc == 0)
			rc = add_pack(d, place.pack);
		if (rc != 0)
			return rc;
		off = span.off + span.len;
	}
	return rc;
}

/* A walk, and what of it is selected. */
struct selection {
	const struct thaw_options *opts;
	struct buf path;    /* in the snapshot, of what the walk begins at: without a "/" at its end */
	size_t prefix;      /* its length */
	unsigned included;  /* depth from which on all is included, + 1; 0: nothing yet */
};

/* Is the entry selected?  Directories that nothing can be selected in are to be skipped. */
static int select_entry(struct selection *s, const struct walk_item *i, bool *selected, bool *skip)
{
	bool dir = i->entry->type == ENTRY_DIR;
	const char *path;
	int rc;

	s->path.len = s->prefix;
	rc = i->depth == 0 ? 0 : buf_u8(&s->path, '/');
	if (rc == 0)
		rc = buf_append(&s->path, i->path, i->path_len);
	if (rc == 0)
		rc = buf_u8(&s->path, 0);
	if (rc != 0)
		return rc;
	path = (const char *)s->path.data;
	if (s->included > i->depth)
		s->included = 0;
	*skip = i->depth > 0 && match_path(s->opts->exclude, path, dir);
	if (s->included == 0 && !*skip && (s->opts->include == NULL || match_path(s->opts->include, path, dir)))
		s->included = i->depth + 1;
	*selected = s->included != 0 && !*skip;
	if (dir && !*selected && !*skip)
		*skip = i->depth > 0 && !match_may_below(s->opts->include, path);
	return 0;
}

static int walk_files(struct needed *d, struct selection *s, struct tree_walk *w)
{
	bool selected, skip;
	struct walk_item i;
	int rc;

	while ((rc = tree_walk_next(w, &i)) > 0) {
		if (cancelled(d))
			return -EINTR;
		if (i.event == WALK_DAMAGED)
			return i.err;
		if (i.event != WALK_ENTRY)
			continue;
		rc = select_entry(s, &i, &selected, &skip);
		if (rc == 0 && selected && i.entry->type == ENTRY_REG)
			rc = add_file(d, i.entry);
		if (rc != 0)
			return rc;
		if (skip && i.entry->type == ENTRY_DIR)
			tree_walk_skip(w);
	}
	return rc;
}

/* The path with one "/" before each name, and none at its end. */
static int put_path(struct buf *out, const char *path)
{
	size_t len;
	int rc = 0;

	for (path += strspn(path, "/"); *path != '\0' && rc == 0; path += len + strspn(path + len, "/")) {
		len = strcspn(path, "/");
		rc = buf_u8(out, '/');
		if (rc == 0)
			rc = buf_append(out, path, len);
	}
	return rc;
}

static int find_packs(struct needed *d, const struct tree_entry *root, const char *path)
{
	struct selection s = { .opts = d->opts };
	struct tree_walk *w = NULL;
	struct tree_hit hit;
	int rc;

	rc = tree_path(d->repo->tree, root, path, strlen(path), &hit);
	if (rc != 0)
		return rc;
	rc = put_path(&s.path, path);
	s.prefix = s.path.len;
	if (rc == 0)
		rc = tree_walk_begin(d->repo->tree, &hit.entry, &w);
	if (rc == 0)
		rc = walk_files(d, &s, w);
	tree_walk_end(w);
	tree_hit_release(d->repo->tree, &hit);
	buf_free(&s.path);
	return rc;
}

/* --- Asking and waiting ------------------------------------------------------------------------------------------- */

/* Is the pack readable?  Ask for it if nobody has.  Return 1 if it is, 0 if not yet, or an error. */
static int look_at(struct needed *d, uint32_t number)
{
	unsigned days = d->opts->days != 0 ? d->opts->days : THAW_DAYS_DEFAULT;
	struct store *store = d->repo->store;
	char name[PACK_NAME_SIZE];
	enum store_class class;
	struct pack_info info;
	int rc;

	rc = index_pack(d->repo->index, number, &info);
	if (rc != 0)
		return rc;
	pack_name(info.kind, &info.id, name);
	rc = store_thaw_state(store, name, &class);
	/* A prune may have moved what was in it: who reads it will find out. */
	if (rc == -ENOENT)
		return 1;
	if (rc == 0 && class == STORE_ARCHIVED)
		rc = store_thaw(store, name, days);
	return rc == 0 ? class == STORE_READABLE : rc;
}

/* Look at those that are not readable yet; what is, is taken out. */
static int look_at_all(struct needed *d)
{
	size_t kept = 0, i;
	int rc = 0;

	for (i = 0; i < d->n && rc >= 0; i++) {
		rc = cancelled(d) ? -EINTR : look_at(d, d->number[i]);
		if (rc == 0)
			d->number[kept++] = d->number[i];
	}
	d->n = kept;
	return rc < 0 ? rc : 0;
}

static int pause_between(struct needed *d)
{
	const struct timespec slice = { .tv_nsec = 200 * 1000 * 1000 };
	unsigned most = d->opts->poll_s != 0 ? d->opts->poll_s : POLL_DEFAULT_S, slices;

	d->pause_s = d->pause_s == 0 ? POLL_FIRST_S : 2 * d->pause_s;
	if (d->pause_s > most)
		d->pause_s = most;
	slices = 5 * d->pause_s;

	for (; slices > 0 && !cancelled(d); slices--)
		nanosleep(&slice, NULL);
	return cancelled(d) ? -EINTR : 0;
}

int restore_thaw(struct repo *r, const struct tree_entry *root, const char *path, const struct thaw_options *opts)
{
	struct needed d = { .repo = r, .opts = opts };
	int rc;

	numset_init(&d.seen);
	rc = find_packs(&d, root, path);
	while (rc == 0 && d.n > 0) {
		rc = look_at_all(&d);
		if (rc == 0 && opts->waiting != NULL)
			opts->waiting(opts->arg, d.n, d.packs);
		if (rc == 0 && d.n > 0)
			rc = pause_between(&d);
	}
	numset_destroy(&d.seen);
	free(d.number);
	return rc;
}
