/*
 * How findings are told and counted.
 */
#include <inttypes.h>
#include <string.h>

#include "tests/tools/treecmp/cmp.h"

#define PATH_SHOWN 1000

const char *const cmp_field_names[NFIELDS] = {
	[FIELD_NAME] = "name",
	[FIELD_TYPE] = "type",
	[FIELD_MODE] = "mode",
	[FIELD_UID] = "uid",
	[FIELD_GID] = "gid",
	[FIELD_NLINK] = "nlink",
	[FIELD_SIZE] = "size",
	[FIELD_MTIME] = "mtime",
	[FIELD_RDEV] = "rdev",
	[FIELD_TARGET] = "target",
	[FIELD_XATTR] = "xattr",
	[FIELD_LINKS] = "links",
	[FIELD_INODE] = "inode",
	[FIELD_DIRENT] = "dirent",
	[FIELD_HOLES] = "holes",
	[FIELD_BLOCKS] = "blocks",
	[FIELD_DATA] = "data",
};

/* The middle of a very long path is left out: nobody reads it, and the ends tell which one it is. */
static void put_path(FILE *out, const struct cmp *c)
{
	const struct str *p = &c->path;

	if (p->len > PATH_SHOWN) {
		put_quoted(out, p->s, PATH_SHOWN / 2);
		fprintf(out, "[%zu bytes]", p->len - PATH_SHOWN);
		put_quoted(out, p->s + p->len - PATH_SHOWN / 2, PATH_SHOWN / 2);
	} else if (p->len) {
		put_quoted(out, p->s, p->len);
	} else {
		fputs("\".\"", out);
	}
}

void cmp_diff(struct cmp *c, enum field f, const char *note, const char *a, const char *b)
{
	if (c->opt.ignore[f])
		return;
	if (c->differences++ >= c->opt.max)
		return;
	put_path(stdout, c);
	printf(": %s", cmp_field_names[f]);
	if (note) {
		putchar(' ');
		put_quoted(stdout, note, strlen(note));
	}
	printf(": %s != %s\n", a, b);
}

void cmp_diff_number(struct cmp *c, enum field f, const char *note, const char *label, uint64_t a, uint64_t b)
{
	char x[64], y[64];

	snprintf(x, sizeof(x), "%s%" PRIu64, label, a);
	snprintf(y, sizeof(y), "%s%" PRIu64, label, b);
	cmp_diff(c, f, note, x, y);
}

void cmp_error(struct cmp *c, int side, const char *what, int err)
{
	c->errors++;
	fflush(stdout);
	put_path(stderr, c);
	fprintf(stderr, ": %s: %s in %s\n", what, strerror(err), c->root[side]);
}
