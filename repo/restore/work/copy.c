/*
 * Copies of entries.
 */
#include <string.h>

#include "repo/restore/work/copy.h"
#include "repo/tree/span/span.h"

size_t entry_copy_size(const struct tree_entry *e)
{
	return (size_t)e->name_len + 1 + e->target_len + 1 + e->xattrs_len + (size_t)e->nspans * SPAN_RECORD_LEN;
}

/* Copy ${len} bytes to ${*room} and step over them. */
static const void *put(uint8_t **room, const void *p, size_t len)
{
	uint8_t *at = *room;

	if (len > 0)
		memcpy(at, p, len);
	*room += len;
	return at;
}

static const char *put_text(uint8_t **room, const char *p, size_t len)
{
	const char *text = put(room, p, len);

	*(*room)++ = '\0';
	return text;
}

void entry_copy(struct tree_entry *dst, const struct tree_entry *src, void *room)
{
	uint8_t *at = room;

	*dst = *src;
	dst->user = dst->group = NULL;
	dst->user_len = dst->group_len = 0;
	dst->name = put_text(&at, src->name, src->name_len);
	dst->target = put_text(&at, src->target, src->target_len);
	dst->xattrs = put(&at, src->xattrs, src->xattrs_len);
	dst->spans = put(&at, src->spans, (size_t)src->nspans * SPAN_RECORD_LEN);
}
