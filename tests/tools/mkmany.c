/*
 * Makes sources large, quickly, for tests/bench/scale.py.
 *
 *   mkmany files DIR COUNT PER_DIR BYTES   COUNT files of BYTES each, PER_DIR in a directory (0: all in DIR itself)
 *   mkmany sparse FILE SIZE EXTENTS        a sparse file with so many 4 KiB pieces of data, evenly spread
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/lib/tool.h"

#define PIECE 4096
#define MAKERS 4 /* threads, each in a directory of its own: what waits for the disk's journal lets others go on */

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

/* Files to be made. */
struct making {
	const char *top;
	uint64_t count, per_dir, ndirs;
	size_t len;
	bool nested; /* each directory below the top */
	_Atomic uint64_t next; /* directory */
};

static void make_directory(const struct making *m, uint64_t number, char *path)
{
	uint64_t first = number * m->per_dir, end = first + m->per_dir < m->count ? first + m->per_dir : m->count;
	int dir;

	if (m->nested)
		sprintf(path, "%s/%06llu", m->top, (unsigned long long)number);
	else
		strcpy(path, m->top);
	dir = make_dir(path);
	for (uint64_t i = first; i < end; i++)
		make_file(dir, i, m->len);
	close(dir);
}

static void *make_directories(void *arg)
{
	struct making *m = arg;
	char *path = xmalloc(strlen(m->top) + 32);
	uint64_t number;

	while ((number = m->next++) < m->ndirs)
		make_directory(m, number, path);
	free(path);
	return NULL;
}

static void make_files(char **argv)
{
	struct making m = { .top = argv[0], .count = parse_size("COUNT", argv[1]) };
	pthread_t thread[MAKERS];

	m.per_dir = parse_size("PER_DIR", argv[2]);
	m.len = (size_t)parse_size("BYTES", argv[3]);
	if (m.len > PIECE)
		die("BYTES: more than 4096");
	close(make_dir(argv[0]));
	m.nested = m.per_dir > 0;
	m.ndirs = m.nested ? (m.count + m.per_dir - 1) / m.per_dir : 1;
	if (!m.nested)
		m.per_dir = m.count;
	for (unsigned i = 0; i < MAKERS; i++)
		if (pthread_create(&thread[i], NULL, make_directories, &m) != 0)
			die("no thread");
	for (unsigned i = 0; i < MAKERS; i++)
		pthread_join(thread[i], NULL);
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
