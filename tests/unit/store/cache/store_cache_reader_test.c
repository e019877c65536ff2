/*
 * Cache: readers who find that bytes are bad although they came as they were kept: asked for once more, and once only.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/snapshot/catalog.h"
#include "repo/store/cache/store_cache.h"
#include "tests/lib/fixture.h"

#define LEN 5000u
#define CHUNKS 40u

struct rig {
	struct fixture *f;
	struct store *mem;
	uint64_t gets_before; /* that filling took */
	struct id id[CHUNKS];
	uint8_t data[CHUNKS * LEN];
};

static void fill(struct rig *g, struct fixture *f)
{
	struct object_writer *w = fixture_writer(f);

	g->f = f;
	g->mem = f->store;
	fixture_noise(4, g->data, sizeof(g->data));
	assert_int_equal(fixture_store_chunks(f, w, g->data, LEN, CHUNKS, g->id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
}

/* Requests for bytes since the cache was there. */
static uint64_t gets(const struct rig *g)
{
	struct store_counters n;

	store_get_counters(g->mem, &n);
	return n.gets - g->gets_before;
}

/* From now on the fixture's store is a cache. */
static void put_cache(struct rig *g)
{
	char path[SCRATCH_PATH_SIZE];
	struct cache_options co = { .dir = scratch_path(g->f->scratch, "sealed", path), .log = g->f->log };

	g->gets_before = gets(g);
	assert_int_equal(store_cache_open(g->mem, &co, &g->f->store), 0);
}

/* The first ${count} gets below ${prefix} see bit ${bit} inverted. */
static void flip(struct rig *g, const char *prefix, uint64_t bit, uint64_t count)
{
	store_mem_set_faults(g->mem, &(struct store_fault_rule){
	    .fault = STORE_FAULT_FLIP,
	    .ops = STORE_OP_GET,
	    .prefix = prefix,
	    .count = count,
	    .amount = bit,
	}, 1);
}

static int read_chunk(struct rig *g, struct object_reader *r, unsigned n)
{
	struct buf b = BUF_INIT;
	int rc = object_read(r, PACK_DATA, &g->id[n], LEN, &b);

	if (rc == 0)
		assert_memory_equal(b.data, g->data + n * LEN, LEN);
	buf_free(&b);
	return rc;
}

static void test_segments(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct object_reader *r;

	assert_non_null(g);
	fill(g, *state);
	put_cache(g);
	flip(g, "packs/", 8 * 1000, 1);
	r = fixture_reader(g->f);
	assert_int_equal(read_chunk(g, r, 0), 0);
	assert_int_equal(gets(g), 2);
	assert_int_equal(read_chunk(g, r, 0), 0);
	object_reader_free(r);
	/* What is kept now is good: another reader asks nobody. */
	r = fixture_reader(g->f);
	assert_int_equal(read_chunk(g, r, 0), 0);
	assert_int_equal(gets(g), 2);
	assert_false(fixture_logged(g->f, "authentication failed"));
	object_reader_free(r);

	/* It is bad again: so it is, and who asks later asks again. */
	flip(g, "packs/", 8 * 100000, 0);
	r = fixture_reader(g->f);
	assert_int_equal(read_chunk(g, r, 19), -EBADMSG);
	assert_int_equal(gets(g), 4);
	assert_true(fixture_logged(g->f, "authentication failed"));
	flip(g, "packs/", 0, 0);
	assert_int_equal(read_chunk(g, r, 19), 0);
	object_reader_free(r);
	free(g);
}

/* The index is loaded, or asked, through the cache. */
static void test_runs(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct object_reader *r;
	struct run *run;
	struct id id;
	char name[STORE_NAME_MAX + 1];
	uint64_t size;

	assert_non_null(g);
	fill(g, *state);
	assert_int_equal(id_parse(fixture_object(g->f, "index/", 0, name) + 6, &id), 0);
	assert_int_equal(store_stat(g->mem, name, &size), 0);
	put_cache(g);
	/* The footer. */
	flip(g, "index/", 8 * (size - 150), 1);
	assert_int_equal(run_open(&(struct run_reading){
	    .store = g->f->store,
	    .metadata = &g->f->metadata,
	    .segment_size = FIXTURE_SEGMENT_SIZE,
	    .log = g->f->log,
	}, &id, 0, &run), 0);
	run_close(run);
	assert_false(fixture_logged(g->f, "footer"));
	/* A block of places, in what was read as a whole. */
	assert_int_equal(store_cache_clear(g->f->store), 0);
	flip(g, "index/", 8 * 100, 1);
	fixture_forget_index(g->f);
	r = fixture_reader(g->f);
	assert_int_equal(read_chunk(g, r, 0), 0);
	assert_false(fixture_logged(g->f, "block"));
	object_reader_free(r);
	free(g);
}

static int no_object(void *arg, const struct id *id, const struct place *place)
{
	(void)id;
	(void)place;
	++*(unsigned *)arg;
	return 0;
}

static void test_tables(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct pack_info info;
	enum pack_kind kind;
	struct id id;
	char name[STORE_NAME_MAX + 1];
	uint64_t size;
	unsigned n = 0;

	assert_non_null(g);
	fill(g, *state);
	assert_int_equal(pack_name_parse(fixture_object(g->f, "packs/", 0, name), &kind, &id), 0);
	assert_int_equal(store_stat(g->mem, name, &size), 0);
	put_cache(g);
	flip(g, "packs/", 8 * (size - 100), 1);
	assert_int_equal(pack_read_table(g->f->store, kind, &id, &g->f->metadata, FIXTURE_SEGMENT_SIZE, &info,
	    no_object, &n), 0);
	assert_int_equal(n, CHUNKS);
	free(g);
}

static void put_manifest(struct rig *g, struct id *id)
{
	struct tree_entry root = { .type = ENTRY_DIR };
	struct buf object = BUF_INIT;
	char name[SNAPSHOT_NAME_SIZE];
	struct manifest m;

	manifest_init(&m);
	assert_int_equal(manifest_set_root(&m, &root), 0);
	m.time_ns = 1704119400LL * 1000000000;
	m.host = strdup("h");
	assert_non_null(m.host);
	assert_int_equal(manifest_seal(&m, g->f->secrets, &g->f->metadata, &object, id), 0);
	assert_int_equal(store_put(g->mem, snapshot_object_name(id, name), object.data, object.len, 0), 0);
	manifest_destroy(&m);
	buf_free(&object);
}

static void test_manifests(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct catalog_options co;
	struct manifest m;
	struct id id;

	assert_non_null(g);
	fill(g, *state);
	put_manifest(g, &id);
	put_cache(g);
	co = (struct catalog_options){
		.store = g->f->store,
		.index = g->f->index,
		.secrets = g->f->secrets,
		.metadata = &g->f->metadata,
		.log = g->f->log,
	};
	flip(g, "snapshots/", 8 * 120, 1);
	assert_int_equal(catalog_read_manifest(&co, &id, &m), 0);
	assert_int_equal(gets(g), 2);
	manifest_destroy(&m);
	free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_segments, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_runs, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_tables, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_manifests, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
