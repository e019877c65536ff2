/*
 * Objects that a pack holds more than once.  See copies.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/packs/copies.h"
#include "repo/object/packing/packing.h"
#include "repo/util/bytes/le.h"

static int by_id(const void *a, const void *b)
{
	return memcmp(*(const uint8_t *const *)a, *(const uint8_t *const *)b, ID_LEN);
}

/* Where each record begins, by id.  Return their number, or an error. */
static int64_t sort_records(const struct records *r, uint32_t segment_size, const uint8_t ***out)
{
	struct rd rd = rd_init(r->bytes.data, r->bytes.len);
	const uint8_t **list = calloc(r->n + 1, sizeof(*list));
	struct place place;
	struct id id;
	uint64_t n = 0;
	int rc = 0;

	if (list == NULL)
		return -ENOMEM;
	while (n < r->n) {
		list[n] = rd.p;
		rc = packing_next(&rd, segment_size, &id, &place);
		if (rc <= 0)
			break;
		n++;
	}
	if (rc < 0) {
		free(list);
		return rc;
	}
	qsort(list, n, sizeof(*list), by_id);
	*out = list;
	return (int64_t)n;
}

/* Does the record at ${p} place its object there? */
static bool has_place(const struct records *r, uint32_t segment_size, const uint8_t *p, const struct place *place)
{
	struct rd rd = rd_init(p, r->bytes.len - (size_t)(p - r->bytes.data));
	struct place found;
	struct id id;

	return packing_next(&rd, segment_size, &id, &found) > 0 && place_equal(&found, place);
}

static bool is_there(const struct records *r, uint32_t segment_size, const uint8_t **list, size_t n,
    const struct id *id, const struct place *place)
{
	const uint8_t *key = id->b, **at = bsearch(&key, list, n, sizeof(*list), by_id);

	if (at == NULL)
		return false;
	while (at > list && by_id(at - 1, &key) == 0)
		at--;
	for (; at < list + n && by_id(at, &key) == 0; at++)
		if (has_place(r, segment_size, *at, place))
			return true;
	return false;
}

int copies_tell(struct check *c, const struct records *r, const struct buf *ids,
    int (*moved)(void *arg, const struct id *id), void *arg)
{
	const uint8_t **list = NULL;
	uint32_t segment_size;
	struct place place;
	struct id id;
	int64_t n;
	int rc = 0;

	/* Nor is there a repository, without a key. */
	if (ids->len == 0)
		return 0;
	segment_size = c->r->config.segment_size;
	n = sort_records(r, segment_size, &list);
	if (n < 0)
		return (int)n;
	for (size_t at = 0; at < ids->len && rc == 0; at += ID_LEN) {
		memcpy(id.b, ids->data + at, ID_LEN);
		rc = index_lookup(c->index, &id, &place);
		if (rc == 0 && !is_there(r, segment_size, list, (size_t)n, &id, &place))
			rc = moved(arg, &id);
	}
	free(list);
	return rc;
}
