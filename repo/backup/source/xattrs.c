/*
 * Reading extended attributes of source entries.  See attr.h.
 */
#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "repo/backup/source/attr.h"
#include "repo/tree/xattr.h"

/* Bytes offered at first: the system makes room for all it is offered, and most need little. */
#define USUAL 1024

/* What the xattrs are of: an open file, or a path that is not followed. */
struct subject {
	int fd;
	const char *path;
};

static ssize_t list(const struct subject *s, char *out, size_t cap)
{
	return s->path ? llistxattr(s->path, out, cap) : flistxattr(s->fd, out, cap);
}

static ssize_t get(const struct subject *s, const char *name, void *out, size_t cap)
{
	return s->path ? lgetxattr(s->path, name, out, cap) : fgetxattr(s->fd, name, out, cap);
}

static int scratch_ready(struct attr_scratch *a)
{
	if (!a->list)
		a->list = malloc(XATTR_LIST_MAX);
	if (!a->value)
		a->value = malloc(XATTR_SIZE_MAX);
	if (!a->names)
		a->names = malloc(XATTR_LIST_MAX / 2 * sizeof(char *));
	return a->list && a->value && a->names ? 0 : -ENOMEM;
}

void attr_scratch_free(struct attr_scratch *a)
{
	free(a->list);
	free(a->value);
	free(a->names);
	*a = (struct attr_scratch){ 0 };
}

/* Could nothing but the filesystem itself set it? */
static bool is_internal(const char *name)
{
	return strncmp(name, "ceph.", 5) == 0 || strncmp(name, "lustre.", 7) == 0 || strncmp(name, "afs.", 4) == 0;
}

static int compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/* Names of the list of ${len} bytes, sorted; return how many. */
static size_t sort_names(struct attr_scratch *a, size_t len)
{
	size_t at, n = 0;

	for (at = 0; at < len; at += strlen(a->list + at) + 1)
		if (a->list[at] != '\0' && !is_internal(a->list + at))
			a->names[n++] = a->list + at;
	qsort(a->names, n, sizeof(a->names[0]), compare_names);
	return n;
}

static int append_value(const struct subject *s, const char *name, struct attr_scratch *a, struct buf *out)
{
	ssize_t len = get(s, name, a->value, USUAL);
	struct xattr x;

	if (len < 0 && errno == ERANGE)
		len = get(s, name, a->value, XATTR_SIZE_MAX);
	if (len < 0)
		return errno == ENODATA ? 0 : -errno; /* gone since it was listed */
	x = (struct xattr){ .name = name, .name_len = (uint16_t)strlen(name), .value = a->value,
		.value_len = (uint32_t)len };
	return xattr_encode(out, &x);
}

static int read_all(const struct subject *s, struct attr_scratch *a, struct buf *out)
{
	size_t start = out->len, n, i;
	ssize_t len;
	int err = 0, cause = 0;

	len = list(s, a->list, USUAL);
	if (len < 0 && errno == ERANGE)
		len = list(s, a->list, XATTR_LIST_MAX);
	if (len < 0)
		return errno == ENOTSUP ? 0 : -errno;
	n = sort_names(a, (size_t)len);
	for (i = 0; i < n && err != -ENOMEM; i++) {
		err = append_value(s, a->names[i], a, out);
		if (err < 0)
			cause = err;
		if (out->len - start > ENTRY_XATTRS_MAX) {
			out->len = start;
			return -E2BIG;
		}
	}
	return cause;
}

int attr_xattrs(int fd, int dirfd, const char *name, struct attr_scratch *a, struct buf *out)
{
	char path[sizeof("/proc/self/fd//") + 3 * sizeof(int) + NAME_MAX + 1];
	struct subject s = { fd, NULL };
	int err = scratch_ready(a);

	if (err < 0)
		return err;
	if (fd < 0) {
		if ((size_t)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name) >= sizeof(path))
			return -ENAMETOOLONG;
		s.path = path;
	}
	err = read_all(&s, a, out);
	if (err == -ENOENT && fd < 0 && access("/proc/self/fd", F_OK) < 0)
		err = -ENOSYS;
	return err;
}
