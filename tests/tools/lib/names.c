/*
 * The sorted names of one directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/lib/tool.h"

static int by_bytes(const void *a, const void *b, void *text)
{
	const struct name *x = a, *y = b;

	return strcmp((const char *)text + x->at, (const char *)text + y->at);
}

static int read_all(DIR *d, struct names *out)
{
	struct str text = { 0 };
	struct dirent *e;
	size_t cap = 0;
	int rc;

	while (errno = 0, (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (out->count == cap) {
			cap = cap ? cap * 2 : 16;
			out->name = xrealloc(out->name, cap * sizeof(*out->name));
		}
		out->name[out->count++] = (struct name){ .ino = e->d_ino, .at = text.len, .type = e->d_type };
		str_add(&text, e->d_name, strlen(e->d_name) + 1);
	}
	rc = -errno;
	out->text = text.s;
	return rc;
}

int names_read(int fd, struct names *out)
{
	struct names n = { 0 };
	int rc, copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d) {
		rc = -errno;
		if (copy >= 0)
			close(copy);
		return rc;
	}
	rc = read_all(d, &n);
	closedir(d);
	if (rc < 0) {
		names_free(&n);
		return rc;
	}
	if (n.count)
		qsort_r(n.name, n.count, sizeof(*n.name), by_bytes, n.text);
	*out = n;
	return 0;
}

void names_free(struct names *n)
{
	free(n->text);
	free(n->name);
	*n = (struct names){ 0 };
}
