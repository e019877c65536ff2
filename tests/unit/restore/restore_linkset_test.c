/*
 * Unit tests of repo/restore/work/linkset.h.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/restore/work/linkset.h"
#include "repo/tree/span/span.h"
#include "tests/lib/scratch.h"

static struct tree_entry entry(uint64_t ino, uint32_t nlink)
{
	return (struct tree_entry){
		.name = "n",
		.name_len = 1,
		.type = ENTRY_REG,
		.nlink = nlink,
		.dev = 1,
		.ino = ino,
	};
}

static void test_roles(void **state)
{
	struct linkset *l = linkset_new(-1, 1 << 20);
	struct tree_entry e = entry(7, 3), other = entry(7, 3);
	uint64_t first = 0;

	(void)state;
	assert_non_null(l);
	assert_int_equal(linkset_meet(l, &e, 10), LINK_FIRST);
	assert_int_equal(linkset_meet(l, &e, 11), LINK_LATER);
	/* The same inode with other contents is another file. */
	other.size = 1;
	assert_int_equal(linkset_meet(l, &other, 12), LINK_FIRST);
	linkset_settle(l, &e, true);
	assert_true(linkset_claim(l, &e, 11, &first));
	assert_int_equal(first, 10);
	linkset_linked(l, &e);
	assert_true(linkset_claim(l, &e, 13, &first));
	linkset_linked(l, &e);
	/* All three names are done: it is forgotten. */
	assert_int_equal(linkset_meet(l, &e, 14), LINK_FIRST);
	linkset_free(l);
	linkset_free(NULL);
}

static void test_failure(void **state)
{
	struct linkset *l = linkset_new(-1, 1 << 20);
	struct tree_entry e = entry(7, 3);
	uint64_t first = 0;

	(void)state;
	assert_int_equal(linkset_meet(l, &e, 10), LINK_FIRST);
	linkset_settle(l, &e, false);
	assert_false(linkset_claim(l, &e, 11, &first));
	linkset_settle(l, &e, true);
	assert_true(linkset_claim(l, &e, 12, &first));
	assert_int_equal(first, 11);
	linkset_linked(l, &e);
	linkset_free(l);
}

/* Every part of the contents tells files apart. */
static void test_prints(void **state)
{
	struct linkset *l = linkset_new(-1, 1 << 20);
	uint8_t a[SPAN_RECORD_LEN] = { 0 }, b[SPAN_RECORD_LEN] = { 0 };
	struct tree_entry e[9];

	(void)state;
	b[12] = 1;
	for (unsigned i = 0; i < 9; i++) {
		e[i] = entry(7, 99);
		e[i].spans = i == 1 ? b : a;
		e[i].nspans = 1;
	}
	e[2].nspans = 0;
	e[3].mtime = 1;
	e[4].mtime_ns = 1;
	e[5].flags = ENTRY_HAS_CHILD;
	e[6].type = ENTRY_LNK;
	e[6].target = "x";
	e[6].target_len = 1;
	e[7] = e[6];
	e[7].target = "y";
	e[8].type = ENTRY_CHR;
	e[8].rdev_minor = 1;
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(linkset_meet(l, &e[i], i), LINK_FIRST);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(linkset_meet(l, &e[i], i + 10), LINK_LATER);
	linkset_free(l);
}

/* Many groups, in memory and beyond its bound, with some forgotten in between. */
static void many(int dirfd, size_t max_bytes)
{
	struct linkset *l = linkset_new(dirfd, max_bytes);
	const uint64_t n = 50000;
	struct tree_entry e;
	uint64_t first = 0;

	for (uint64_t i = 0; i < n; i++) {
		e = entry(i, i % 3 ? 2 : 3);
		assert_int_equal(linkset_meet(l, &e, i + 1), LINK_FIRST);
		linkset_settle(l, &e, true);
		if (i >= 100 && i % 3) {
			e = entry(i - 99, (i - 99) % 3 ? 2 : 3);
			assert_true(linkset_claim(l, &e, 0, &first));
			assert_int_equal(first, i - 98);
			linkset_linked(l, &e);
		}
	}
	for (uint64_t i = 0; i < n; i++) {
		bool done = i + 99 < n && i > 0 && (i + 99) % 3 && i % 3;

		e = entry(i, i % 3 ? 2 : 3);
		assert_int_equal(linkset_meet(l, &e, i + n), done ? LINK_FIRST : LINK_LATER);
	}
	linkset_free(l);
}

static void test_many(void **state)
{
	struct scratch *s = *state;
	int fd = open(s->dir, O_RDONLY | O_DIRECTORY);

	many(-1, 1 << 20);
	many(fd, 4096);
	close(fd);
}

struct waiter {
	struct linkset *l;
	struct tree_entry e;
	uint64_t first;
	bool link;
};

static void *wait_thread(void *arg)
{
	struct waiter *w = arg;

	w->link = linkset_claim(w->l, &w->e, 20, &w->first);
	return NULL;
}

static void test_waiting(void **state)
{
	const struct timespec moment = { 0, 20000000 };
	struct waiter w;
	pthread_t t;

	(void)state;
	for (int stop = 0; stop < 2; stop++) {
		w = (struct waiter){ .l = linkset_new(-1, 1 << 20), .e = entry(5, 2) };
		assert_int_equal(linkset_meet(w.l, &w.e, 3), LINK_FIRST);
		assert_int_equal(pthread_create(&t, NULL, wait_thread, &w), 0);
		nanosleep(&moment, NULL);
		if (stop)
			linkset_stop(w.l);
		else
			linkset_settle(w.l, &w.e, true);
		pthread_join(t, NULL);
		assert_int_equal(w.link, !stop);
		assert_int_equal(w.first, stop ? 0 : 3);
		linkset_free(w.l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_prints),
		cmocka_unit_test_setup_teardown(test_many, scratch_setup, scratch_teardown),
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
