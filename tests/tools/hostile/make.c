/*
 * hostile: making objects.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/object/compress.h"
#include "repo/object/writer.h"
#include "repo/repo.h"
#include "tests/tools/hostile/hostile.h"
#include "tests/tools/lib/tool.h"

#define BOMB_LEN (64u * 1024 * 1024)

void lab_want(int rc, const char *what)
{
	if (rc < 0)
		die("%s: %s", what, strerror(-rc));
}

struct id lab_put_tree(struct lab *l, const void *data, size_t len)
{
	struct id id;

	lab_want(object_writer_put(l->writer, data, len, &id), "put a tree object");
	return id;
}

struct id lab_put_data(struct lab *l, const char *text)
{
	struct segment_builder *b = segment_builder_new(PACK_DATA, l->repo->config.segment_size, 3);
	struct segment_out *out = NULL;
	struct id id;
	int rc = object_claim(l->writer, PACK_DATA, text, strlen(text), &id);

	lab_want(rc, "name data");
	if (rc == 1)
		lab_want(segment_builder_add(b, &id, text, (uint32_t)strlen(text), &out), "add data");
	if (rc == 1)
		lab_want(segment_builder_flush(b, &out), "finish data");
	if (out != NULL)
		lab_want(object_writer_add_segment(l->writer, out), "store data");
	segment_builder_free(b);
	return id;
}

struct id lab_put_bomb(struct lab *l, enum pack_kind kind, uint32_t len)
{
	struct compressor *c = compressor_new(19);
	uint8_t *zeros = calloc(1, BOMB_LEN), *body = xmalloc(compress_bound(BOMB_LEN));
	struct segment_out *s = calloc(1, sizeof(*s));
	struct id id;
	size_t n;

	if (c == NULL || zeros == NULL || s == NULL)
		die("no memory");
	n = compress_segment(c, zeros, BOMB_LEN, body, compress_bound(BOMB_LEN));
	*s = (struct segment_out){ .kind = kind, .plain_len = len, .nboxes = 1, .nobjects = 1 };
	s->box_len[0] = (uint32_t)n;
	s->objects = calloc(1, sizeof(*s->objects));
	lab_want(buf_append(&s->bytes, body, n + CRYPT_TAG_LEN), "make a bomb");
	crypt_random(&id, sizeof(id));
	s->objects[0] = (struct segment_object){ .id = id, .len = len };
	lab_want(object_writer_add_segment(l->writer, s), "store a bomb");
	compressor_free(c);
	free(zeros);
	free(body);
	return id;
}

struct tree_entry lab_entry(uint8_t type, const char *name)
{
	return (struct tree_entry){ .name = name, .name_len = (uint16_t)strlen(name), .type = type, .nlink = 1,
		.mode = type == ENTRY_DIR ? 0755 : 0644, .ino = 1 };
}

struct tree_entry lab_link(const char *name, const char *target)
{
	struct tree_entry e = lab_entry(ENTRY_LNK, name);

	e.target = target;
	e.target_len = (uint16_t)strlen(target);
	return e;
}

struct tree_entry lab_dir(const char *name, const struct id *child, uint64_t below)
{
	struct tree_entry e = lab_entry(ENTRY_DIR, name);

	e.flags = ENTRY_HAS_CHILD;
	e.child = *child;
	e.below = below;
	return e;
}

struct tree_entry lab_file(const char *name, const struct id *chunk, uint32_t len,
    uint8_t record[SPAN_RECORD_LEN])
{
	struct tree_entry e = lab_entry(ENTRY_REG, name);
	struct span s = { .len = len, .id = *chunk };

	span_encode(&s, record);
	e.size = e.data_bytes = len;
	e.spans = record;
	e.nspans = 1;
	return e;
}

void lab_make_page(struct root *r, const struct tree_entry *e, unsigned n)
{
	struct tree_page_builder b;

	tree_page_builder_init(&b, 0);
	for (unsigned i = 0; i < n; i++)
		lab_want(tree_page_builder_add(&b, &e[i]), "add an entry");
	r->below = b.total;
	lab_want(tree_page_builder_finish(&b, &r->page), "make a page");
	tree_page_builder_destroy(&b);
}

struct id lab_put_page(struct lab *l, const struct tree_entry *e, unsigned n)
{
	struct root r = { .page = BUF_INIT };
	struct id id;

	lab_make_page(&r, e, n);
	id = lab_put_tree(l, r.page.data, r.page.len);
	buf_free(&r.page);
	return id;
}

struct id lab_harmless(struct lab *l)
{
	uint8_t record[SPAN_RECORD_LEN];
	struct id chunk = lab_put_data(l, "harmless\n");
	struct tree_entry e = lab_file("harmless", &chunk, 9, record);

	return lab_put_page(l, &e, 1);
}
