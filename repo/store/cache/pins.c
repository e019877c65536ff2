/*
 * Pins.  See store_cache.h.
 *
 * "pins/<pin>/" has, beside the links, "text" and, once all of it has been read, "complete".  A pin is called by the
 * hash of its text.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/crypt/crypt.h"
#include "repo/store/cache/cache_impl.h"

#define PIN_DIGITS 16
#define PIECE_DIGITS 32

static struct store_cache *cache_of(struct store *s)
{
	return (struct store_cache *)s;
}

void pinning_init(struct pinning *p)
{
	pthread_mutex_init(&p->lock, NULL);
}

static void pin_dir(const char *text, char out[40])
{
	char hex[ID_HEX_SIZE];
	struct id id;

	crypt_hash(text, strlen(text), &id);
	snprintf(out, 40, "pins/%.*s", PIN_DIGITS, id_hex(&id, hex));
}

static int failed(const struct store_cache *c, const char *what, const char *where, int rc)
{
	log_error(c->base.log, "%s/%s: cannot be %s: %s", c->room.path, where, what, strerror(-rc));
	return rc;
}

/* --- Pinning ------------------------------------------------------------------------------------------------------ */

int store_cache_pin(struct store *s, const char *text)
{
	struct store_cache *c = cache_of(s);
	char dir[40], file[64];
	int rc = 0;

	pin_dir(text, dir);
	if (c->room.dir < 0)
		return failed(c, "made", dir, -ENOENT);
	if (mkdirat(c->room.dir, dir, 0700) < 0 && errno != EEXIST)
		rc = -errno;
	snprintf(file, sizeof(file), "%s/complete", dir);
	if (rc == 0 && unlinkat(c->room.dir, file, 0) < 0 && errno != ENOENT)
		rc = -errno;
	snprintf(file, sizeof(file), "%s/text", dir);
	if (rc == 0)
		rc = room_write_file(&c->room, file, text, strlen(text));
	if (rc < 0)
		return failed(c, "made", dir, rc);
	pthread_mutex_lock(&c->pinning.lock);
	memcpy(c->pinning.dir, dir, sizeof(dir));
	c->pinning.rc = 0;
	pthread_mutex_unlock(&c->pinning.lock);
	c->pinning.on = true;
	return 0;
}

int store_cache_pinned(struct store *s)
{
	struct store_cache *c = cache_of(s);
	char file[64];
	int rc;

	c->pinning.on = false;
	pthread_mutex_lock(&c->pinning.lock);
	rc = c->pinning.rc;
	snprintf(file, sizeof(file), "%s/complete", c->pinning.dir);
	pthread_mutex_unlock(&c->pinning.lock);
	if (rc < 0)
		return failed(c, "pinned", file, rc);
	rc = room_write_file(&c->room, file, "", 0);
	return rc < 0 ? failed(c, "made", file, rc) : 0;
}

/* Of an old link and the piece that has taken its place the link goes. */
static int link_piece(const struct store_cache *c, const char *path, const char *link)
{
	struct stat a, b;

	if (linkat(c->room.dir, path, c->room.dir, link, 0) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (fstatat(c->room.dir, path, &a, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (fstatat(c->room.dir, link, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino)
		return 0;
	unlinkat(c->room.dir, link, 0);
	return linkat(c->room.dir, path, c->room.dir, link, 0) < 0 ? -errno : 0;
}

void cache_pin_blocks(struct store_cache *c, const char *name, uint64_t first, unsigned n)
{
	char path[PIECE_PATH_SIZE], link[80];
	int rc;

	if (!c->pinning.on)
		return;
	pthread_mutex_lock(&c->pinning.lock);
	for (uint64_t piece = first / PIECE_BLOCKS; piece <= (first + n - 1) / PIECE_BLOCKS; piece++) {
		piece_path(name, (uint32_t)piece, path);
		snprintf(link, sizeof(link), "%s/%s", c->pinning.dir, path + 2);
		rc = link_piece(c, path, link);
		if (c->pinning.rc == 0)
			c->pinning.rc = rc;
	}
	pthread_mutex_unlock(&c->pinning.lock);
}

/* --- Pins that there are ------------------------------------------------------------------------------------------ */

static int open_dir(const struct store_cache *c, const char *sub, DIR **out)
{
	int fd = c->room.dir < 0 ? -1 : openat(c->room.dir, sub, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	*out = fd < 0 ? NULL : fdopendir(fd);
	if (*out == NULL && fd >= 0)
		close(fd);
	return *out == NULL ? -ENOENT : 0;
}

static void add_up(const struct store_cache *c, const char *dir, struct cache_pin *pin)
{
	const struct dirent *e;
	struct stat st;
	DIR *d;

	if (open_dir(c, dir, &d) < 0)
		return;
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, "complete") == 0)
			pin->complete = true;
		if (strlen(e->d_name) != PIECE_DIGITS || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		pin->pieces++;
		pin->bytes += (uint64_t)st.st_blocks * 512;
	}
	closedir(d);
}

static int show_pin(struct store_cache *c, const char *name, cache_pin_fn *fn, void *arg)
{
	struct cache_pin pin = { .text = "" };
	struct buf text = BUF_INIT;
	char dir[40], file[64];
	int rc;

	if (name[0] == '.' || strlen(name) != PIN_DIGITS)
		return 0;
	snprintf(dir, sizeof(dir), "pins/%.*s", PIN_DIGITS, name);
	snprintf(file, sizeof(file), "%s/text", dir);
	rc = room_read_file(&c->room, file, CACHE_PIN_TEXT_MAX, &text);
	if (rc == 0 && buf_u8(&text, 0) == 0)
		pin.text = (const char *)text.data;
	add_up(c, dir, &pin);
	rc = rc == 0 ? fn(arg, &pin) : 0;
	buf_free(&text);
	return rc;
}

int store_cache_pins(struct store *s, cache_pin_fn *fn, void *arg)
{
	struct store_cache *c = cache_of(s);
	const struct dirent *e;
	DIR *d;
	int rc = 0;

	if (open_dir(c, "pins", &d) < 0)
		return 0;
	while (rc == 0 && (e = readdir(d)) != NULL)
		rc = show_pin(c, e->d_name, fn, arg);
	closedir(d);
	return rc;
}

static int remove_pin(struct store_cache *c, const char *dir)
{
	int rc = room_empty(&c->room, dir);

	if (rc == 0 && unlinkat(c->room.dir, dir, AT_REMOVEDIR) < 0 && errno != ENOENT)
		rc = -errno;
	return rc < 0 ? failed(c, "removed", dir, rc) : 0;
}

int store_cache_unpin(struct store *s, const char *text)
{
	struct store_cache *c = cache_of(s);
	char dir[40];
	int rc;

	pin_dir(text, dir);
	if (c->room.dir < 0 || faccessat(c->room.dir, dir, F_OK, 0) < 0)
		return -ENOENT;
	rc = remove_pin(c, dir);
	room_recount(&c->room);
	return rc;
}

static int remove_pins(struct store_cache *c)
{
	const struct dirent *e;
	char dir[300];
	DIR *d;
	int rc = 0;

	if (open_dir(c, "pins", &d) < 0)
		return 0;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(dir, sizeof(dir), "pins/%s", e->d_name);
		rc = remove_pin(c, dir);
	}
	closedir(d);
	return rc;
}

int store_cache_clear(struct store *s)
{
	struct store_cache *c = cache_of(s);
	int rc = remove_pins(c), one;

	for (unsigned d = 0; d < ROOM_DIRS; d++) {
		const char sub[2] = { "0123456789abcdef"[d], '\0' };

		one = room_empty(&c->room, sub);
		if (one < 0 && rc == 0)
			rc = failed(c, "emptied", sub, one);
	}
	one = room_empty(&c->room, "lists");
	room_recount(&c->room);
	return rc < 0 || one == 0 ? rc : failed(c, "emptied", "lists", one);
}
