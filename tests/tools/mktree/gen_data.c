/*
 * Sections of a generated tree: the bytes of files, and where there are none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/mktree/gen.h"

/* Files of one byte less, as much, and one byte more than each size at which something happens. */
void gen_sizes(struct gen *g, int dir)
{
	const uint64_t sizes[] = { 1, 4096, 65536, g->chunk_min, g->chunk_avg, g->chunk_max, g->segment, 2 * g->segment,
		2 * g->chunk_max };
	char name[64];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (uint64_t size = sizes[i] - 1; size <= sizes[i] + 1; size++) {
			snprintf(name, sizeof(name), "random-%zu-%ju", i, (uintmax_t)size);
			gen_file(g, dir, name, CONTENT_RANDOM, size);
			snprintf(name, sizeof(name), "text-%zu-%ju", i, (uintmax_t)size);
			gen_file(g, dir, name, CONTENT_TEXT, size);
		}
	}
	for (uint64_t size = 0; size < 64; size++) {
		snprintf(name, sizeof(name), "small-%ju", (uintmax_t)size);
		gen_file(g, dir, name, CONTENT_TEXT, size);
	}
}

/* ${name}: the bytes of ${seed}, with ${extra} bytes put in at ${at}. */
static void make_variant(
	struct gen *g, int dir, const char *name, uint64_t seed, uint64_t len, uint64_t at, uint64_t extra)
{
	int fd = gen_create(dir, name);

	/* Written shifted first, so that the part before ${at} can be laid over it. */
	gen_write(fd, CONTENT_RANDOM, seed, (off_t)extra, len);
	gen_write(fd, CONTENT_RANDOM, seed, 0, at);
	gen_write(fd, CONTENT_TEXT, seed + 1, (off_t)at, extra);
	close(fd);
	gen_stamp(g, dir, name);
}

void gen_contents(struct gen *g, int dir)
{
	uint64_t seed = rng_next(&g->rng), len = 4 * g->chunk_max;
	struct rng again;

	gen_file(g, dir, "random", CONTENT_RANDOM, 3 * g->chunk_max + 12345);
	gen_file(g, dir, "text", CONTENT_TEXT, 3 * g->chunk_max + 54321);
	gen_file(g, dir, "zero", CONTENT_ZERO, 3 * g->chunk_max + 77);
	gen_file(g, dir, "zero-small", CONTENT_ZERO, 1000);
	gen_file(g, dir, "period", CONTENT_PERIOD, 3 * g->chunk_max + 99);
	again = g->rng;
	gen_file(g, dir, "twin", CONTENT_RANDOM, 2 * g->chunk_max);
	g->rng = again;
	gen_file(g, dir, "twin's twin", CONTENT_RANDOM, 2 * g->chunk_max);
	make_variant(g, dir, "base", seed, len, 0, 0);
	make_variant(g, dir, "base, one byte before", seed, len, 0, 1);
	make_variant(g, dir, "base, some in the middle", seed, len, len / 2 + 7, 1234);
	make_variant(g, dir, "base, some behind", seed, len, len, 4321);
}

/* One stretch of data in a sparse file. */
struct stretch {
	uint64_t at, len;
};

static void make_sparse(struct gen *g, int dir, const char *name, uint64_t size, const struct stretch *s, size_t n)
{
	int fd = gen_create(dir, name);

	if (ftruncate(fd, (off_t)size) < 0) {
		gen_skip(g, name);
		close(fd);
		unlinkat(dir, name, 0);
		return;
	}
	for (size_t i = 0; i < n; i++)
		gen_write(fd, CONTENT_RANDOM, rng_next(&g->rng), (off_t)s[i].at, s[i].len);
	if (close(fd) < 0)
		die_errno("%s", name);
	gen_stamp(g, dir, name);
}

#define SPARSE(g, dir, name, size, ...)                                          \
	make_sparse(g, dir, name, size, (const struct stretch[]){ __VA_ARGS__ }, \
		sizeof((const struct stretch[]){ __VA_ARGS__ }) / sizeof(struct stretch))

/* 10,000 blocks with a few bytes, and a hole behind each; slow to delete on a disk that is told of each freed block. */
void gen_comb(struct gen *g, int dir)
{
	int fd = gen_create(dir, "comb");

	for (off_t i = 0; i < 10000; i++) {
		uint64_t seed = rng_next(&g->rng);

		gen_write(fd, CONTENT_TEXT, seed, i * 8192, 1 + seed % 100);
	}
	if (ftruncate(fd, (off_t)10000 * 8192) < 0)
		die_errno("comb");
	close(fd);
	gen_stamp(g, dir, "comb");
}

/*
 * Space that is set aside but was never written reads as zeros.  Linux calls it a hole until somebody reads it, and
 * data while what was read stays in the page cache: hole maps of these files cannot be compared.
 */
void gen_reserved(struct gen *g, int dir)
{
	static const struct {
		const char *name;
		int flags;
	} files[] = { { "within", 0 }, { "behind", FALLOC_FL_KEEP_SIZE } };

	for (int i = 0; i < 2; i++) {
		int fd = gen_create(dir, files[i].name);

		gen_write(fd, CONTENT_RANDOM, rng_next(&g->rng), 0, 5000);
		if (fallocate(fd, files[i].flags, 0, 1 << 20) < 0)
			gen_skip(g, files[i].name);
		close(fd);
		gen_stamp(g, dir, files[i].name);
	}
}

void gen_sparse(struct gen *g, int dir)
{
	const uint64_t mib = 1 << 20;

	SPARSE(g, dir, "hole-leading", 3 * mib, { 2 * mib, mib });
	SPARSE(g, dir, "hole-middle", 3 * mib, { 0, mib }, { 2 * mib, mib });
	SPARSE(g, dir, "hole-trailing", 3 * mib, { 0, mib });
	SPARSE(g, dir, "hole-only", 3 * mib, { 0, 0 });
	SPARSE(g, dir, "hole-only-odd", 3 * mib + 1, { 0, 0 });
	SPARSE(g, dir, "hole-one-byte", 1, { 0, 0 });
	SPARSE(g, dir, "hole-leading-odd", 3 * mib + 5, { 2 * mib + 777, mib - 777 + 5 });
	SPARSE(g, dir, "hole-in-block", 100000, { 10, 10 }, { 70001, 1 });
	SPARSE(g, dir, "hole-last-byte", 64 * mib, { 64 * mib - 1, 1 });
	SPARSE(g, dir, "hole-first-byte", 64 * mib, { 0, 1 });
	SPARSE(g, dir, "hole-64k", 4 * 65536, { 0, 65536 }, { 2 * 65536, 65536 });
	SPARSE(g, dir, "hole-of-chunk", 4 * g->chunk_max, { 0, g->chunk_max }, { 2 * g->chunk_max, g->chunk_max });
	SPARSE(g, dir, "hole-beyond-4g", 5ull << 30, { 0, 100 }, { (1ull << 32) - 50, 100 }, { (5ull << 30) - 9, 9 });
}

/* A few kB at places where 31, 32 and 40 bits end, and elsewhere; a hole at the end. */
void gen_huge(struct gen *g, int dir)
{
	uint64_t n = g->huge;

	SPARSE(g, dir, "huge", n, { 0, 1000 }, { n / 1024 - 100, 200 }, { n / 512 - 1, 2 }, { n / 256 - 4096, 4096 },
		{ n / 2, 1 }, { n / 2 + n / 4 + 12345, 3000 }, { n - (n >> 10), 777 }, { n - (1 << 20), 4097 });
}
