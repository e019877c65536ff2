/*
 * For tests of the cache.  See cache_rig.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/store/cache/cache_rig.h"

void cache_rig_open(struct cache_rig *rig, struct scratch *s, uint64_t max_bytes, bool offline)
{
	struct cache_options opts = { .max_bytes = max_bytes, .offline = offline, .log = &s->log };

	rig->scratch = s;
	if (rig->dir[0] == '\0')
		scratch_path(s, "cache/repo", rig->dir);
	opts.dir = rig->dir;
	assert_int_equal(store_mem_open(&s->log, &rig->inner), 0);
	assert_int_equal(store_cache_open(rig->inner, &opts, &rig->cache), 0);
	assert_true(store_is_cache(rig->cache));
	assert_false(store_is_cache(rig->inner));
}

void cache_rig_close(struct cache_rig *rig)
{
	store_close(rig->cache);
	rig->cache = rig->inner = NULL;
}

void cache_rig_bytes(const char *name, uint64_t off, size_t len, uint8_t *out)
{
	uint64_t seed = 0, word = 0;

	for (const char *p = name; *p != '\0'; p++)
		seed = seed * 31 + (uint8_t)*p;
	for (size_t i = 0; i < len; i++) {
		if (i == 0 || (off + i) % 8 == 0) {
			word = ((off + i) / 8 + seed) * 0x9e3779b97f4a7c15;
			word ^= word >> 29;
			word *= 0xbf58476d1ce4e5b9;
		}
		if ((off + i) % 8 == 0 && len - i >= 8) {
			memcpy(out + i, &word, 8);
			i += 7;
		} else {
			out[i] = (uint8_t)(word >> (8 * ((off + i) % 8)));
		}
	}
}

void cache_rig_put(struct cache_rig *rig, const char *name, uint64_t len)
{
	uint8_t *data = malloc(len + 1);

	assert_non_null(data);
	cache_rig_bytes(name, 0, len, data);
	assert_int_equal(store_put(rig->inner, name, data, len, 0), 0);
	free(data);
}

int cache_rig_read(struct cache_rig *rig, const char *name, uint64_t size, uint64_t off, size_t len)
{
	uint8_t *got = malloc(len + 1), *want = malloc(len + 1);
	int rc;

	assert_true(got != NULL && want != NULL);
	rc = store_get_in(rig->cache, name, size, off, len, got);
	if (rc == 0) {
		cache_rig_bytes(name, off, len, want);
		assert_memory_equal(got, want, len);
	}
	free(got);
	free(want);
	return rc;
}

uint64_t cache_rig_gets(const struct cache_rig *rig)
{
	struct store_counters n;

	store_get_counters(rig->inner, &n);
	return n.gets;
}

uint64_t cache_rig_get_bytes(const struct cache_rig *rig)
{
	struct store_counters n;

	store_get_counters(rig->inner, &n);
	return n.get_bytes;
}

void cache_rig_settle(const struct cache_rig *rig)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	uint64_t before;
	unsigned quiet = 0;

	while (quiet < 5) {
		before = cache_rig_gets(rig);
		nanosleep(&pause, NULL);
		quiet = cache_rig_gets(rig) == before ? quiet + 1 : 0;
	}
}

static unsigned flip_file(int dir, const char *name, uint64_t at)
{
	int fd = openat(dir, name, O_RDWR);
	struct stat st;
	uint8_t byte;
	unsigned count = 0;

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > at) {
		assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
		count = 1;
	}
	close(fd);
	return count;
}

unsigned cache_rig_flip(const struct cache_rig *rig, uint64_t at)
{
	char path[SCRATCH_PATH_SIZE + 4];
	const struct dirent *e;
	unsigned count = 0;
	DIR *d;

	for (unsigned i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "%s/%x", rig->dir, i);
		d = opendir(path);
		assert_non_null(d);
		while ((e = readdir(d)) != NULL)
			if (e->d_name[0] != '.')
				count += flip_file(dirfd(d), e->d_name, at);
		closedir(d);
	}
	return count;
}
