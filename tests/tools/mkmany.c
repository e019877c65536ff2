/*
 * Makes sources large, quickly, for tests/bench/scale.py.
 *
 *   mkmany files DIR COUNT PER_DIR BYTES   COUNT files of BYTES each, PER_DIR in a directory (0: all in DIR itself)
 *   mkmany sparse FILE SIZE EXTENTS        a sparse file with so many 4 KiB pieces of data, evenly spread
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/lib/tool.h"

#define PIECE 4096

/* Make a directory, if it is not there, and open it. */
static int make_dir(const char *path)
{
	int fd;

	if (mkdir(path, 0777) < 0 && errno != EEXIST)
		die_errno("%s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		die_errno("%s", path);
	return fd;
}

static void make_file(int dir, uint64_t number, size_t len)
{
	char name[32], text[PIECE];
	int fd;

	snprintf(name, sizeof(name), "file-%08llu", (unsigned long long)number);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		die_errno("%s", name);
	memset(text, 'x', sizeof(text));
	memcpy(text, name, strlen(name));
	if (len > 0 && write(fd, text, len) != (ssize_t)len)
		die_errno("%s", name);
	close(fd);
}

static void make_files(char **argv)
{
	uint64_t count = parse_size("COUNT", argv[1]), per_dir = parse_size("PER_DIR", argv[2]);
	size_t len = (size_t)parse_size("BYTES", argv[3]);
	char *path = xmalloc(strlen(argv[0]) + 32);
	int dir = -1;

	if (len > PIECE)
		die("BYTES: more than 4096");
	close(make_dir(argv[0]));
	for (uint64_t i = 0; i < count; i++) {
		if (dir < 0 || (per_dir > 0 && i % per_dir == 0)) {
			if (per_dir > 0)
				sprintf(path, "%s/%06llu", argv[0], (unsigned long long)(i / per_dir));
			else
				strcpy(path, argv[0]);
			if (dir >= 0)
				close(dir);
			dir = make_dir(path);
		}
		make_file(dir, i, len);
	}
	if (dir >= 0)
		close(dir);
	free(path);
}

static void make_sparse(char **argv)
{
	uint64_t size = parse_size("SIZE", argv[1]), extents = parse_size("EXTENTS", argv[2]), step;
	int fd = open(argv[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	uint8_t data[PIECE];
	struct rng rng;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		die_errno("%s", argv[0]);
	rng_init(&rng, size);
	step = extents > 0 ? size / extents / sizeof(data) * sizeof(data) : 0;
	for (uint64_t i = 0; i < extents; i++) {
		rng_fill(&rng, data, sizeof(data));
		if (pwrite(fd, data, sizeof(data), (off_t)(i * step)) != (ssize_t)sizeof(data))
			die_errno("%s", argv[0]);
	}
	if (close(fd) < 0)
		die_errno("%s", argv[0]);
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "files") == 0) {
		make_files(argv + 2);
	} else if (argc == 5 && strcmp(argv[1], "sparse") == 0) {
		make_sparse(argv + 2);
	} else {
		fputs("usage: mkmany files DIR COUNT PER_DIR BYTES | mkmany sparse FILE SIZE EXTENTS\n", stderr);
		return 2;
	}
	return 0;
}
