/*
 * Listing a site, directory by directory.  See site.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "repo/store/web/site.h"

/* A listing under way. */
struct walk {
	struct store *store;
	store_list_fn *fn;
	void *arg;
	bool sizes;
	char dir[STORE_NAME_MAX + 2]; /* what is being listed: "" or ends at a "/" */
	char last[LISTING_NAME_MAX + 1]; /* pages for people may have two links, one after the other, to a file */
	struct buf todo; /* directories, each with its NUL; the last is next */
};

static unsigned depth_of(const char *name)
{
	unsigned n = 0;

	for (; *name != '\0'; name++)
		n += *name == '/';
	return n;
}

static int add_directory(struct walk *w, const char *name)
{
	char dir[STORE_NAME_MAX + 2];

	if (depth_of(name) + 1 >= STORE_NAME_DEPTH)
		return 0;
	return buf_append(&w->todo, dir, (size_t)snprintf(dir, sizeof(dir), "%s/", name) + 1);
}

static int on_entry(void *arg, const struct listing_entry *e)
{
	struct walk *w = arg;
	char name[STORE_NAME_MAX + LISTING_NAME_MAX + 2];
	uint64_t size = e->size;
	int rc;

	if (strcmp(e->name, w->last) == 0)
		return 0;
	memcpy(w->last, e->name, sizeof(w->last));
	snprintf(name, sizeof(name), "%s%s", w->dir, e->name);
	if (!store_name_valid(name))
		return 0;
	if (e->directory)
		return add_directory(w, name);
	if (size == LISTING_NO_SIZE && w->sizes) {
		rc = w->store->ops->stat(w->store, name, &size);
		if (rc == -ENOENT)
			return 0;
		if (rc < 0)
			return rc;
	}
	return w->fn(w->arg, name, size != LISTING_NO_SIZE ? size : 0);
}

/* Take the next directory from those to be listed. */
static bool next_directory(struct walk *w)
{
	size_t at = w->todo.len;

	if (at == 0)
		return false;
	for (at--; at > 0 && w->todo.data[at - 1] != '\0'; at--)
		;
	memcpy(w->dir, w->todo.data + at, w->todo.len - at);
	w->todo.len = at;
	w->last[0] = '\0';
	return true;
}

int site_list(struct store *s, site_page_fn *page, const char *prefix, bool sizes, store_list_fn *fn, void *arg)
{
	struct walk w = { .store = s, .fn = fn, .arg = arg, .sizes = sizes };
	int rc;

	rc = buf_append(&w.todo, prefix, strlen(prefix) + 1);
	while (rc == 0 && next_directory(&w))
		rc = page(s, w.dir, on_entry, &w);
	buf_free(&w.todo);
	return rc;
}

/* --- Absence ------------------------------------------------------------------------------------------------------ */

/* What the listing of the directory above has. */
struct above {
	const char *name; /* that is looked for */
	size_t len;
	bool found, config;
};

static int look_for(void *arg, const struct listing_entry *e)
{
	struct above *a = arg;

	a->found = a->found || (strlen(e->name) == a->len && memcmp(e->name, a->name, a->len) == 0);
	a->config = a->config || strcmp(e->name, STORE_CONFIG) == 0;
	return 0;
}

int site_absent(struct store *s, site_page_fn *page, const char *dir)
{
	char path[STORE_NAME_MAX + 2];
	size_t len = strlen(dir);
	struct above a;
	int rc;

	if (atomic_load(&s->config) == STORE_CONFIG_ABSENT)
		return 0;
	memcpy(path, dir, len + 1);
	while (len > 0) {
		size_t end = --len; /* of the name, without the "/" */

		while (len > 0 && path[len - 1] != '/')
			len--;
		a = (struct above){ .name = dir + len, .len = end - len };
		path[len] = '\0';
		rc = page(s, path, look_for, &a);
		if (rc == 0 && a.found)
			return -EEXIST;
		if (rc == 0 && (len > 0 || a.config))
			return 0;
		if (rc != 0 && rc != -ENOENT)
			return rc;
	}
	return store_invisible(s, "list", dir);
}
