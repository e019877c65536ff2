/*
 * The items that generated trees are made of.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "tests/tools/mktree/gen.h"

#define BLOCK 65536 /* bytes made from one seed; contents do not depend on how they are asked for */

#define TIME_FIRST 631152000u /* 1990-01-01 */
#define TIME_SPAN 1262304000u /* 40 years */

int gen_dir(int dir, const char *name)
{
	int fd;

	if (mkdirat(dir, name, 0755) < 0)
		die_errno("mkdir %s", name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		die_errno("%s", name);
	return fd;
}

static struct timespec random_time(struct gen *g)
{
	static const long edges[] = { 0, 1, 999, 1000, 999999999 };
	uint64_t n = rng_below(&g->rng, 10);
	struct timespec t = { .tv_sec = (time_t)(TIME_FIRST + rng_below(&g->rng, TIME_SPAN)) };

	t.tv_nsec = n < 5 ? edges[n] : (long)rng_below(&g->rng, 1000000000);
	return t;
}

void gen_done(struct gen *g, int fd, mode_t mode)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, random_time(g) };

	if (fchmod(fd, mode) < 0 || futimens(fd, t) < 0)
		die_errno("directory");
	close(fd);
}

void gen_stamp(struct gen *g, int dir, const char *name)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, random_time(g) };

	if (utimensat(dir, name, t, AT_SYMLINK_NOFOLLOW) < 0)
		die_errno("%s", name);
}

int gen_create(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	if (fd < 0)
		die_errno("%s", name);
	return fd;
}

static void make_text(struct rng *r, char *out, size_t len)
{
	static const char *const words[] = { "static", "int", "return", "struct", "the", "of", "layer", "(void)", "{\n",
		"}\n", "if (", ");\n", "0x", "== NULL", "sediment", "lake" };
	size_t at = 0;

	while (at < len) {
		uint64_t n = rng_next(r);
		const char *word = words[n % 16];
		size_t size = strlen(word), left = len - at;

		memcpy(out + at, word, size < left ? size : left);
		at += size < left ? size : left;
		if (at < len)
			out[at++] = n & 0x700 ? ' ' : (char)('a' + (n >> 16) % 26);
	}
}

/* The first ${len} bytes of block ${number}. */
static void make_block(enum content what, uint64_t seed, uint64_t number, char *out, size_t len)
{
	struct rng r;

	rng_init(&r, seed ^ (number * 0xd1342543de82ef95u));
	switch (what) {
	case CONTENT_RANDOM:
		rng_fill(&r, out, len);
		break;
	case CONTENT_TEXT:
		make_text(&r, out, len);
		break;
	case CONTENT_ZERO:
		memset(out, 0, len);
		break;
	case CONTENT_PERIOD:
		rng_init(&r, seed);
		rng_fill(&r, out, len < 4096 ? len : 4096);
		for (size_t i = 4096; i < len; i++)
			out[i] = out[i - 4096];
		break;
	}
}

static void write_all(int fd, const char *data, size_t len, off_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, at);

		if (n < 0)
			die_errno("write");
		data += n;
		len -= (size_t)n;
		at += n;
	}
}

void gen_write(int fd, enum content what, uint64_t seed, off_t at, uint64_t len)
{
	char *block = xmalloc(len < BLOCK ? (size_t)len : BLOCK);

	for (uint64_t number = 0; len > 0; number++) {
		size_t n = len < BLOCK ? (size_t)len : BLOCK;

		make_block(what, seed, number, block, n);
		write_all(fd, block, n, at);
		at += (off_t)n;
		len -= n;
	}
	free(block);
}

void gen_file(struct gen *g, int dir, const char *name, enum content what, uint64_t len)
{
	int fd = gen_create(dir, name);

	gen_write(fd, what, rng_next(&g->rng), 0, len);
	if (close(fd) < 0)
		die_errno("%s", name);
	gen_stamp(g, dir, name);
}

bool gen_try_xattr(int dir, const char *name, const char *attr, const void *value, size_t len)
{
	char *path = NULL;
	int rc, err;

	if (asprintf(&path, "/proc/self/fd/%d/%s", dir, name) < 0)
		die("out of memory");
	rc = lsetxattr(path, attr, value, len, 0);
	err = errno;
	free(path);
	errno = err;
	return rc == 0;
}

void gen_xattr(struct gen *g, int dir, const char *name, const char *attr, const void *value, size_t len)
{
	if (!gen_try_xattr(dir, name, attr, value, len))
		gen_skip(g, attr);
}

void gen_skip(struct gen *g, const char *name)
{
	int err = errno;

	g->skipped++;
	fputs("mktree: left out: ", stderr);
	put_quoted(stderr, name, strlen(name));
	fprintf(stderr, ": %s\n", strerror(err));
}
