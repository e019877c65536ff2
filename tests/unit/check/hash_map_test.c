/*
 * Tables of short hashes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "repo/check/hash_map.h"
#include "tests/lib/fixture.h"

#define N 20000

static void test_map(void **state)
{
	struct hash_map m = { .with_values = true };
	static uint64_t keys[N];
	uint64_t value = 0;

	(void)state;
	fixture_noise(1, keys, sizeof(keys));
	keys[0] = 0; /* as any other */
	assert_false(hash_map_get(&m, keys[1], &value));
	for (size_t i = 0; i < N; i++) {
		assert_false(hash_map_get(&m, keys[i], NULL));
		assert_int_equal(hash_map_add(&m, keys[i], i), 1);
		assert_int_equal(hash_map_add(&m, keys[i], i + 1), 0);
	}
	for (size_t i = 0; i < N; i++) {
		assert_true(hash_map_get(&m, keys[i], &value));
		assert_int_equal(value, i);
	}
	assert_int_equal(m.n, N);
	assert_true(m.cap * 3 / 4 >= N && m.cap * 3 / 8 <= N);
	hash_map_free(&m);
	assert_false(hash_map_get(&m, keys[1], &value));
}

/* Keys that want the same slot, at the end of the table. */
static void test_collisions(void **state)
{
	struct hash_map m = { .n = 0 };

	(void)state;
	for (uint64_t i = 0; i < 700; i++)
		assert_int_equal(hash_map_add(&m, i << 32 | 1023, 0), 1);
	for (uint64_t i = 0; i < 700; i++) {
		assert_true(hash_map_get(&m, i << 32 | 1023, NULL));
		assert_false(hash_map_get(&m, i << 32 | 1022, NULL));
	}
	hash_map_free(&m);
}

/* What is mixed in makes another key, and the order counts. */
static void test_mix(void **state)
{
	struct hash_map m = { .n = 0 };

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		for (uint64_t j = 0; j < 100; j++)
			assert_int_equal(hash_map_add(&m, hash_mix(hash_mix(12345, i), j), 0), 1);
	}
	hash_map_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_collisions),
		cmocka_unit_test(test_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
