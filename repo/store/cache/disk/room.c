/*
 * Room.  See room.h.
 */
#include "repo/store/cache/disk/room.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "repo/util/bytes/le.h"

#define STATE_MAGIC "VARVECS1"
#define STATE_HEAD 48
#define STATE_LEN (STATE_HEAD + 8 * ROOM_DIRS)
#define BOOT_ID_LEN 36
#define UNKNOWN UINT64_MAX
#define VICTIMS 4096      /* pieces that one pass can evict */
#define BROKEN_SECONDS 60

static time_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/* --- Opening ------------------------------------------------------------------------------------------------------ */

static int make_dirs(char *path)
{
	char *slash = path;

	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* The directory is to be ours: another user's could be changed into anything while we write. */
static int open_dir(struct cache_room *r)
{
	struct stat st;
	int rc = make_dirs(r->path);

	if (rc < 0)
		return rc;
	r->dir = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (r->dir < 0 || fstat(r->dir, &st) < 0)
		return -errno;
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EPERM;
	for (unsigned d = 0; d < ROOM_DIRS; d++) {
		const char name[2] = { "0123456789abcdef"[d], '\0' };

		if (mkdirat(r->dir, name, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	if ((mkdirat(r->dir, "lists", 0700) < 0 && errno != EEXIST) ||
	    (mkdirat(r->dir, "pins", 0700) < 0 && errno != EEXIST))
		return -errno;
	return 0;
}

static void boot_id(char out[BOOT_ID_LEN])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	memset(out, '?', BOOT_ID_LEN);
	if (fd >= 0 && read(fd, out, BOOT_ID_LEN) != BOOT_ID_LEN)
		memset(out, '?', BOOT_ID_LEN);
	if (fd >= 0)
		close(fd);
}

/* Lock records of the state among processes (F_UNLCK: unlock); ends with the descriptor at the latest. */
static int lock_state(struct cache_room *r, short type, off_t at, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = len };
	int rc;

	while ((rc = fcntl(r->state, F_OFD_SETLKW, &l)) < 0 && errno == EINTR)
		;
	return rc < 0 ? -errno : 0;
}

static int reset_state(struct cache_room *r, const char boot[BOOT_ID_LEN])
{
	uint8_t b[STATE_LEN] = STATE_MAGIC;

	memcpy(b + 8, boot, BOOT_ID_LEN);
	memset(b + STATE_HEAD, 0xff, sizeof(b) - STATE_HEAD);
	return pwrite(r->state, b, sizeof(b), 0) == (ssize_t)sizeof(b) ? 0 : -EIO;
}

/* After a boot the state may be older than what it tells of. */
static int open_state(struct cache_room *r)
{
	char boot[BOOT_ID_LEN];
	uint8_t b[STATE_LEN];
	int rc;

	r->state = openat(r->dir, "state", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (r->state < 0)
		return -errno;
	rc = lock_state(r, F_WRLCK, 0, 0);
	if (rc < 0)
		return rc;
	boot_id(boot);
	if (pread(r->state, b, sizeof(b), 0) != (ssize_t)sizeof(b) || memcmp(b, STATE_MAGIC, 8) != 0 ||
	    memcmp(b + 8, boot, BOOT_ID_LEN) != 0)
		rc = reset_state(r, boot);
	lock_state(r, F_UNLCK, 0, 0);
	return rc;
}

static uint64_t default_bytes(const struct cache_room *r)
{
	struct statvfs fs;
	uint64_t tenth;

	if (r->dir < 0 || fstatvfs(r->dir, &fs) < 0)
		return CACHE_BYTES_DEFAULT;
	tenth = (uint64_t)fs.f_bavail * fs.f_frsize / 10;
	return tenth < CACHE_BYTES_DEFAULT ? tenth : CACHE_BYTES_DEFAULT;
}

int room_open(struct cache_room *r, const char *path, uint64_t max_bytes, const struct log *log)
{
	int rc;

	memset(r, 0, sizeof(*r));
	r->log = log;
	r->dir = r->state = -1;
	pthread_mutex_init(&r->lock, NULL);
	r->path = strdup(path);
	if (r->path == NULL)
		return -ENOMEM;
	rc = open_dir(r);
	if (rc == 0)
		rc = open_state(r);
	if (rc < 0) {
		log_warn(log, "%s: cannot be used as a cache, nothing is kept: %s", path, strerror(-rc));
		if (r->dir >= 0)
			close(r->dir);
		r->dir = -1;
	}
	if (max_bytes == 0)
		max_bytes = default_bytes(r);
	r->limit = (max_bytes < CACHE_BYTES_MIN ? CACHE_BYTES_MIN : max_bytes) / ROOM_DIRS;
	return 0;
}

void room_close(struct cache_room *r)
{
	if (r->dir >= 0)
		close(r->dir);
	if (r->state >= 0)
		close(r->state);
	free(r->path);
	pthread_mutex_destroy(&r->lock);
}

bool room_usable(struct cache_room *r)
{
	bool usable;

	if (r->dir < 0)
		return false;
	pthread_mutex_lock(&r->lock);
	usable = r->broken_until == 0 || now_s() >= r->broken_until;
	pthread_mutex_unlock(&r->lock);
	return usable;
}

int room_failed(struct cache_room *r, int rc)
{
	bool told;

	pthread_mutex_lock(&r->lock);
	told = r->told;
	r->told = true;
	r->broken_until = now_s() + BROKEN_SECONDS;
	pthread_mutex_unlock(&r->lock);
	if (!told)
		log_warn(r->log, "%s: cannot be written to, so less is kept: %s", r->path, strerror(-rc));
	return rc;
}

/* --- Going through ------------------------------------------------------------------------------------------------ */

struct victim {
	struct timespec used;
	uint64_t bytes;
	char name[40];
};

/* What a directory holds, and the least recently used of it. */
struct count {
	uint64_t bytes, pieces, pinned_bytes, pinned_pieces;
	struct victim *victim; /* 2 * VICTIMS; NULL: none are wanted */
	size_t nvictims;
};

static int compare_used(const void *a, const void *b)
{
	const struct victim *x = a, *y = b;

	if (x->used.tv_sec != y->used.tv_sec)
		return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
	if (x->used.tv_nsec != y->used.tv_nsec)
		return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The oldest VICTIMS of all are among those that are left when the newer half goes each time. */
static void add_victim(struct count *c, const char *name, const struct stat *st)
{
	struct victim *v = &c->victim[c->nvictims++];

	v->used = st->st_mtim;
	v->bytes = (uint64_t)st->st_blocks * 512;
	memcpy(v->name, name, strlen(name) + 1);
	if (c->nvictims == (size_t)2 * VICTIMS) {
		qsort(c->victim, c->nvictims, sizeof(*v), compare_used);
		c->nvictims = VICTIMS;
	}
}

static void count_piece(struct count *c, const char *name, const struct stat *st)
{
	uint64_t bytes = (uint64_t)st->st_blocks * 512;

	if (st->st_nlink > 1) {
		c->pinned_bytes += bytes;
		c->pinned_pieces++;
		return;
	}
	c->bytes += bytes;
	c->pieces++;
	if (c->victim != NULL && strlen(name) < sizeof(c->victim->name))
		add_victim(c, name, st);
}

static int open_sub(struct cache_room *r, const char *sub, DIR **out)
{
	int fd = openat(r->dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), rc;

	if (fd < 0)
		return -errno;
	*out = fdopendir(fd);
	if (*out != NULL)
		return 0;
	rc = -errno;
	close(fd);
	return rc;
}

static int count_dir(struct cache_room *r, unsigned d, struct count *c)
{
	const char sub[2] = { "0123456789abcdef"[d], '\0' };
	const struct dirent *e;
	struct stat st;
	DIR *dir = NULL;
	int rc = open_sub(r, sub, &dir);

	if (dir == NULL)
		return rc;
	while ((e = readdir(dir)) != NULL) {
		if (e->d_name[0] != '.' && fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			count_piece(c, e->d_name, &st);
	}
	closedir(dir);
	return 0;
}

/* Remove the oldest until no more than ${wanted} bytes are held, or there are no more victims. */
static void remove_victims(struct cache_room *r, unsigned d, struct count *c, uint64_t wanted)
{
	char path[48];

	qsort(c->victim, c->nvictims, sizeof(*c->victim), compare_used);
	for (size_t i = 0; i < c->nvictims && c->bytes > wanted; i++) {
		snprintf(path, sizeof(path), "%x/%s", d, c->victim[i].name);
		if (unlinkat(r->dir, path, 0) == 0 || errno == ENOENT)
			c->bytes -= c->victim[i].bytes;
	}
}

/* Count directory ${d}, and bring it down to ${wanted} bytes if it has more than ${most}.  Return what it has then. */
static int evict(struct cache_room *r, unsigned d, uint64_t most, uint64_t wanted, uint64_t *held)
{
	struct count c = { 0 };
	uint64_t before;
	int rc = 0;

	c.victim = malloc(2 * VICTIMS * sizeof(*c.victim));
	if (c.victim == NULL)
		return -ENOMEM;
	do {
		before = c.bytes;
		c.bytes = c.nvictims = 0;
		rc = count_dir(r, d, &c);
		if (rc == 0 && c.bytes > most)
			remove_victims(r, d, &c, wanted);
	} while (rc == 0 && c.bytes > most && c.bytes != before);
	*held = c.bytes;
	free(c.victim);
	return rc;
}

/* --- Counting ----------------------------------------------------------------------------------------------------- */

/* Called with the record locked. */
static int take_locked(struct cache_room *r, unsigned d, uint64_t bytes)
{
	off_t at = STATE_HEAD + 8 * (off_t)d;
	uint64_t held, most = r->limit - bytes, wanted = r->limit / 10 * 9;
	uint8_t b[8];
	int rc = 0;

	if (pread(r->state, b, sizeof(b), at) != (ssize_t)sizeof(b))
		return -EIO;
	held = le64dec(b);
	if (held > most)
		rc = evict(r, d, most, wanted < most ? wanted : most, &held);
	if (rc == 0 && held > most)
		rc = -ENOSPC;
	le64enc(b, rc == 0 ? held + bytes : UNKNOWN);
	if (pwrite(r->state, b, sizeof(b), at) != (ssize_t)sizeof(b))
		rc = -EIO;
	return rc;
}

int room_take(struct cache_room *r, unsigned d, uint64_t bytes)
{
	off_t at = STATE_HEAD + 8 * (off_t)d;
	int rc;

	if (r->dir < 0 || bytes > r->limit)
		return -ENOSPC;
	pthread_mutex_lock(&r->lock);
	rc = lock_state(r, F_WRLCK, at, 8);
	if (rc == 0) {
		rc = take_locked(r, d, bytes);
		lock_state(r, F_UNLCK, at, 8);
	}
	pthread_mutex_unlock(&r->lock);
	return rc;
}

void room_recount(struct cache_room *r)
{
	char boot[BOOT_ID_LEN];

	if (r->dir < 0)
		return;
	boot_id(boot);
	pthread_mutex_lock(&r->lock);
	if (lock_state(r, F_WRLCK, 0, 0) == 0) {
		reset_state(r, boot);
		lock_state(r, F_UNLCK, 0, 0);
	}
	pthread_mutex_unlock(&r->lock);
}

int room_usage(struct cache_room *r, struct cache_usage *out)
{
	struct count c = { 0 };
	int rc = 0;

	for (unsigned d = 0; d < ROOM_DIRS && rc == 0 && r->dir >= 0; d++)
		rc = count_dir(r, d, &c);
	*out = (struct cache_usage){
		.max_bytes = r->limit * ROOM_DIRS,
		.bytes = c.bytes,
		.pieces = c.pieces,
		.pinned_bytes = c.pinned_bytes,
		.pinned_pieces = c.pinned_pieces,
	};
	return rc;
}

int room_empty(struct cache_room *r, const char *sub)
{
	const struct dirent *e;
	DIR *dir = NULL;
	int rc = r->dir < 0 ? -ENOENT : open_sub(r, sub, &dir);

	if (dir == NULL)
		return rc == -ENOENT ? 0 : rc;
	while ((e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) < 0 && errno != ENOENT)
			rc = -errno;
	}
	closedir(dir);
	return rc;
}
