/*
 * Hole maps and bytes of two regular files, in bounded memory and without reading what both call a hole.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/treecmp/cmp.h"

#define HOLE_SAMPLE (128 * 1024) /* bytes read at each end of a hole, if holes are read */

struct files {
	int fd[2];
	off_t size[2];
};

/* First data at or after ${at}; the file's size if only a hole is left; ${at} where the filesystem cannot tell. */
static off_t next_data(const struct files *f, int side, off_t at)
{
	off_t pos = at >= f->size[side] ? f->size[side] : lseek(f->fd[side], at, SEEK_DATA);

	if (pos >= 0)
		return pos;
	return errno == ENXIO ? f->size[side] : at;
}

/* First hole at or after ${at}, which may be the end of the file. */
static off_t next_hole(const struct files *f, int side, off_t at)
{
	off_t pos = at >= f->size[side] ? f->size[side] : lseek(f->fd[side], at, SEEK_HOLE);

	return pos >= 0 && pos < f->size[side] ? pos : f->size[side];
}

static void describe_extent(char *out, size_t size, const char *what, off_t start, off_t end)
{
	if (start < end)
		snprintf(out, size, "%s at %jd-%jd", what, (intmax_t)start, (intmax_t)end);
	else
		snprintf(out, size, "no more %s", what);
}

static void tell_extent(struct cmp *c, off_t start, off_t end, const char *a, const char *b)
{
	char x[96];

	describe_extent(x, sizeof(x), a, start, end);
	cmp_diff(c, FIELD_HOLES, NULL, x, b);
}

/* The first extent of data that is not the same in both is told; the rest would only follow from it. */
static void compare_holes_exact(struct cmp *c, const struct files *f)
{
	off_t at = 0;

	while (at < f->size[0]) {
		off_t start[2], end[2];
		char x[96], y[96];

		for (int i = 0; i < 2; i++) {
			start[i] = next_data(f, i, at);
			end[i] = next_hole(f, i, start[i]);
		}
		if (start[0] != start[1] || end[0] != end[1]) {
			describe_extent(x, sizeof(x), "data", start[0], end[0]);
			describe_extent(y, sizeof(y), "data", start[1], end[1]);
			cmp_diff(c, FIELD_HOLES, NULL, x, y);
			return;
		}
		at = end[0];
	}
}

static void compare_holes_logical(struct cmp *c, const struct files *f)
{
	off_t at = 0;

	while (at < f->size[0]) {
		off_t start = next_data(f, 0, at), end = next_hole(f, 0, start);

		if (start - at >= HOLE_MIN && next_data(f, 1, at) < start) {
			tell_extent(c, at, start, "hole", "data in it");
			return;
		}
		if (start < end && next_hole(f, 1, start) < end) {
			tell_extent(c, start, end, "data", "a hole in it");
			return;
		}
		at = end;
	}
}

/* Read up to ${len} bytes of both at ${at}.  Return how many both have, 0 at the end, -1 with the error told. */
static ssize_t read_both(struct cmp *c, const struct files *f, off_t at, size_t len)
{
	size_t have[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		while (have[i] < len) {
			ssize_t n = pread(f->fd[i], c->buf[i] + have[i], len - have[i], at + (off_t)have[i]);
			char what[64];

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0) {
				snprintf(what, sizeof(what), "cannot read at %jd", (intmax_t)at + (intmax_t)have[i]);
				cmp_error(c, i, what, errno);
				return -1;
			}
			if (n == 0)
				break;
			have[i] += (size_t)n;
		}
	}
	if (have[0] != have[1]) {
		cmp_diff_number(c, FIELD_DATA, NULL, "ends at ", (uint64_t)at + have[0], (uint64_t)at + have[1]);
		return -1;
	}
	return (ssize_t)have[0];
}

static void tell_byte(struct cmp *c, off_t at, size_t len)
{
	char x[64], y[64];
	size_t i = 0;

	while (i < len && c->buf[0][i] == c->buf[1][i])
		i++;
	snprintf(x, sizeof(x), "0x%02x at %jd", (unsigned char)c->buf[0][i], (intmax_t)at + (intmax_t)i);
	snprintf(y, sizeof(y), "0x%02x", (unsigned char)c->buf[1][i]);
	cmp_diff(c, FIELD_DATA, NULL, x, y);
}

/* Compare up to ${len} bytes at ${at}.  Return how many were equal; 0 at the end or after a difference or error. */
static size_t compare_piece(struct cmp *c, const struct files *f, off_t at, size_t len)
{
	ssize_t n = read_both(c, f, at, len);

	if (n <= 0)
		return 0;
	c->bytes += (uint64_t)n;
	if (memcmp(c->buf[0], c->buf[1], (size_t)n) == 0)
		return (size_t)n;
	tell_byte(c, at, (size_t)n);
	return 0;
}

/* Both say that ${at} to ${end} is a hole: see what reading its ends gives. */
static bool compare_hole(struct cmp *c, const struct files *f, off_t at, off_t end)
{
	size_t len = end - at > HOLE_SAMPLE ? HOLE_SAMPLE : (size_t)(end - at);

	if (!c->opt.read_holes || len == 0)
		return true;
	return compare_piece(c, f, at, len) > 0 && compare_piece(c, f, end - (off_t)len, len) > 0;
}

static void compare_bytes(struct cmp *c, const struct files *f)
{
	off_t at = 0;
	size_t n;

	do {
		off_t a = next_data(f, 0, at), b = next_data(f, 1, at), data = a < b ? a : b;

		if (!compare_hole(c, f, at, data))
			return;
		/* Reading on at the size that stat told shows a file that is longer than that. */
		n = compare_piece(c, f, data, CMP_BUF);
		at = data + (off_t)n;
	} while (n > 0);
}

static int open_file(struct cmp *c, const struct pair *p, int side)
{
	int fd = openat(p->dir[side], p->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		cmp_error(c, side, "cannot open", errno);
	return fd;
}

void cmp_contents(struct cmp *c, const struct pair *p)
{
	struct files f = { { -1, -1 }, { p->st[0].st_size, p->st[1].st_size } };

	if (c->opt.ignore[FIELD_DATA] && (c->opt.ignore[FIELD_HOLES] || c->opt.holes == HOLES_NONE))
		return;
	if (p->st[0].st_size != p->st[1].st_size)
		return; /* told as a difference of size */
	f.fd[0] = open_file(c, p, 0);
	f.fd[1] = open_file(c, p, 1);
	if (f.fd[0] < 0 || f.fd[1] < 0)
		goto out;
	if (!c->opt.ignore[FIELD_HOLES] && c->opt.holes == HOLES_EXACT)
		compare_holes_exact(c, &f);
	if (!c->opt.ignore[FIELD_HOLES] && c->opt.holes == HOLES_LOGICAL)
		compare_holes_logical(c, &f);
	if (!c->opt.ignore[FIELD_DATA])
		compare_bytes(c, &f);
out:
	for (int i = 0; i < 2; i++)
		if (f.fd[i] >= 0)
			close(f.fd[i]);
}
