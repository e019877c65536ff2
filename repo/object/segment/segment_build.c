/*
 * Segment builder: small objects are gathered into segments, large ones get segments of their own.  See writer.h.
 *
 * Half a segment is where "large" begins: what is above it could share with little, and as a segment of its own it is
 * compressed from where it lies, without a copy.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/object/writer.h"

/* Bounds the lists and the pack's table where objects are tiny. */
#define SEGMENT_OBJECTS_MAX 8192

struct segment_builder {
	enum pack_kind kind;
	uint32_t segment_size;
	struct compressor *compressor;
	uint8_t *plain; /* what is gathered: ${len} bytes of ${segment_size} */
	uint32_t len;
	struct segment_object *objects; /* in it */
	unsigned nobjects, cap;
};

struct segment_builder *segment_builder_new(enum pack_kind kind, uint32_t segment_size, int level)
{
	struct segment_builder *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->kind = kind;
	b->segment_size = segment_size;
	b->compressor = compressor_new(level);
	b->plain = malloc(segment_size);
	if (b->compressor == NULL || b->plain == NULL) {
		segment_builder_free(b);
		b = NULL;
	}
	return b;
}

void segment_builder_free(struct segment_builder *b)
{
	if (b == NULL)
		return;
	compressor_free(b->compressor);
	free(b->plain);
	free(b->objects);
	free(b);
}

void segment_out_free(struct segment_out *s)
{
	if (s == NULL)
		return;
	buf_free(&s->bytes);
	free(s->objects);
	free(s);
}

static void append_out(struct segment_out **list, struct segment_out *s)
{
	while (*list != NULL)
		list = &(*list)->next;
	*list = s;
}

/* Compress one body to the end of ${s}, which has room for it. */
static int add_box(struct segment_builder *b, struct segment_out *s, const uint8_t *data, uint32_t len)
{
	struct buf *out = &s->bytes;
	size_t n = compress_segment(b->compressor, data, len, out->data + out->len, compress_bound(len));

	if (n == 0)
		return -ENOMEM;
	s->box_len[s->nboxes++] = (uint32_t)n;
	s->plain_len += len;
	out->len += n + CRYPT_TAG_LEN;
	return 0;
}

/* Finished segments wait in queues: give back what the worst case of compression has reserved too much. */
static void trim(struct buf *b)
{
	uint8_t *data;

	if (b->len == 0 || b->cap - b->len < b->cap / 8)
		return;
	data = realloc(b->data, b->len);
	if (data != NULL) {
		b->data = data;
		b->cap = b->len;
	}
}

/* The ${len} bytes as boxes of ${segment_size} each, the last one the rest.  Objects are the caller's to enter. */
static struct segment_out *compress_all(struct segment_builder *b, const uint8_t *data, uint32_t len)
{
	struct segment_out *s = calloc(1, sizeof(*s));
	uint32_t nboxes = (len + b->segment_size - 1) / b->segment_size;
	uint32_t take;
	int rc;

	if (s == NULL)
		return NULL;
	s->kind = b->kind;
	rc = buf_reserve(&s->bytes, nboxes * (compress_bound(b->segment_size) + CRYPT_TAG_LEN));
	for (; rc == 0 && len > 0; data += take, len -= take) {
		take = len < b->segment_size ? len : b->segment_size;
		rc = add_box(b, s, data, take);
	}
	if (rc < 0) {
		segment_out_free(s);
		return NULL;
	}
	trim(&s->bytes);
	return s;
}

static int add_own(struct segment_builder *b, const struct id *id, const uint8_t *data, uint32_t len,
    struct segment_out **out)
{
	struct segment_object *object = malloc(sizeof(*object));
	struct segment_out *s = object == NULL ? NULL : compress_all(b, data, len);

	if (s == NULL) {
		free(object);
		return -ENOMEM;
	}
	*object = (struct segment_object){ .id = *id, .skip = 0, .len = len };
	s->own = true;
	s->objects = object;
	s->nobjects = 1;
	append_out(out, s);
	return 0;
}

/* Room for one more entry. */
static int reserve_object(struct segment_builder *b)
{
	struct segment_object *objects;
	unsigned cap = b->cap == 0 ? 64 : 2 * b->cap;

	if (b->nobjects < b->cap)
		return 0;
	objects = realloc(b->objects, cap * sizeof(*objects));
	if (objects == NULL)
		return -ENOMEM;
	b->objects = objects;
	b->cap = cap;
	return 0;
}

int segment_builder_add(struct segment_builder *b, const struct id *id, const void *data, uint32_t len,
    struct segment_out **out)
{
	int rc = 0;

	if (len == 0 || len > OBJECT_LEN_MAX || len > (uint64_t)b->segment_size * PLACE_SEGMENTS_MAX)
		return -EINVAL;
	if (len > b->segment_size / 2)
		return add_own(b, id, data, len, out);
	if (len > b->segment_size - b->len || b->nobjects == SEGMENT_OBJECTS_MAX)
		rc = segment_builder_flush(b, out);
	if (rc == 0)
		rc = reserve_object(b);
	if (rc < 0)
		return rc;
	b->objects[b->nobjects++] = (struct segment_object){ .id = *id, .skip = b->len, .len = len };
	memcpy(b->plain + b->len, data, len);
	b->len += len;
	return 0;
}

int segment_builder_flush(struct segment_builder *b, struct segment_out **out)
{
	struct segment_out *s;

	if (b->nobjects == 0)
		return 0;
	s = compress_all(b, b->plain, b->len);
	if (s == NULL)
		return -ENOMEM;
	s->objects = b->objects;
	s->nobjects = b->nobjects;
	append_out(out, s);
	b->objects = NULL;
	b->nobjects = b->cap = 0;
	b->len = 0;
	return 0;
}

uint32_t segment_builder_pending(const struct segment_builder *b)
{
	return b->len;
}
