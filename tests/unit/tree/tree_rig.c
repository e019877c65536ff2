/*
 * Trees to test with.  See tree_rig.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tree/tree_rig.h"

int tree_rig_setup(void **state)
{
	struct tree_rig *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	fixture_open(&e->f, FIXTURE_MEM);
	e->w = fixture_writer(&e->f);
	e->r = fixture_reader(&e->f);
	assert_int_equal(tree_new(e->r, 0, e->f.log, &e->t), 0);
	*state = e;
	return 0;
}

int tree_rig_teardown(void **state)
{
	struct tree_rig *e = *state;

	tree_free(e->t);
	object_reader_free(e->r);
	object_writer_close(e->w);
	fixture_close(&e->f);
	free(e);
	return 0;
}

void tree_rig_publish(struct tree_rig *e)
{
	assert_int_equal(object_writer_finish(e->w), 0);
	object_writer_close(e->w);
	e->w = fixture_writer(&e->f);
}

int tree_rig_put(void *arg, const void *data, size_t len, struct id *id)
{
	struct tree_rig *e = arg;

	return object_writer_put(e->w, data, len, id);
}

struct tree_entry tree_rig_entry(uint8_t type, const char *name)
{
	return (struct tree_entry){
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.type = type,
		.mode = 0700,
	};
}

void tree_rig_set_dir(struct tree_entry *e, const struct id *root, uint64_t below)
{
	e->flags = ENTRY_HAS_CHILD;
	e->child = *root;
	e->below = below;
}

int tree_rig_path(struct tree_rig *env, const struct tree_entry *root, const char *path, struct tree_hit *out)
{
	return tree_path(env->t, root, path, strlen(path), out);
}

void tree_rig_make_file(struct tree_rig *env, unsigned n, struct tree_rig_file *c)
{
	struct id *ids = calloc(n, sizeof(*ids));
	uint8_t *data = malloc((size_t)n * TREE_RIG_CHUNK);
	struct span s = { .len = TREE_RIG_CHUNK };

	assert_non_null(ids);
	assert_non_null(data);
	fixture_noise(n, data, (size_t)n * TREE_RIG_CHUNK);
	assert_int_equal(fixture_store_chunks(&env->f, env->w, data, TREE_RIG_CHUNK, n, ids), 0);
	c->size = (size_t)n * (TREE_RIG_CHUNK + TREE_RIG_CHUNK / 2) + 1000;
	c->bytes = calloc(1, c->size);
	assert_non_null(c->bytes);
	c->e = tree_rig_entry(ENTRY_REG, "file");
	c->e.size = c->size;
	assert_int_equal(span_builder_new(tree_rig_put, env, &c->spans), 0);
	for (unsigned i = 0; i < n; i++) {
		s.id = ids[i];
		s.off = 100 + i * TREE_RIG_CHUNK + i / 2 * TREE_RIG_CHUNK;
		memcpy(c->bytes + s.off, data + (size_t)i * TREE_RIG_CHUNK, TREE_RIG_CHUNK);
		assert_int_equal(span_builder_add(c->spans, &s), 0);
	}
	assert_int_equal(span_builder_finish(c->spans, &c->e), 0);
	assert_int_equal(c->e.data_bytes, n * TREE_RIG_CHUNK);
	tree_rig_publish(env);
	free(data);
	free(ids);
}

void tree_rig_free_file(struct tree_rig_file *c)
{
	span_builder_free(c->spans);
	free(c->bytes);
}
