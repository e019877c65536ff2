/*
 * Sources.  Names are resolved as text ("a/../b" is stored as "b"), but files are reached by the path as it was
 * written, cut behind the name in question: so the system's view of symlinks decides what is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/backup/walk/roots.h"
#include "repo/tree/entry.h"
#include "repo/util/bytes/buf.h"

/* One name that is left of a path: where in it, and its end. */
struct part {
	size_t at, end;
};

/*
 * Split ${path} into the names that are left after "." and ".."; ${*parts} is the caller's.  Return how many, or
 * -ENOMEM.
 */
static int split(const char *path, struct part **parts)
{
	struct part *p = malloc((strlen(path) / 2 + 1) * sizeof(*p));
	size_t at = 0, len;
	int n = 0;

	if (!p)
		return -ENOMEM;
	while (path[at]) {
		len = strcspn(path + at, "/");
		if (len == 2 && path[at] == '.' && path[at + 1] == '.')
			n -= n > 0;
		else if (len > 0 && !(len == 1 && path[at] == '.'))
			p[n++] = (struct part){ at, at + len };
		at += len;
		at += strspn(path + at, "/");
	}
	*parts = p;
	return n;
}

static struct root *root_new(const char *name, size_t name_len, const char *path, size_t path_len)
{
	struct root *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->name = strndup(name, name_len);
	r->path = strndup(path, path_len);
	if (!r->name || !r->path) {
		roots_free(r);
		return NULL;
	}
	return r;
}

void roots_free(struct root *r)
{
	struct root *next;

	for (; r; r = next) {
		next = r->next;
		free(r->name);
		free(r->path);
		free(r->real);
		free(r->children);
		free(r);
	}
}

/* The place of that name among the children: where it is, or belongs. */
static size_t child_place(const struct root *r, const char *name, size_t len, bool *found)
{
	size_t low = 0, high = r->nchildren;
	int order;

	*found = false;
	while (low < high && !*found) {
		size_t mid = low + (high - low) / 2;

		order = entry_name_compare(r->children[mid]->name, strlen(r->children[mid]->name), name, len);
		*found = order == 0;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return high;
}

/* The child of that name, made if there is none.  NULL without memory. */
static struct root *child_get(struct root *top, struct root *r, const char *path, const struct part *part)
{
	const char *name = path + part->at;
	size_t len = part->end - part->at, i;
	struct root **grown, *child;
	bool found;

	i = child_place(r, name, len, &found);
	if (found)
		return r->children[i];
	grown = realloc(r->children, (r->nchildren + 1) * sizeof(struct root *));
	if (!grown)
		return NULL;
	r->children = grown;
	child = root_new(name, len, path, part->end);
	if (!child)
		return NULL;
	memmove(grown + i + 1, grown + i, (r->nchildren - i) * sizeof(struct root *));
	grown[i] = child;
	r->nchildren++;
	child->next = top->next;
	top->next = child;
	return child;
}

/* A symlink is not followed; but the system does if a slash is behind it. */
static int stat_source(const char *path, struct stat *st)
{
	return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Is what ${path} means the same as the source that has the place ${r}? */
static int same_source(const struct root *r, const struct stat *st)
{
	struct stat other;
	int err = stat_source(r->path, &other);

	if (err < 0)
		return err;
	return other.st_dev == st->st_dev && other.st_ino == st->st_ino ? 0 : -EEXIST; /* 0: named twice, stored once */
}

static int make_source(struct root *r, const char *path)
{
	char *whole = strdup(path), *real = path[0] == '/' ? NULL : roots_absolute(path);

	if (!whole || (path[0] != '/' && !real)) {
		free(whole);
		free(real);
		return -ENOMEM;
	}
	free(r->path);
	r->path = whole;
	r->real = real;
	r->source = true;
	return 0;
}

/* Enter one source.  Return 0, -ENOMEM; ${*left} says why it is left out, or 0. */
static int add_source(struct root *top, const char *path, int *left)
{
	struct root *r = top;
	struct part *parts = NULL;
	struct stat st;
	int n, i, err = 0;

	*left = path[0] ? stat_source(path, &st) : -ENOENT;
	if (*left < 0)
		return 0;
	n = split(path, &parts);
	if (n < 0)
		return n;
	for (i = 0; r && i < n; i++)
		r = child_get(top, r, path, &parts[i]);
	if (!r) {
		err = -ENOMEM;
	} else if (r->source) {
		*left = same_source(r, &st);
	} else {
		err = make_source(r, path);
	}
	free(parts);
	return err;
}

int roots_build(const char *const *paths, size_t n, roots_report_fn *report, void *arg, struct root **out)
{
	struct root *top = NULL;
	bool absolute = false, any = false;
	size_t i;
	int err = 0, left;

	for (i = 0; i < n; i++)
		absolute = absolute || paths[i][0] == '/';
	top = root_new("", 0, absolute ? "/" : ".", 1);
	if (!top)
		return -ENOMEM;
	for (i = 0; i < n && err == 0; i++) {
		err = add_source(top, paths[i], &left);
		if (err == 0 && left < 0)
			report(arg, paths[i], left);
		any = any || (err == 0 && left == 0);
	}
	if (err == 0 && !any)
		err = -ENOENT;
	if (err < 0)
		roots_free(top);
	else
		*out = top;
	return err;
}

/* The names that are left of ${path}, each behind a slash. */
static int append_parts(const char *path, struct buf *out)
{
	struct part *parts = NULL;
	int n = split(path, &parts), i, err = n < 0 ? n : 0;

	for (i = 0; i < n && err == 0; i++)
		err = buf_printf(out, "/%.*s", (int)(parts[i].end - parts[i].at), path + parts[i].at);
	free(parts);
	return err;
}

char *roots_absolute(const char *path)
{
	struct buf joined = BUF_INIT, plain = BUF_INIT;
	char *cwd = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
	int err = cwd ? buf_printf(&joined, "%s/%s", cwd, path) : -errno;

	if (err == 0 && joined.data)
		err = append_parts((const char *)joined.data, &plain);
	if (err == 0 && plain.len == 0)
		err = buf_printf(&plain, "/");
	free(cwd);
	buf_free(&joined);
	if (err < 0) {
		buf_free(&plain);
		errno = -err;
		return NULL;
	}
	return (char *)plain.data;
}
