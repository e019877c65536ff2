/*
 * Repository for tests.  See fixture.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/dir/store_dir.h"
#include "tests/lib/fixture.h"

#define OBJECT_MAX (1024u * 1024 * 1024) /* bytes of an object that a test damages */

static void open_store(struct fixture *f, enum fixture_store store)
{
	char path[SCRATCH_PATH_SIZE];

	if (store == FIXTURE_MEM) {
		assert_int_equal(store_mem_open(f->log, &f->store), 0);
		return;
	}
	assert_int_equal(store_dir_open(scratch_path(f->scratch, "store", path), true, f->log, &f->store), 0);
}

static void make_config(struct fixture *f)
{
	struct config *c = &f->config;
	struct buf b = BUF_INIT;

	c->version = FORMAT_VERSION;
	crypt_random(c->repo_id, sizeof(c->repo_id));
	c->cipher = CIPHER_XCHACHA20_POLY1305;
	c->chunk_avg = CHUNK_AVG_MIN;
	c->segment_size = FIXTURE_SEGMENT_SIZE;
	c->pack_size = FIXTURE_PACK_SIZE;
	c->created_ns = 1704119400LL * 1000000000;
	f->secrets = secrets_generate(c->repo_id, "tester", c->created_ns);
	assert_non_null(f->secrets);
	crypt_sign_public(&f->secrets->owner, &c->owner);
	crypt_box_public(&f->secrets->metadata, &c->metadata);
	crypt_box_public(&f->secrets->data, &c->data);
	assert_int_equal(config_encode(c, &f->secrets->owner, &b), 0);
	assert_int_equal(store_put(f->store, "config", b.data, b.len, STORE_EXCL), 0);
	buf_free(&b);
}

static void open_index(struct fixture *f)
{
	char path[SCRATCH_PATH_SIZE];
	struct index_options opts = {
		.store = f->store,
		.metadata = &f->metadata,
		.cache_dir = scratch_path(f->scratch, "cache", path),
		.repo_id = f->config.repo_id,
		.segment_size = f->config.segment_size,
		.log = f->log,
	};

	assert_int_equal(index_open(&opts, &f->index), 0);
}

void fixture_open(struct fixture *f, enum fixture_store store)
{
	void *scratch = NULL;

	memset(f, 0, sizeof(*f));
	assert_int_equal(crypt_init(), 0);
	assert_int_equal(scratch_setup(&scratch), 0);
	f->scratch = scratch;
	f->log = &f->scratch->log;
	open_store(f, store);
	make_config(f);
	seal_data_domain(&f->config, f->secrets, &f->data);
	seal_metadata_domain(&f->config, f->secrets, &f->metadata);
	seal_tree_id_key(f->secrets, &f->tree_id);
	open_index(f);
}

void fixture_close(struct fixture *f)
{
	void *scratch = f->scratch;

	index_close(f->index);
	store_close(f->store);
	secrets_free(f->secrets);
	crypt_wipe(&f->data, sizeof(f->data));
	crypt_wipe(&f->metadata, sizeof(f->metadata));
	assert_int_equal(scratch_teardown(&scratch), 0);
}

static int setup(void **state, enum fixture_store store)
{
	struct fixture *f = malloc(sizeof(*f));

	assert_non_null(f);
	fixture_open(f, store);
	*state = f;
	return 0;
}

int fixture_setup(void **state)
{
	return setup(state, FIXTURE_MEM);
}

int fixture_setup_dir(void **state)
{
	return setup(state, FIXTURE_DIR);
}

int fixture_teardown(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

void fixture_forget_index(struct fixture *f)
{
	char path[SCRATCH_PATH_SIZE];

	index_close(f->index);
	assert_int_equal(index_remove(scratch_path(f->scratch, "cache", path), f->config.repo_id), 0);
	open_index(f);
}

void fixture_writer_options(struct fixture *f, struct object_writer_options *out)
{
	*out = (struct object_writer_options){
		.store = f->store,
		.index = f->index,
		.data = &f->data,
		.metadata = &f->metadata,
		.object_id = &f->secrets->object_id,
		.tree_id = &f->tree_id,
		.segment_size = f->config.segment_size,
		.pack_size = f->config.pack_size,
		.run_objects = f->run_objects,
		.level = COMPRESS_LEVEL_DEFAULT,
		.log = f->log,
	};
}

void fixture_reader_options(struct fixture *f, struct object_reader_options *out)
{
	*out = (struct object_reader_options){
		.store = f->store,
		.index = f->index,
		.data = &f->data,
		.metadata = &f->metadata,
		.object_id = &f->secrets->object_id,
		.tree_id = &f->tree_id,
		.segment_size = f->config.segment_size,
		.cache_bytes = f->cache_bytes,
		.log = f->log,
	};
}

struct object_writer *fixture_writer(struct fixture *f)
{
	struct object_writer_options opts;
	struct object_writer *w;

	fixture_writer_options(f, &opts);
	assert_int_equal(object_writer_open(&opts, &w), 0);
	return w;
}

struct object_reader *fixture_reader(struct fixture *f)
{
	struct object_reader_options opts;
	struct object_reader *r;

	fixture_reader_options(f, &opts);
	assert_int_equal(object_reader_new(&opts, &r), 0);
	return r;
}

/* Hand the list over, also when the writer has failed: it frees the segments in any case. */
static int give(struct object_writer *w, struct segment_out *list)
{
	struct segment_out *next;
	int rc, first = 0;

	for (; list != NULL; list = next) {
		next = list->next;
		rc = object_writer_add_segment(w, list);
		if (first == 0)
			first = rc;
	}
	return first;
}

int fixture_store_chunks(struct fixture *f, struct object_writer *w, const uint8_t *data, uint32_t len, unsigned n,
    struct id *id)
{
	struct segment_builder *b = segment_builder_new(PACK_DATA, f->config.segment_size, COMPRESS_LEVEL_DEFAULT);
	struct segment_out *list;
	int rc = 0;

	assert_non_null(b);
	for (unsigned i = 0; i < n && rc == 0; i++) {
		list = NULL;
		rc = object_claim(w, PACK_DATA, data + (size_t)i * len, len, &id[i]);
		if (rc == 1)
			rc = segment_builder_add(b, &id[i], data + (size_t)i * len, len, &list);
		if (list != NULL)
			rc = give(w, list);
	}
	list = NULL;
	if (rc == 0)
		rc = segment_builder_flush(b, &list);
	if (list != NULL)
		rc = give(w, list);
	segment_builder_free(b);
	return rc;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

void fixture_noise(uint64_t seed, void *out, size_t len)
{
	uint8_t *p = out;
	uint64_t v;

	for (size_t n; len > 0; p += n, len -= n) {
		n = len < sizeof(v) ? len : sizeof(v);
		v = next_random(&seed);
		memcpy(p, &v, n);
	}
}

void fixture_text(uint64_t seed, void *out, size_t len)
{
	uint8_t *p = out;
	char word[16];

	for (size_t n; len > 0; p += n, len -= n) {
		n = (size_t)snprintf(word, sizeof(word), "%u wort\n", (unsigned)(next_random(&seed) % 4096));
		n = len < n ? len : n;
		memcpy(p, word, n);
	}
}

struct names {
	char **name;
	unsigned n;
};

static int take_name(void *arg, const char *name, uint64_t size)
{
	struct names *l = arg;

	(void)size;
	l->name = realloc(l->name, (l->n + 1) * sizeof(*l->name));
	assert_non_null(l->name);
	l->name[l->n] = strdup(name);
	assert_non_null(l->name[l->n++]);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_names(struct fixture *f, const char *prefix, struct names *out)
{
	*out = (struct names){ NULL, 0 };
	assert_int_equal(store_list(f->store, prefix, take_name, out), 0);
	if (out->n > 0)
		qsort(out->name, out->n, sizeof(*out->name), compare_names);
}

static void free_names(struct names *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->name[i]);
	free(l->name);
}

char *fixture_object(struct fixture *f, const char *prefix, unsigned nth, char out[STORE_NAME_MAX + 1])
{
	struct names l;

	list_names(f, prefix, &l);
	assert_true(nth < l.n);
	snprintf(out, STORE_NAME_MAX + 1, "%s", l.name[nth]);
	free_names(&l);
	return out;
}

void fixture_damage(struct fixture *f, const char *prefix, unsigned nth, int64_t offset)
{
	char name[STORE_NAME_MAX + 1];
	struct buf b = BUF_INIT;

	assert_int_equal(store_get_all(f->store, fixture_object(f, prefix, nth, name), OBJECT_MAX, &b), 0);
	if (offset < 0)
		offset += (int64_t)b.len;
	assert_true(offset >= 0 && (uint64_t)offset < b.len);
	b.data[offset] ^= 0x10;
	assert_int_equal(store_mem_replace(f->store, name, b.data, b.len), 0);
	buf_free(&b);
}

void fixture_truncate(struct fixture *f, const char *prefix, unsigned nth, uint64_t len)
{
	char name[STORE_NAME_MAX + 1];
	struct buf b = BUF_INIT;

	assert_int_equal(store_get_all(f->store, fixture_object(f, prefix, nth, name), OBJECT_MAX, &b), 0);
	assert_true(len < b.len);
	assert_int_equal(store_mem_replace(f->store, name, b.data, (size_t)len), 0);
	buf_free(&b);
}

unsigned fixture_count(struct fixture *f, const char *prefix)
{
	struct names l;

	list_names(f, prefix, &l);
	free_names(&l);
	return l.n;
}
