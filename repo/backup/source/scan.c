/*
 * Names of a directory in order.
 *
 * When the window is full while reading, it is sorted and its greater half is forgotten, together with everything
 * greater that still comes: so it ends with the least names after the last one, and reading costs one sort a half
 * window.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "repo/backup/source/scan.h"

#define ENTRIES_LEN (64u * 1024)

/* As the kernel writes it. */
struct kernel_dirent {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

void scan_room_init(struct scan_room *r, size_t window_max)
{
	*r = (struct scan_room){ .window_max = window_max };
}

void scan_room_destroy(struct scan_room *r)
{
	free(r->entries);
	r->entries = NULL;
}

static uint64_t key_of(const char *name, size_t len)
{
	uint64_t key = 0;
	size_t i;

	for (i = 0; i < sizeof(key); i++)
		key = key << 8 | (i < len ? (uint8_t)name[i] : 0);
	return key;
}

static int compare(const void *a, const void *b, void *text)
{
	const struct scan_name *x = a, *y = b;
	const char *t = text;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return entry_name_compare(t + x->at, x->len, t + y->at, y->len);
}

/* Sort, and remove what a changing directory listed twice. */
static void sort_window(struct scan *s)
{
	char *text = (char *)s->text.data;
	size_t i, n = 0;

	if (s->count > 1)
		qsort_r(s->names, s->count, sizeof(s->names[0]), compare, text);
	for (i = 0; i < s->count; i++)
		if (n == 0 || compare(&s->names[n - 1], &s->names[i], text) != 0)
			s->names[n++] = s->names[i];
	s->count = n;
}

/* Keep the lesser half, with its text alone. */
static int halve(struct scan *s)
{
	struct buf text = BUF_INIT;
	size_t i;

	sort_window(s);
	s->count = (s->count + 1) / 2;
	for (i = 0; i < s->count; i++) {
		struct scan_name *n = &s->names[i];

		if (buf_append(&text, s->text.data + n->at, n->len + 1u) < 0) {
			buf_free(&text);
			return -ENOMEM;
		}
		n->at = (uint32_t)(text.len - n->len - 1);
	}
	buf_free(&s->text);
	s->text = text;
	s->more = true;
	return 0;
}

static size_t window_bytes(const struct scan *s)
{
	return s->text.cap + s->cap * sizeof(s->names[0]);
}

static int add_name(struct scan *s, const char *name, size_t len, uint8_t type)
{
	struct scan_name *grown;

	if (s->count == s->cap) {
		grown = realloc(s->names, (s->cap ? s->cap * 2 : 32) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		s->names = grown;
		s->cap = s->cap ? s->cap * 2 : 32;
	}
	s->names[s->count++] = (struct scan_name){ .key = key_of(name, len), .at = (uint32_t)s->text.len,
		.len = (uint16_t)len, .type = type };
	return buf_append(&s->text, name, len + 1);
}

/* Is the name one that this window is about: after the last one given, and not among those that were forgotten? */
static bool is_wanted(const struct scan *s, const char *name, size_t len, const struct scan_name *limit)
{
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return false;
	if (s->started && entry_name_compare(name, len, s->last, s->last_len) <= 0)
		return false;
	return !limit || entry_name_compare(name, len, (char *)s->text.data + limit->at, limit->len) < 0;
}

/* What a window being read is bounded by: names from ${limit} on were forgotten. */
struct bound {
	bool set;
	struct scan_name limit;
};

static int take_name(struct scan *s, const struct scan_room *room, const char *name, uint8_t type, struct bound *b)
{
	size_t len = strlen(name);

	if (len > ENTRY_NAME_MAX) {
		s->err = -ENAMETOOLONG;
		return 0;
	}
	if (!is_wanted(s, name, len, b->set ? &b->limit : NULL))
		return 0;
	if (add_name(s, name, len, type) < 0)
		return -ENOMEM;
	if (s->count == 1 || s->count * sizeof(s->names[0]) + s->text.len <= room->window_max)
		return 0;
	if (halve(s) < 0)
		return -ENOMEM;
	b->limit = s->names[s->count - 1];
	b->set = true;
	return 0;
}

static int read_names(struct scan *s, const struct scan_room *room, int fd)
{
	struct bound b = { .set = false };
	int err = 0;
	long n, at;

	if (lseek(fd, 0, SEEK_SET) < 0) {
		s->err = -errno;
		return 0;
	}
	while (err == 0 && (n = syscall(SYS_getdents64, fd, room->entries, ENTRIES_LEN)) > 0) {
		for (at = 0; at < n && err == 0;) {
			const struct kernel_dirent *d = (const void *)(room->entries + at);

			err = take_name(s, room, d->name, d->type, &b);
			at += d->reclen;
		}
	}
	if (err == 0 && n < 0 && errno != ENOENT) /* ENOENT: removed while open, and so empty */
		s->err = -errno;
	return err;
}

static int fill(struct scan *s, struct scan_room *room, int fd)
{
	int err;

	if (!room->entries)
		room->entries = malloc(ENTRIES_LEN);
	if (!room->entries)
		return -ENOMEM;
	s->count = s->next = 0;
	s->more = false;
	s->err = 0;
	buf_clear(&s->text);
	err = read_names(s, room, fd);
	if (err < 0)
		return err;
	sort_window(s);
	s->filled = true;
	room->held += window_bytes(s) - s->held;
	s->held = window_bytes(s);
	return 0;
}

/* Remember where the window ended or was left, before it goes. */
static void note_last(struct scan *s)
{
	const struct scan_name *n;

	if (s->next == 0)
		return;
	n = &s->names[s->next - 1];
	s->last_len = n->len;
	memcpy(s->last, s->text.data + n->at, s->last_len);
	s->started = true;
}

bool scan_needs_dir(const struct scan *s)
{
	return !s->filled || (s->next == s->count && s->more);
}

int scan_next(struct scan *s, struct scan_room *room, int fd, struct scan_name *out, const char **name)
{
	int err;

	if (scan_needs_dir(s)) {
		note_last(s);
		err = fill(s, room, fd);
		if (err < 0)
			return err;
	}
	if (s->next == s->count) {
		err = s->err;
		s->err = 0;
		s->more = false;
		return err;
	}
	*out = s->names[s->next++];
	*name = (const char *)s->text.data + out->at;
	return 1;
}

void scan_back(struct scan *s)
{
	s->next--;
}

void scan_drop(struct scan *s, struct scan_room *room)
{
	if (s->filled) {
		note_last(s);
		s->more = s->more || s->next < s->count;
	}
	room->held -= s->held;
	s->held = 0;
	free(s->names);
	s->names = NULL;
	buf_free(&s->text);
	s->count = s->cap = s->next = 0;
	/* Without a window, an unread rest must be read again, and nothing else. */
	s->filled = s->filled && !s->more;
}
