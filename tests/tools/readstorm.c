/*
 * readstorm: many readers on two trees that must be the same, in all orders, while the kernel's cache is thrown away
 * under them.
 *
 * Each thread takes one of the habits in turn: all files forwards, backwards, in random order, random parts by pread,
 * random pages of a mapping, the first bytes only, and dropping files from the page cache.  Every byte read is
 * compared.
 *
 * Exit status: 0 all the same, 1 a difference (told), 2 failed or wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/tools/lib/tool.h"

#define BUFFER (256u * 1024)

static const char usage[] = "usage: readstorm [-t THREADS] [-r ROUNDS] [-s SEED] EXPECTED MOUNTED < LIST\n"
			    "LIST: regular files, relative to both, each with a NUL; in the tree's order\n";

struct storm {
	int want, got; /* the directories */
	char **path;
	size_t count;
	unsigned rounds;
	atomic_uint differences;
	_Atomic uint64_t bytes;
};

struct reader {
	struct storm *storm;
	struct rng rng;
	unsigned number;
	pthread_t thread;
	uint8_t a[BUFFER], b[BUFFER];
};

/* One file, opened on both sides. */
struct pair {
	const char *path;
	int want, got;
	uint64_t size;
};

static bool pair_open(struct reader *r, size_t i, struct pair *p)
{
	struct stat a, b;

	p->path = r->storm->path[i];
	p->want = openat(r->storm->want, p->path, O_RDONLY | O_CLOEXEC);
	p->got = openat(r->storm->got, p->path, O_RDONLY | O_CLOEXEC);
	if (p->want < 0 || p->got < 0 || fstat(p->want, &a) != 0 || fstat(p->got, &b) != 0)
		die_errno("%s", p->path);
	p->size = (uint64_t)a.st_size;
	if (a.st_size == b.st_size)
		return true;
	fprintf(stderr, "%s: %jd bytes where %jd were expected\n", p->path, (intmax_t)b.st_size, (intmax_t)a.st_size);
	r->storm->differences++;
	close(p->want);
	close(p->got);
	return false;
}

static void pair_close(struct pair *p)
{
	close(p->want);
	close(p->got);
}

static size_t read_at(int fd, uint8_t *out, size_t len, uint64_t off, const char *path)
{
	size_t done = 0;
	ssize_t n;

	while (done < len && (n = pread(fd, out + done, len - done, (off_t)(off + done))) != 0) {
		if (n < 0)
			die_errno("%s", path);
		done += (size_t)n;
	}
	return done;
}

static void tell(struct reader *r, const struct pair *p, const char *how, uint64_t off)
{
	fprintf(stderr, "%s: %s differs at or behind %" PRIu64 "\n", p->path, how, off);
	r->storm->differences++;
}

static void compare(struct reader *r, const struct pair *p, uint64_t off, size_t len, const char *how)
{
	size_t n = read_at(p->want, r->a, len, off, p->path), m = read_at(p->got, r->b, len, off, p->path);

	if (n != m || memcmp(r->a, r->b, n) != 0)
		tell(r, p, how, off);
	r->storm->bytes += n;
}

static void compare_all(struct reader *r, size_t i, const char *how)
{
	struct pair p;

	if (!pair_open(r, i, &p))
		return;
	for (uint64_t off = 0; off < p.size; off += BUFFER)
		compare(r, &p, off, BUFFER, how);
	pair_close(&p);
}

/* --- Habits ------------------------------------------------------------------------------------------------------- */

static void forwards(struct reader *r)
{
	size_t from = (size_t)rng_below(&r->rng, r->storm->count);

	for (size_t i = from; i < r->storm->count; i++)
		compare_all(r, i, "a reader going forwards");
}

static void backwards(struct reader *r)
{
	for (size_t i = (size_t)rng_below(&r->rng, r->storm->count) + 1; i > 0; i--)
		compare_all(r, i - 1, "a reader going backwards");
}

static void shuffled(struct reader *r)
{
	for (size_t n = r->storm->count / 4 + 1; n > 0; n--)
		compare_all(r, (size_t)rng_below(&r->rng, r->storm->count), "a reader at random");
}

static void parts(struct reader *r)
{
	for (size_t n = r->storm->count / 2 + 1; n > 0; n--) {
		struct pair p;

		if (!pair_open(r, (size_t)rng_below(&r->rng, r->storm->count), &p))
			continue;
		for (unsigned k = 0; k < 4; k++)
			compare(r, &p, rng_below(&r->rng, p.size + 1), (size_t)rng_below(&r->rng, BUFFER), "a part");
		pair_close(&p);
	}
}

static void mapped(struct reader *r)
{
	for (size_t n = r->storm->count / 4 + 1; n > 0; n--) {
		struct pair p;
		uint8_t *map;
		uint64_t off;
		size_t len;

		if (!pair_open(r, (size_t)rng_below(&r->rng, r->storm->count), &p))
			continue;
		map = p.size == 0 ? MAP_FAILED : mmap(NULL, p.size, PROT_READ, MAP_SHARED, p.got, 0);
		for (unsigned k = 0; map != MAP_FAILED && k < 4; k++) {
			off = rng_below(&r->rng, p.size);
			len = p.size - off < 4096 ? (size_t)(p.size - off) : 4096;
			if (read_at(p.want, r->a, len, off, p.path) != len || memcmp(r->a, map + off, len) != 0)
				tell(r, &p, "a mapping", off);
		}
		if (map != MAP_FAILED)
			munmap(map, p.size);
		pair_close(&p);
	}
}

static void beginnings(struct reader *r)
{
	for (size_t i = 0; i < r->storm->count; i++) {
		struct pair p;

		if (!pair_open(r, i, &p))
			continue;
		compare(r, &p, 0, 100, "the beginning");
		pair_close(&p);
	}
}

static void dropping(struct reader *r)
{
	for (size_t n = r->storm->count; n > 0; n--) {
		struct pair p;

		if (!pair_open(r, (size_t)rng_below(&r->rng, r->storm->count), &p))
			continue;
		posix_fadvise(p.got, 0, 0, POSIX_FADV_DONTNEED);
		pair_close(&p);
	}
}

static void *run(void *arg)
{
	static void (*const habits[])(struct reader *) = { forwards, dropping, backwards, shuffled, parts, mapped,
		beginnings };
	struct reader *r = arg;

	for (unsigned i = 0; i < r->storm->rounds; i++)
		habits[(r->number + i) % (sizeof(habits) / sizeof(habits[0]))](r);
	return NULL;
}

/* --- Main --------------------------------------------------------------------------------------------------------- */

static void read_list(struct storm *s)
{
	char *line = NULL;
	size_t size = 0;

	while (getdelim(&line, &size, '\0', stdin) > 0) {
		s->path = xrealloc(s->path, (s->count + 1) * sizeof(*s->path));
		s->path[s->count++] = xstrdup(line);
	}
	free(line);
	if (s->count == 0)
		die("no files in the list");
}

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		die_errno("%s", path);
	return fd;
}

static void storm_run(struct storm *s, unsigned threads, uint64_t seed)
{
	struct reader *r = xmalloc(threads * sizeof(*r));

	for (unsigned i = 0; i < threads; i++) {
		r[i].storm = s;
		r[i].number = i;
		rng_init(&r[i].rng, seed + i);
		if (pthread_create(&r[i].thread, NULL, run, &r[i]) != 0)
			die("cannot start a thread");
	}
	for (unsigned i = 0; i < threads; i++)
		pthread_join(r[i].thread, NULL);
	free(r);
}

int main(int argc, char **argv)
{
	struct storm s = { .rounds = 3 };
	unsigned threads = 6;
	uint64_t seed = 1;
	int c;

	while ((c = getopt(argc, argv, "t:r:s:")) != -1) {
		if (c == 't')
			threads = (unsigned)parse_size("-t", optarg);
		else if (c == 'r')
			s.rounds = (unsigned)parse_size("-r", optarg);
		else if (c == 's')
			seed = parse_size("-s", optarg);
		else
			break;
	}
	if (c != -1 || argc - optind != 2) {
		fputs(usage, stderr);
		return 2;
	}
	s.want = open_dir(argv[optind]);
	s.got = open_dir(argv[optind + 1]);
	read_list(&s);
	storm_run(&s, threads, seed);
	printf("%zu files, %" PRIu64 " bytes compared, %u differences\n", s.count, (uint64_t)s.bytes, s.differences);
	for (size_t i = 0; i < s.count; i++)
		free(s.path[i]);
	free(s.path);
	return s.differences == 0 ? 0 : 1;
}
