/*
 * Claims: one winner an id, nothing lost by removals, bounded when asked.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/object/packing/claims.h"
#include "repo/util/bytes/le.h"

#define THREADS 8
#define NIDS 20000

static struct id number_id(uint64_t n)
{
	struct id id = { { 0 } };
	uint64_t h = (n + 1) * 0x9e3779b97f4a7c15;

	le64enc(id.b, h);
	le64enc(id.b + 8, n + 1);
	id.b[ID_LEN - 1] = (uint8_t)(h >> 56);
	return id;
}

/* Ids that all want the same slot of the same shard. */
static struct id crowded_id(uint64_t n)
{
	struct id id = { { 0 } };

	le64enc(id.b + 8, n + 1);
	return id;
}

static void test_add_has_drop(void **state)
{
	struct claims *c = claims_new(0);
	struct id a = number_id(1), b = number_id(2);

	(void)state;
	assert_non_null(c);
	assert_false(claims_has(c, &a));
	claims_drop(c, &a);
	assert_int_equal(claims_add(c, &a), 1);
	assert_int_equal(claims_add(c, &a), 0);
	assert_true(claims_has(c, &a));
	assert_false(claims_has(c, &b));
	assert_int_equal(claims_count(c), 1);
	claims_drop(c, &b);
	assert_int_equal(claims_count(c), 1);
	claims_drop(c, &a);
	assert_false(claims_has(c, &a));
	assert_int_equal(claims_count(c), 0);
	assert_int_equal(claims_add(c, &a), 1);
	claims_free(c);
	claims_free(NULL);
}

/* Against a plain array as the model, with ids that crowd and ids that do not. */
static void against_model(struct id (*make)(uint64_t), size_t nids, unsigned steps)
{
	struct claims *c = claims_new(0);
	bool *in = calloc(nids, sizeof(*in));
	uint32_t r = 1;
	size_t n = 0;

	assert_non_null(c);
	assert_non_null(in);
	for (unsigned i = 0; i < steps; i++) {
		r = r * 1664525 + 1013904223;
		size_t k = (r >> 8) % nids;
		struct id id = make(k);

		if (r >> 31) {
			assert_int_equal(claims_add(c, &id), !in[k]);
			n += !in[k];
			in[k] = true;
		} else {
			claims_drop(c, &id);
			n -= in[k];
			in[k] = false;
		}
	}
	for (size_t k = 0; k < nids; k++) {
		struct id id = make(k);

		assert_int_equal(claims_has(c, &id), in[k]);
	}
	assert_int_equal(claims_count(c), n);
	free(in);
	claims_free(c);
}

static void test_model(void **state)
{
	(void)state;
	against_model(number_id, 5000, 100000);
	against_model(crowded_id, 60, 20000);
}

static void test_limit(void **state)
{
	struct claims *c = claims_new(6400);

	(void)state;
	assert_non_null(c);
	for (uint64_t i = 0; i < 100000; i++) {
		struct id id = number_id(i);

		assert_int_equal(claims_add(c, &id), 1);
		assert_true(claims_has(c, &id));
		assert_true(claims_count(c) <= 6400 + 64);
	}
	claims_free(c);
}

struct race {
	struct claims *claims;
	_Atomic unsigned won;
	pthread_barrier_t start;
};

static void *claim_all(void *arg)
{
	struct race *r = arg;
	unsigned won = 0;

	pthread_barrier_wait(&r->start);
	for (uint64_t i = 0; i < NIDS; i++) {
		struct id id = number_id(i);

		if (claims_add(r->claims, &id) == 1)
			won++;
		if (!claims_has(r->claims, &id))
			won += NIDS;
	}
	atomic_fetch_add(&r->won, won);
	return NULL;
}

static void test_one_winner(void **state)
{
	struct race r = { .claims = claims_new(0) };
	pthread_t thread[THREADS];

	(void)state;
	assert_non_null(r.claims);
	pthread_barrier_init(&r.start, NULL, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, claim_all, &r), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(r.won, NIDS);
	assert_int_equal(claims_count(r.claims), NIDS);
	pthread_barrier_destroy(&r.start);
	claims_free(r.claims);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_has_drop),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_one_winner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
