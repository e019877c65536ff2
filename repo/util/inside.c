/*
 * Does one place lie in another?  See inside.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/util/inside.h"

#define DIR_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)

/* Cut the last name off ${path}, in place: what is left is the directory that it is in.  False if none is left. */
static bool cut_last(char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0 || strcmp(path, "/") == 0)
		return false;
	path[len] = '\0';
	return true;
}

/* Open the nearest directory on the way up that is there.  Return a descriptor, or -1. */
static int open_nearest(const char *path)
{
	char *copy = strdup(path);
	bool more = copy != NULL;
	int fd = -1;

	while (more && fd < 0) {
		fd = open(copy, DIR_FLAGS);
		if (fd < 0)
			more = (errno == ENOENT || errno == ENOTDIR) && cut_last(copy);
	}
	/* A relative path of which nothing is there begins here. */
	if (fd < 0 && copy != NULL && *path != '/' && (errno == ENOENT || errno == ENOTDIR))
		fd = open(".", DIR_FLAGS);
	free(copy);
	return fd;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool path_inside(const char *path, const char *dir)
{
	struct stat top, here, before = { .st_ino = 0 };
	int fd = -1, above;
	bool inside = false;

	if (stat(dir, &top) == 0)
		fd = open_nearest(path);
	while (fd >= 0 && fstat(fd, &here) == 0) {
		inside = is_same(&here, &top);
		/* The root is its own parent. */
		if (inside || is_same(&here, &before))
			break;
		before = here;
		above = openat(fd, "..", DIR_FLAGS);
		close(fd);
		fd = above;
	}
	if (fd >= 0)
		close(fd);
	return inside;
}
