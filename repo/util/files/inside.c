/*
 * Does one place lie in another?  See inside.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/util/files/inside.h"

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

/* --- By the directories on the way up ----------------------------------------------------------------------------- */

static bool is_above(const struct stat *top, const char *path)
{
	struct stat here, before = { .st_ino = 0 };
	bool inside = false;
	int fd = open_nearest(path), above;

	while (fd >= 0 && fstat(fd, &here) == 0) {
		inside = is_same(&here, top);
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

/* --- By the place in the filesystem ------------------------------------------------------------------------------- */

/* Where a directory is, whatever is mounted where: ".." of what a bind mount shows leads to where it shows it. */
struct place {
	unsigned major, minor;
	char *path; /* from the root of the filesystem, malloc */
};

/* The mount that the open file lies on; -1 if it cannot be told. */
static int mount_of(int fd)
{
	char name[64], *line = NULL;
	size_t size = 0;
	int mount = -1;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	f = fopen(name, "re");
	while (f != NULL && mount < 0 && getline(&line, &size, f) > 0) {
		if (sscanf(line, "mnt_id: %d", &mount) != 1)
			mount = -1;
	}
	free(line);
	if (f != NULL)
		fclose(f);
	return mount;
}

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* Undo the octal escapes of /proc, in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s != '\0') {
		if (*s == '\\' && is_octal(s + 1)) {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* What of ${path} is below ${dir}: "" or "/..."; NULL if it is not in it. */
static const char *below(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0') ? path + len : NULL;
}

/* Take a line of mountinfo (id, parent, device, root, mountpoint): is it that of ${mount}, and ${real} on it? */
static bool take_line(char *line, int mount, const char *real, struct place *out)
{
	char *root, *point, *save;
	const char *rest;
	int id, at = 0;

	if (sscanf(line, "%d %*d %u:%u %n", &id, &out->major, &out->minor, &at) != 3 || id != mount || at == 0)
		return false;
	root = strtok_r(line + at, " ", &save);
	point = strtok_r(NULL, " ", &save);
	if (root == NULL || point == NULL)
		return false;
	unescape(root);
	unescape(point);
	rest = below(real, point);
	if (rest == NULL)
		return false;
	if (asprintf(&out->path, "%s%s", strcmp(root, "/") == 0 ? "" : root, rest) < 0)
		out->path = NULL;
	return out->path != NULL;
}

/* Find the place of the nearest directory that is there.  False, with nothing to free, if it cannot be told. */
static bool find_place(const char *path, struct place *out)
{
	char name[64], real[PATH_MAX], *line = NULL;
	int fd = open_nearest(path), mount = fd >= 0 ? mount_of(fd) : -1;
	FILE *f = mount >= 0 ? fopen("/proc/self/mountinfo", "re") : NULL;
	bool found = false;
	ssize_t len = -1;
	size_t size = 0;

	if (f != NULL) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		len = readlink(name, real, sizeof(real) - 1);
	}
	if (len > 0) {
		real[len] = '\0';
		while (!found && getline(&line, &size, f) > 0)
			found = take_line(line, mount, real, out);
	}
	free(line);
	if (f != NULL)
		fclose(f);
	if (fd >= 0)
		close(fd);
	return found;
}

static bool is_placed_in(const char *path, const char *dir)
{
	struct place in = { .path = NULL }, at = { .path = NULL };
	bool inside;

	inside = find_place(dir, &in) && find_place(path, &at) && in.major == at.major && in.minor == at.minor &&
	    below(at.path, in.path) != NULL;
	free(in.path);
	free(at.path);
	return inside;
}

bool path_inside(const char *path, const char *dir)
{
	struct stat top;

	/* What is no directory has nothing in it, and its place would be that of the directory around it. */
	return stat(dir, &top) == 0 && (is_above(&top, path) || (S_ISDIR(top.st_mode) && is_placed_in(path, dir)));
}
