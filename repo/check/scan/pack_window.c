/*
 * Scanning one pack: its bytes.  See pack_scan.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/scan/pack_scan.h"
#include "repo/check/scan/pack_scan_impl.h"
#include "repo/check/scan/scan.h"

/* Make the room large enough for ${n} bytes of window, and a page. */
static int grow(struct pack_scan *s, size_t n)
{
	size_t cap = (n + 3 * PACK_SCAN_PAGE - 1) / PACK_SCAN_PAGE * PACK_SCAN_PAGE;
	uint8_t *room;

	if (cap <= s->cap)
		return 0;
	room = aligned_alloc(PACK_SCAN_PAGE, cap);
	if (room == NULL)
		return -ENOMEM;
	if (s->len > 0)
		memcpy(room + s->at % PACK_SCAN_PAGE, pack_scan_window(s), s->len);
	free(s->room);
	s->room = room;
	s->cap = cap;
	return 0;
}

/* Forget what is before the next object, and make room for one more piece. */
static int make_room(struct pack_scan *s, size_t n)
{
	uint64_t keep = s->more ? s->place.offset : pack_scan_so_far(s);
	size_t drop;

	keep = keep < s->at ? s->at : keep;
	drop = keep > pack_scan_so_far(s) ? s->len : (size_t)(keep - s->at);
	if (drop < s->len)
		memmove(s->room + (s->at + drop) % PACK_SCAN_PAGE, pack_scan_window(s) + drop, s->len - drop);
	s->at += drop;
	s->len -= drop;
	return grow(s, s->len + n);
}

static int fetch(struct pack_scan *s, uint8_t *to, size_t n)
{
	int rc = n > 0 ? store_get_once(s->c->store, s->name, pack_scan_so_far(s), n, to,
			     s->cap - (size_t)(to - s->room)) : 0;

	if (rc != -EIO || store_failed(s->c, rc))
		return rc;
	/* A bad sector: what lies in this piece will not authenticate, the rest may. */
	s->t.read_error = rc;
	memset(to, 0, n);
	return 0;
}

int pack_scan_read(struct pack_scan *s, struct hash_piece *piece)
{
	uint64_t left = s->pack->size - pack_scan_so_far(s);
	size_t n = left < SCAN_PIECE ? (size_t)left : SCAN_PIECE;
	uint8_t *to;
	int rc;

	if (cancelled(s->c))
		return -EINTR;
	rc = make_room(s, n);
	if (rc < 0)
		return rc;
	to = n > 0 ? pack_scan_window(s) + s->len : NULL;
	rc = fetch(s, to, n);
	if (rc < 0)
		return pack_scan_fail(s, rc);
	s->len += n;
	if (s->c->o->progress != NULL)
		s->c->o->progress->bytes += n;
	*piece = (struct hash_piece){ .stream = &s->stream, .data = to, .len = n, .last = n == left };
	return 1;
}
