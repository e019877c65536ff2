/*
 * Data extents by SEEK_DATA and SEEK_HOLE.
 */
#include <errno.h>
#include <unistd.h>

#include "repo/backup/source/extent.h"

/* From this size on holes are looked for even if all blocks seem to be there: preallocated ones read as holes. */
#define ASK_FROM (64u * 1024)

void extents_begin(struct extents *x, int fd, const struct statx *st)
{
	*x = (struct extents){ .fd = fd, .size = st->stx_size };
	x->whole = st->stx_size < ASK_FROM && st->stx_blocks * 512 >= st->stx_size;
}

/* There is nothing from here on: a hole up to the end, or the end has come nearer. */
static int at_end(struct extents *x)
{
	off_t end = lseek(x->fd, 0, SEEK_END);

	if (end < 0)
		return -errno;
	if ((uint64_t)end < x->size)
		x->size = (uint64_t)end > x->at ? (uint64_t)end : x->at;
	x->at = x->size;
	return 0;
}

int extents_next(struct extents *x, uint64_t *begin, uint64_t *end)
{
	off_t data = (off_t)x->at, hole = (off_t)x->size;

	if (x->at >= x->size)
		return 0;
	if (!x->whole) {
		data = lseek(x->fd, (off_t)x->at, SEEK_DATA);
		if (data >= 0)
			hole = lseek(x->fd, data, SEEK_HOLE);
		if ((data < 0 || hole < 0) && errno == ENXIO)
			return at_end(x);
		if (data < 0 || hole < 0) {
			if (errno != EINVAL || x->at > 0)
				return -errno;
			x->whole = true; /* the file system does not know holes */
			data = 0;
			hole = (off_t)x->size;
		}
	}
	if ((uint64_t)data >= x->size) {
		x->at = x->size;
		return 0;
	}
	*begin = (uint64_t)data;
	*end = (uint64_t)hole < x->size ? (uint64_t)hole : x->size;
	x->at = *end;
	return 1;
}
