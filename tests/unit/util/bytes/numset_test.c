/*
 * Unit tests of repo/util/bytes/numset.h.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "repo/util/bytes/numset.h"

static void test_members(void **state)
{
	static const uint32_t numbers[] = { 0, 7, 8, 9, 63, 64, 1000000, 1000001 };
	const size_t count = sizeof(numbers) / sizeof(numbers[0]);
	struct numset s;
	uint32_t n = 0;

	(void)state;
	numset_init(&s);
	assert_false(numset_next(&s, &n));
	for (size_t i = count; i-- > 0;)
		assert_int_equal(numset_add(&s, numbers[i]), 1);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(numset_add(&s, numbers[i]), 0);
	for (size_t i = 0; i < count; i++, n++) {
		assert_true(numset_next(&s, &n));
		assert_int_equal(n, numbers[i]);
		assert_true(numset_has(&s, n));
	}
	assert_false(numset_next(&s, &n));
	assert_false(numset_has(&s, 1));
	assert_false(numset_has(&s, 999999));
	assert_false(numset_has(&s, 1000002));
	assert_false(numset_has(&s, UINT32_MAX));
	numset_destroy(&s);
}

enum { THREADS = 4, NUMBERS = 20000 };

struct adder {
	struct numset *set;
	unsigned first; /* times that it was the one who added */
};

static void *add_all(void *arg)
{
	struct adder *a = arg;

	for (uint32_t i = 0; i < NUMBERS; i++)
		a->first += numset_add(a->set, i * 3) == 1;
	return NULL;
}

/* Of all threads that add a number, one is told that it was new. */
static void test_threads(void **state)
{
	struct adder adder[THREADS];
	pthread_t thread[THREADS];
	struct numset s;
	unsigned first = 0;

	(void)state;
	numset_init(&s);
	for (int i = 0; i < THREADS; i++) {
		adder[i] = (struct adder){ .set = &s };
		assert_int_equal(pthread_create(&thread[i], NULL, add_all, &adder[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		first += adder[i].first;
	}
	assert_int_equal(first, NUMBERS);
	numset_destroy(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
