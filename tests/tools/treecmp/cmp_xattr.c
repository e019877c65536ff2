/*
 * Extended attributes: all that are listed, with their values.  ACLs are among them as system.posix_acl_*.
 *
 * Reached as /proc/self/fd/N/NAME, so that symlinks and devices are looked at without opening them and long paths work.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "tests/tools/treecmp/cmp.h"

#define SHOWN 24 /* bytes of a value in a message */

struct list {
	char *text;
	const char **name;
	size_t count;
};

struct value {
	char *data;
	size_t len;
};

static char *proc_path(const struct pair *p, int side)
{
	char *path = NULL;

	if (asprintf(&path, "/proc/self/fd/%d/%s", p->dir[side], p->name) < 0)
		die("out of memory");
	return path;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ignored(const struct cmp *c, const char *name)
{
	for (size_t i = 0; i < c->opt.nignore_xattr; i++)
		if (fnmatch(c->opt.ignore_xattr[i], name, 0) == 0)
			return true;
	return false;
}

/* Read list or value (${name} given) into fresh memory, whatever its size. */
static ssize_t fetch(const char *path, const char *name, char **out)
{
	size_t size = 256;
	char *data = xmalloc(size);
	ssize_t n;

	for (;;) {
		n = name ? lgetxattr(path, name, data, size) : llistxattr(path, data, size);
		if (n >= 0 || errno != ERANGE || size > 1024 * 1024)
			break;
		size *= 4;
		data = xrealloc(data, size);
	}
	if (n < 0) {
		int err = errno;

		free(data);
		errno = err;
		return -1;
	}
	*out = data;
	return n;
}

static bool list_read(struct cmp *c, int side, const char *path, struct list *out)
{
	size_t cap = 0;
	ssize_t len = fetch(path, NULL, &out->text);

	if (len < 0 && errno == ENOTSUP)
		return true;
	if (len < 0) {
		cmp_error(c, side, "cannot list xattrs", errno);
		return false;
	}
	for (const char *s = out->text; s < out->text + len; s += strlen(s) + 1) {
		if (ignored(c, s))
			continue;
		if (out->count == cap) {
			cap = cap * 2 + 8;
			out->name = xrealloc(out->name, cap * sizeof(*out->name));
		}
		out->name[out->count++] = s;
	}
	if (out->count)
		qsort(out->name, out->count, sizeof(*out->name), by_bytes);
	return true;
}

static void describe(const struct value *v, struct str *out)
{
	char len[32];

	str_add_quoted(out, v->data, v->len < SHOWN ? v->len : SHOWN);
	if (v->len > SHOWN)
		str_add(out, "...", 3);
	snprintf(len, sizeof(len), " (%zu bytes)", v->len);
	str_add(out, len, strlen(len));
}

static void compare_value(struct cmp *c, char *const path[2], const char *name)
{
	struct value v[2] = { 0 };
	struct str text[2] = { 0 };

	for (int i = 0; i < 2; i++) {
		ssize_t n = fetch(path[i], name, &v[i].data);

		if (n < 0) {
			cmp_error(c, i, "cannot read xattr", errno);
			goto out;
		}
		v[i].len = (size_t)n;
	}
	if (v[0].len == v[1].len && memcmp(v[0].data, v[1].data, v[0].len) == 0)
		goto out;
	describe(&v[0], &text[0]);
	describe(&v[1], &text[1]);
	cmp_diff(c, FIELD_XATTR, name, text[0].s, text[1].s);
out:
	for (int i = 0; i < 2; i++) {
		free(v[i].data);
		str_free(&text[i]);
	}
}

static void compare_lists(struct cmp *c, char *const path[2], const struct list l[2])
{
	size_t i = 0, k = 0;

	while (i < l[0].count || k < l[1].count) {
		int order = i == l[0].count ? 1 : k == l[1].count ? -1 : strcmp(l[0].name[i], l[1].name[k]);

		if (order < 0)
			cmp_diff(c, FIELD_XATTR, l[0].name[i], "present", "absent");
		else if (order > 0)
			cmp_diff(c, FIELD_XATTR, l[1].name[k], "absent", "present");
		else
			compare_value(c, path, l[0].name[i]);
		i += order <= 0;
		k += order >= 0;
	}
}

void cmp_xattrs(struct cmp *c, const struct pair *p)
{
	struct list l[2] = { 0 };
	char *path[2];
	bool ok = true;

	for (int i = 0; i < 2; i++) {
		path[i] = proc_path(p, i);
		ok = ok && list_read(c, i, path[i], &l[i]);
	}
	if (ok)
		compare_lists(c, path, l);
	for (int i = 0; i < 2; i++) {
		free(l[i].text);
		free(l[i].name);
		free(path[i]);
	}
}
