/*
 * Directory store: several writers of one name.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/scratch.h"
#include "tests/unit/store/dir/dir_rig.h"

struct racer {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct store *store;
	const char *name;
	unsigned flags;
	char content[32];
	int rc;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct store_put *p;

	r->rc = store_put_begin(r->store, &p);
	if (r->rc == 0)
		r->rc = store_put_append(p, r->content, sizeof(r->content));
	pthread_barrier_wait(r->barrier);
	if (r->rc == 0)
		r->rc = store_put_commit(p, r->name, r->flags);
	return NULL;
}

/* Let ${n} threads put the same name at once; return the number of those that succeeded. */
static int run_race(struct racer *r, int n, struct store *store, const char *name, unsigned flags)
{
	pthread_barrier_t barrier;
	int i, won = 0;

	pthread_barrier_init(&barrier, NULL, (unsigned)n);
	for (i = 0; i < n; i++) {
		r[i] = (struct racer){ .barrier = &barrier, .store = store, .name = name, .flags = flags };
		memset(r[i].content, 'a' + i, sizeof(r[i].content));
		assert_int_equal(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
	}
	for (i = 0; i < n; i++) {
		pthread_join(r[i].thread, NULL);
		won += r[i].rc == 0;
	}
	pthread_barrier_destroy(&barrier);
	return won;
}

#define NRACERS 8

static void test_exclusive_race(void **state)
{
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	struct racer r[NRACERS];
	char name[32], content[32];
	int round, i;

	for (round = 0; round < 20; round++) {
		snprintf(name, sizeof(name), "keys/%02x/%d", round, round);
		assert_int_equal(run_race(r, NRACERS, store, name, STORE_EXCL), 1);
		assert_int_equal(store_get(store, name, 0, sizeof(content), content), 0);
		for (i = 0; i < NRACERS; i++) {
			if (r[i].rc == 0)
				assert_memory_equal(content, r[i].content, sizeof(content));
			else
				assert_int_equal(r[i].rc, -EEXIST);
		}
		assert_int_equal(dir_rig_leftovers(s), 0);
	}
	assert_int_equal(s->nmessages, 0);
	store_close(store);
}

static void test_race(void **state)
{
	struct scratch *s = *state;
	struct store *store = dir_rig_open(s);
	struct racer r[NRACERS];
	char name[32];
	int round;

	for (round = 0; round < 20; round++) {
		snprintf(name, sizeof(name), "packs/%02x/%d", round, round);
		assert_int_equal(run_race(r, NRACERS, store, name, 0), NRACERS);
	}
	assert_int_equal(dir_rig_objects(store), 20);
	assert_int_equal(dir_rig_leftovers(s), 0);
	assert_int_equal(s->nmessages, 0);
	store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_exclusive_race, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_race, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
