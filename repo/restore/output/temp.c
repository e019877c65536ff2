/*
 * Temporary names.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "repo/crypt/crypt.h"
#include "repo/restore/output/temp.h"

#define PREFIX ".varve-restore-"
#define DIGITS 16

void temp_name(char out[TEMP_NAME_SIZE])
{
	uint64_t n;

	crypt_random(&n, sizeof(n));
	snprintf(out, TEMP_NAME_SIZE, PREFIX "%016" PRIx64, n);
}

void temp_lock(int fd)
{
	flock(fd, LOCK_EX | LOCK_NB);
}

static bool is_temp(const char *name)
{
	size_t len = strlen(PREFIX);

	return strncmp(name, PREFIX, len) == 0 && strspn(name + len, "0123456789abcdef") == DIGITS &&
	       name[len + DIGITS] == '\0';
}

/* Is somebody writing it? */
static bool in_use(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	bool used = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;

	if (fd >= 0)
		close(fd);
	return used;
}

void temp_clean(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(dir)) != NULL)
		if (is_temp(e->d_name) && !in_use(dirfd, e->d_name))
			unlinkat(dirfd, e->d_name, 0);
	closedir(dir);
}
