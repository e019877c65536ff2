/*
 * Object writer: what is stored is found and read, once; runs come as it goes; a store that fails loses nothing and is
 * told.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "tests/lib/fixture.h"

#define LEN 5000u
#define N 1000u /* chunks of LEN: about five packs of noise */

/* N chunks of noise and their ids. */
struct chunks {
	uint8_t *data;
	struct id id[N];
};

static struct chunks *make_chunks(uint64_t seed)
{
	struct chunks *c = malloc(sizeof(*c));

	assert_non_null(c);
	c->data = malloc(N * LEN);
	assert_non_null(c->data);
	fixture_noise(seed, c->data, N * LEN);
	return c;
}

static void free_chunks(struct chunks *c)
{
	free(c->data);
	free(c);
}

static int store_chunks(struct fixture *f, struct object_writer *w, struct chunks *c)
{
	return fixture_store_chunks(f, w, c->data, LEN, N, c->id);
}

/* How many of the chunks can be read back; none may come back wrong. */
static unsigned readable(struct fixture *f, const struct chunks *c)
{
	struct object_reader *r = fixture_reader(f);
	struct buf b = BUF_INIT;
	unsigned n = 0;
	int rc;

	for (unsigned i = 0; i < N; i++) {
		buf_clear(&b);
		rc = object_read(r, PACK_DATA, &c->id[i], LEN, &b);
		if (rc == 0) {
			assert_int_equal(b.len, LEN);
			assert_memory_equal(b.data, c->data + i * LEN, LEN);
			n++;
		} else {
			assert_int_equal(rc, -EBADMSG);
		}
	}
	buf_free(&b);
	object_reader_free(r);
	return n;
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct object_writer_counters n;
	struct chunks *c = make_chunks(1);
	struct store_counters store;

	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(object_known(w, &c->id[N - 1]), 1);
	assert_int_equal(object_writer_finish(w), 0);
	assert_int_equal(object_known(w, &c->id[N - 1]), 1);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, N);
	assert_int_equal(n.data_bytes, N * LEN);
	assert_int_equal(n.tree_objects, 0);
	assert_int_equal(n.packs, fixture_count(f, "packs/"));
	assert_in_range(n.packs, 4, 6);
	assert_int_equal(n.runs, 1);
	assert_int_equal(fixture_count(f, "index/"), 1);
	store_get_counters(f->store, &store);
	assert_true(n.stored_bytes > N * LEN && n.stored_bytes < store.put_bytes);
	object_writer_close(w);
	assert_int_equal(readable(f, c), N);
	fixture_forget_index(f);
	assert_int_equal(readable(f, c), N);
	free_chunks(c);
}

/* The same contents again: by the same writer, by another, by one on another machine. */
static void test_known(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct object_writer_counters n;
	struct chunks *c = make_chunks(2);

	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, N);
	assert_int_equal(n.runs, 1);
	object_writer_close(w);

	fixture_forget_index(f);
	assert_int_equal(index_refresh(f->index), 0);
	w = fixture_writer(f);
	assert_int_equal(object_known(w, &c->id[0]), 1);
	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, 0);
	assert_int_equal(n.packs + n.runs + n.stored_bytes, 0);
	object_writer_close(w);
	object_writer_close(NULL);
	free_chunks(c);
}

static void test_trees(void **state)
{
	enum { PAGES = 100, PAGE = 3000 };
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct object_reader *r;
	struct object_writer_counters n;
	uint8_t *data = malloc(PAGES * PAGE);
	struct id id[PAGES], again;
	struct buf b = BUF_INIT;

	assert_non_null(data);
	fixture_noise(3, data, PAGES * PAGE);
	assert_int_equal(object_writer_put(w, data, 0, &again), -EINVAL);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(object_writer_put(w, data + i * PAGE, PAGE, &id[i]), 0);
	assert_int_equal(object_writer_put(w, data, PAGE, &again), 0);
	assert_true(id_equal(&again, &id[0]));
	assert_int_equal(object_writer_finish(w), 0);
	assert_int_equal(object_writer_put(w, data, PAGE, &again), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.tree_objects, PAGES);
	assert_int_equal(n.tree_bytes, PAGES * PAGE);
	assert_int_equal(n.data_objects, 0);
	object_writer_close(w);
	assert_int_equal(fixture_count(f, "trees/"), 1);
	assert_int_equal(fixture_count(f, "packs/"), 0);

	r = fixture_reader(f);
	for (unsigned i = 0; i < PAGES; i++) {
		buf_clear(&b);
		assert_int_equal(object_read(r, PACK_TREE, &id[i], PAGE, &b), 0);
		assert_int_equal(b.len, PAGE);
		assert_memory_equal(b.data, data + i * PAGE, PAGE);
	}
	object_reader_free(r);
	buf_free(&b);
	free(data);
}

struct order {
	const struct id *id;
	unsigned next;
};

static int check_order(void *arg, const struct id *id, const struct place *place)
{
	struct order *o = arg;

	(void)place;
	assert_true(id_equal(id, &o->id[o->next]));
	o->next++;
	return 0;
}

/* A pack holds the objects in the order in which they came. */
static void test_order(void **state)
{
	enum { COUNT = 150 };
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct chunks *c = make_chunks(4);
	struct order o = { c->id, 0 };
	struct pack_info info;
	struct place place;

	assert_int_equal(fixture_store_chunks(f, w, c->data, LEN, COUNT, c->id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	assert_int_equal(fixture_count(f, "packs/"), 1);
	assert_int_equal(index_lookup(f->index, &c->id[0], &place), 0);
	assert_int_equal(index_pack(f->index, place.pack, &info), 0);
	assert_int_equal(pack_read_table(f->store, PACK_DATA, &info.id, &f->metadata, f->config.segment_size, &info,
	    check_order, &o), 0);
	assert_int_equal(o.next, COUNT);
	free_chunks(c);
}

/* Runs come as packs are full; of a writer that dies, what they name is there, and the next need not store it again. */
static void test_runs_as_it_goes(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w;
	struct object_writer_counters n;
	struct chunks *c = make_chunks(5);
	unsigned before;

	f->run_objects = 100;
	w = fixture_writer(f);
	assert_int_equal(store_chunks(f, w, c), 0);
	object_writer_close(w);
	assert_true(fixture_count(f, "index/") >= 1);
	fixture_forget_index(f);
	before = readable(f, c);
	assert_true(before >= 100 && before < N);

	w = fixture_writer(f);
	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, N - before);
	object_writer_close(w);
	assert_int_equal(readable(f, c), N);
	free_chunks(c);
}

/* Whatever put fails: an error, then nothing but that error, a clean end, and a repository that takes the rerun. */
static void fail_put(struct fixture *f, const struct store_fault_rule *rule, struct chunks *c)
{
	struct object_writer *w = fixture_writer(f);
	struct segment_out *s = calloc(1, sizeof(*s));
	struct id id;
	int rc;

	assert_non_null(s);
	s->kind = PACK_DATA;
	store_mem_set_faults(f->store, rule, 1);
	rc = store_chunks(f, w, c);
	if (rc == 0)
		rc = object_writer_put(w, "page", 4, &id);
	if (rc == 0)
		rc = object_writer_finish(w);
	assert_int_equal(rc, rule->fault == STORE_FAULT_NOSPACE ? -ENOSPC : rule->err);
	assert_int_equal(object_writer_put(w, "other", 5, &id), rc);
	assert_int_equal(object_writer_add_segment(w, s), rc);
	assert_int_equal(object_writer_finish(w), rc);
	object_writer_close(w);
	store_mem_set_faults(f->store, NULL, 0);
}

static void test_failing_puts(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w;

	f->run_objects = 300;
	for (unsigned skip = 0; skip < 7; skip++) {
		struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_PUT, .prefix = "",
			.skip = skip, .count = 1, .err = -EIO };
		struct chunks *c = make_chunks(100 + skip);

		fail_put(f, &rule, c);
		w = fixture_writer(f);
		assert_int_equal(store_chunks(f, w, c), 0);
		assert_int_equal(object_writer_finish(w), 0);
		object_writer_close(w);
		assert_int_equal(readable(f, c), N);
		free_chunks(c);
	}
}

static void test_failing_runs(void **state)
{
	struct fixture *f = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .ops = STORE_OP_PUT, .prefix = "index/",
		.err = -EACCES };
	struct chunks *c = make_chunks(7);

	fail_put(f, &rule, c);
	assert_int_equal(fixture_count(f, "index/"), 0);
	assert_true(fixture_count(f, "packs/") > 0);
	free_chunks(c);
}

static void test_full_store(void **state)
{
	struct fixture *f = *state;
	struct chunks *c = make_chunks(8);

	for (uint64_t held = 3000; held < N * LEN; held += 700000) {
		struct store_fault_rule rule = { .fault = STORE_FAULT_NOSPACE, .prefix = "", .amount = held };

		fail_put(f, &rule, c);
		assert_int_equal(readable(f, c), 0);
	}
	free_chunks(c);
}

static void test_dry_run(void **state)
{
	struct fixture *f = *state;
	struct object_writer_options opts;
	struct object_writer *w;
	struct object_writer_counters n;
	struct chunks *c = make_chunks(9);
	struct id id;

	fixture_writer_options(f, &opts);
	opts.dry_run = true;
	assert_int_equal(object_writer_open(&opts, &w), 0);
	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(object_writer_put(w, "page", 4, &id), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_counters(w, &n);
	assert_int_equal(n.data_objects, N);
	assert_int_equal(n.data_bytes, N * LEN);
	assert_int_equal(n.tree_objects, 1);
	assert_int_equal(n.stored_bytes + n.packs + n.runs, 0);
	object_writer_close(w);
	assert_int_equal(fixture_count(f, ""), 1);
	free_chunks(c);
}

/* Who lacks a key that sealing or naming needs cannot open a writer. */
static void test_roles(void **state)
{
	struct fixture *f = *state;
	struct object_writer_options opts;
	struct object_writer *w = NULL;

	fixture_writer_options(f, &opts);
	opts.object_id = NULL;
	assert_int_equal(object_writer_open(&opts, &w), -EACCES);
	fixture_writer_options(f, &opts);
	f->data.can_seal = false;
	assert_int_equal(object_writer_open(&opts, &w), -EACCES);
	assert_null(w);
	assert_true(fixture_logged(f, "may not add"));
	f->data.can_seal = true;
	f->data.can_open = false;
	assert_int_equal(object_writer_open(&opts, &w), 0);
	object_writer_close(w);
}

#define WORKERS 4

/* Workers that all meet the same chunks, and a list from which the committer takes. */
struct crew {
	struct fixture *f;
	struct object_writer *w;
	const struct chunks *chunks;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct segment_out *list;
	unsigned working;
};

static void hand_over(struct crew *crew, struct segment_out *list)
{
	struct segment_out **end = &crew->list;

	pthread_mutex_lock(&crew->lock);
	while (*end != NULL)
		end = &(*end)->next;
	*end = list;
	pthread_cond_signal(&crew->more);
	pthread_mutex_unlock(&crew->lock);
}

static void *work(void *arg)
{
	struct crew *crew = arg;
	struct segment_builder *b = segment_builder_new(PACK_DATA, crew->f->config.segment_size, 1);
	struct segment_out *list;
	struct id id;
	int rc;

	for (unsigned i = 0; i < N; i++) {
		const uint8_t *data = crew->chunks->data + i * LEN;

		list = NULL;
		rc = object_claim(crew->w, PACK_DATA, data, LEN, &id);
		if (rc == 1)
			rc = segment_builder_add(b, &id, data, LEN, &list);
		if (rc < 0)
			abort();
		hand_over(crew, list);
	}
	list = NULL;
	if (segment_builder_flush(b, &list) < 0)
		abort();
	hand_over(crew, list);
	segment_builder_free(b);
	pthread_mutex_lock(&crew->lock);
	crew->working--;
	pthread_cond_signal(&crew->more);
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

static void commit_all(struct crew *crew)
{
	struct segment_out *s;

	pthread_mutex_lock(&crew->lock);
	while ((s = crew->list) != NULL || crew->working > 0) {
		if (s == NULL) {
			pthread_cond_wait(&crew->more, &crew->lock);
			continue;
		}
		crew->list = s->next;
		pthread_mutex_unlock(&crew->lock);
		assert_int_equal(object_writer_add_segment(crew->w, s), 0);
		pthread_mutex_lock(&crew->lock);
	}
	pthread_mutex_unlock(&crew->lock);
}

static void test_workers(void **state)
{
	struct fixture *f = *state;
	struct chunks *c = make_chunks(10);
	struct crew crew = { .f = f, .chunks = c, .working = WORKERS };
	struct object_writer_counters n;
	pthread_t thread[WORKERS];

	for (unsigned i = 0; i < N; i++)
		crypt_object_id(&f->secrets->object_id, c->data + i * LEN, LEN, &c->id[i]);
	f->run_objects = 200;
	crew.w = fixture_writer(f);
	pthread_mutex_init(&crew.lock, NULL);
	pthread_cond_init(&crew.more, NULL);
	for (unsigned i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, work, &crew), 0);
	commit_all(&crew);
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(object_writer_finish(crew.w), 0);
	object_writer_counters(crew.w, &n);
	assert_int_equal(n.data_objects, N);
	assert_int_equal(n.data_bytes, N * LEN);
	assert_true(n.runs >= 2);
	object_writer_close(crew.w);
	pthread_cond_destroy(&crew.more);
	pthread_mutex_destroy(&crew.lock);
	assert_int_equal(readable(f, c), N);
	free_chunks(c);
}

/* Packs that are committed in another order are named in that in which they were filled. */
static void test_order_of_packs(void **state)
{
	struct store_fault_rule slow = { .fault = STORE_FAULT_DELAY, .ops = STORE_OP_PUT, .prefix = "packs/",
		.count = 1, .amount = 300 };
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct chunks *c = make_chunks(11);
	struct place place;
	uint32_t last = 0;

	store_mem_set_faults(f->store, &slow, 1);
	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	fixture_forget_index(f);
	assert_int_equal(index_refresh(f->index), 0);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(index_lookup(f->index, &c->id[i], &place), 0);
		assert_true(place.pack >= last);
		last = place.pack;
	}
	assert_true(last > 0);
	free_chunks(c);
}

/* Commits on their way at the same time; those of packs wait until there are as many as expected. */
static struct {
	const struct store_ops *below;
	struct store_ops ops;
	pthread_mutex_t lock;
	pthread_cond_t more;
	unsigned now, most, expected;
} commits = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static int slow_commit(struct store_put *p, const char *name, unsigned flags)
{
	struct timespec end;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 20;
	pthread_mutex_lock(&commits.lock);
	commits.now++;
	if (commits.now > commits.most)
		commits.most = commits.now;
	pthread_cond_broadcast(&commits.more);
	while (strncmp(name, "packs/", 6) == 0 && commits.most < commits.expected && rc == 0)
		rc = pthread_cond_timedwait(&commits.more, &commits.lock, &end);
	pthread_mutex_unlock(&commits.lock);
	usleep(100000);
	rc = commits.below->put_commit(p, name, flags);
	pthread_mutex_lock(&commits.lock);
	commits.now--;
	pthread_mutex_unlock(&commits.lock);
	return rc;
}

/* Pack after pack is filled while others are on their way, as many as suit the store, and no more. */
static void store_slowly(struct fixture *f, unsigned expected)
{
	struct object_writer *w = fixture_writer(f);
	struct chunks *c[2] = { make_chunks(11), make_chunks(13) };
	struct store_counters before, after;

	assert_int_equal(store_parallel_puts(f->store), expected);
	commits.below = f->store->ops;
	commits.ops = *commits.below;
	commits.ops.put_commit = slow_commit;
	commits.now = commits.most = 0;
	commits.expected = expected;
	store_get_counters(f->store, &before);
	f->store->ops = &commits.ops;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(store_chunks(f, w, c[i]), 0);
	assert_true(fixture_count(f, "packs/") + expected >= 8);
	assert_int_equal(object_writer_finish(w), 0);
	f->store->ops = commits.below;
	store_get_counters(f->store, &after);
	assert_int_equal(commits.most, expected);
	assert_in_range(after.stats - before.stats, 0, 1); /* of the index, which loads the run */
	object_writer_close(w);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(readable(f, c[i]), N);
		free_chunks(c[i]);
	}
}

static void test_slow_remote_store(void **state)
{
	store_slowly(*state, 4);
}

static void test_slow_disk(void **state)
{
	store_slowly(*state, 2);
}

/* A claim ends with the run that names the object: what vanishes from the index then is unknown. */
static void test_claims_end(void **state)
{
	struct fixture *f = *state;
	struct object_writer *w = fixture_writer(f);
	struct chunks *c = make_chunks(12);
	char name[STORE_NAME_MAX + 1];

	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	assert_int_equal(fixture_store_chunks(f, w, c->data, LEN, 1, c->id), 0);
	assert_int_equal(object_known(w, &c->id[0]), 1);
	assert_int_equal(store_delete(f->store, fixture_object(f, "index/", 0, name)), 0);
	assert_int_equal(index_refresh(f->index), 0);
	assert_int_equal(object_known(w, &c->id[0]), 0);
	assert_int_equal(object_known(w, &c->id[N - 1]), 0);
	assert_int_equal(store_chunks(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	assert_int_equal(readable(f, c), N);
	free_chunks(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_round_trip),
		cmocka_unit_test_setup_teardown(test_round_trip, fixture_setup_dir, fixture_teardown),
		TEST(test_known),
		TEST(test_trees),
		TEST(test_order),
		TEST(test_runs_as_it_goes),
		TEST(test_failing_puts),
		TEST(test_failing_runs),
		TEST(test_full_store),
		TEST(test_dry_run),
		TEST(test_roles),
		TEST(test_workers),
		TEST(test_order_of_packs),
		TEST(test_slow_remote_store),
		cmocka_unit_test_setup_teardown(test_slow_disk, fixture_setup_dir, fixture_teardown),
		TEST(test_claims_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
