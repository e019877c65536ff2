/*
 * Extended attributes of restored entries.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "repo/restore/output/attrs.h"
#include "repo/tree/xattr.h"

#define NAME_SIZE 256
#define DEFAULT_ACL "system.posix_acl_default"

static ssize_t do_get(const struct subject *s, const char *name, void *out, size_t cap)
{
	return s->path_only ? getxattr(s->proc, name, out, cap) : fgetxattr(s->fd, name, out, cap);
}

static ssize_t do_list(const struct subject *s, char *out, size_t cap)
{
	return s->path_only ? listxattr(s->proc, out, cap) : flistxattr(s->fd, out, cap);
}

static int do_set(const struct subject *s, const char *name, const void *value, size_t len)
{
	return s->path_only ? setxattr(s->proc, name, value, len, 0) : fsetxattr(s->fd, name, value, len, 0);
}

static int do_remove(const struct subject *s, const char *name)
{
	return s->path_only ? removexattr(s->proc, name) : fremovexattr(s->fd, name);
}

/* The attribute's name as a string. */
static char *name_of(const struct xattr *x, char out[NAME_SIZE])
{
	memcpy(out, x->name, x->name_len);
	out[x->name_len] = '\0';
	return out;
}

static bool has_value(const struct subject *s, const struct xattr *x)
{
	char name[NAME_SIZE];
	uint8_t *value = malloc((size_t)x->value_len + 1);
	ssize_t len = value == NULL ? -1 : do_get(s, name_of(x, name), value, (size_t)x->value_len + 1);
	bool same = len == (ssize_t)x->value_len && memcmp(value, x->value, x->value_len) == 0;

	free(value);
	return same;
}

/* Is it one that a backup would have recorded, and a restore can take away?  Labels of the system's own are not. */
static bool is_ours(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0 ||
	       strcmp(name, "security.capability") == 0 || strncmp(name, "system.posix_acl_", 17) == 0;
}

/* Names that are there, each with its NUL, in ${*out} (malloc).  Return bytes, or -1. */
static ssize_t list_names(const struct subject *s, char **out)
{
	ssize_t len = do_list(s, NULL, 0);

	*out = NULL;
	if (len <= 0)
		return len;
	*out = malloc((size_t)len);
	return *out == NULL ? -1 : do_list(s, *out, (size_t)len);
}

static bool is_wanted(const char *name, const void *want, size_t len)
{
	struct xattr x;

	return xattr_find(want, len, name, &x) == 0;
}

/* The first attribute from ${at} on that is there and not wanted; NULL if there is none. */
static const char *next_extra(const char *at, const char *end, const void *want, size_t len)
{
	for (; at < end; at += strlen(at) + 1)
		if (is_ours(at) && !is_wanted(at, want, len))
			return at;
	return NULL;
}

static bool not_permitted(int err)
{
	return err == EPERM || err == EACCES || err == ENOTSUP;
}

/* Take in what one call came to: ${*rc} is what xattrs_set() returns. */
static void note(int *rc, int err)
{
	if (not_permitted(err))
		*rc = *rc == 0 ? 1 : *rc;
	else if (err != 0 && err != ENODATA && *rc >= 0)
		*rc = -err;
}

static void remove_extra(const struct subject *s, const void *want, size_t len, int *rc)
{
	char *names;
	ssize_t n = list_names(s, &names);
	const char *at = n > 0 ? next_extra(names, names + n, want, len) : NULL;

	for (; at != NULL; at = next_extra(at + strlen(at) + 1, names + n, want, len))
		if (do_remove(s, at) < 0)
			note(rc, errno);
	free(names);
}

int xattrs_set(const struct subject *s, const void *want, size_t len, bool clean)
{
	struct rd r = rd_init(want, len);
	char name[NAME_SIZE];
	struct xattr x;
	int rc = 0;

	if (!clean)
		remove_extra(s, want, len, &rc);
	while (xattr_next(&r, &x) == 1) {
		if (!clean && has_value(s, &x))
			continue;
		if (do_set(s, name_of(&x, name), x.value, x.value_len) < 0)
			note(&rc, errno);
	}
	return rc;
}

bool xattrs_same(const struct subject *s, const void *want, size_t len)
{
	struct rd r = rd_init(want, len);
	char *names;
	ssize_t n = list_names(s, &names);
	bool same = n <= 0 || next_extra(names, names + n, want, len) == NULL;
	struct xattr x;

	free(names);
	while (same && xattr_next(&r, &x) == 1)
		same = has_value(s, &x);
	return same;
}

bool xattrs_inherited(int fd)
{
	return fgetxattr(fd, DEFAULT_ACL, NULL, 0) > 0;
}

void xattrs_disinherit(int fd)
{
	fremovexattr(fd, DEFAULT_ACL);
}
