/*
 * Object writer: many workers, and several packs on their way at a time.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "tests/lib/fixture.h"
#include "tests/unit/object/chunks.h"

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

	for (unsigned i = 0; i < CHUNKS_N; i++) {
		const uint8_t *data = crew->chunks->data + i * CHUNKS_LEN;

		list = NULL;
		rc = object_claim(crew->w, PACK_DATA, data, CHUNKS_LEN, &id);
		if (rc == 1)
			rc = segment_builder_add(b, &id, data, CHUNKS_LEN, &list);
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
	struct chunks *c = chunks_make(10);
	struct crew crew = { .f = f, .chunks = c, .working = WORKERS };
	struct object_writer_counters n;
	pthread_t thread[WORKERS];

	for (unsigned i = 0; i < CHUNKS_N; i++)
		crypt_object_id(&f->secrets->object_id, c->data + i * CHUNKS_LEN, CHUNKS_LEN, &c->id[i]);
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
	assert_int_equal(n.data_objects, CHUNKS_N);
	assert_int_equal(n.data_bytes, CHUNKS_N * CHUNKS_LEN);
	assert_true(n.runs >= 2);
	object_writer_close(crew.w);
	pthread_cond_destroy(&crew.more);
	pthread_mutex_destroy(&crew.lock);
	assert_int_equal(chunks_readable(f, c), CHUNKS_N);
	chunks_free(c);
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
	struct chunks *c[2] = { chunks_make(11), chunks_make(13) };
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
		assert_int_equal(chunks_store(f, w, c[i]), 0);
	assert_true(fixture_count(f, "packs/") + expected >= 8);
	assert_int_equal(object_writer_finish(w), 0);
	f->store->ops = commits.below;
	store_get_counters(f->store, &after);
	assert_int_equal(commits.most, expected);
	assert_in_range(after.stats - before.stats, 0, 1); /* of the index, which loads the run */
	object_writer_close(w);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(chunks_readable(f, c[i]), CHUNKS_N);
		chunks_free(c[i]);
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
	struct chunks *c = chunks_make(12);
	char name[STORE_NAME_MAX + 1];

	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	assert_int_equal(fixture_store_chunks(f, w, c->data, CHUNKS_LEN, 1, c->id), 0);
	assert_int_equal(object_known(w, &c->id[0]), 1);
	assert_int_equal(store_delete(f->store, fixture_object(f, "index/", 0, name)), 0);
	assert_int_equal(index_refresh(f->index), 0);
	assert_int_equal(object_known(w, &c->id[0]), 0);
	assert_int_equal(object_known(w, &c->id[CHUNKS_N - 1]), 0);
	assert_int_equal(chunks_store(f, w, c), 0);
	assert_int_equal(object_writer_finish(w), 0);
	object_writer_close(w);
	assert_int_equal(chunks_readable(f, c), CHUNKS_N);
	chunks_free(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_workers),
		TEST(test_slow_remote_store),
		cmocka_unit_test_setup_teardown(test_slow_disk, fixture_setup_dir, fixture_teardown),
		TEST(test_claims_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
