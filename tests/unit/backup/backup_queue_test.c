/*
 * The queue of jobs, and contents shared by hard links: order, bounds, ends, with real threads.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/backup/fill/links.h"
#include "repo/backup/job/queue.h"

#define JOBS 5000u
#define COST 1000u
#define MAX (10 * COST)
#define WORKERS 4

struct line {
	struct queue *q;
	_Atomic unsigned in_flight, worked;
	int fail_at; /* worker: fail at this job; -1: never */
};

static void *work(void *arg)
{
	struct line *l = arg;
	struct job *j;

	while ((j = queue_take(l->q)) != NULL) {
		if (l->fail_at >= 0 && j->seq == (uint64_t)l->fail_at) {
			queue_fail(l->q, -ENOSPC);
			break;
		}
		if (j->seq % 97 == 0)
			usleep(100);
		l->worked++;
		queue_done(l->q, j);
	}
	return NULL;
}

static void *produce(void *arg)
{
	struct line *l = arg;
	struct job *j;
	unsigned i;

	for (i = 0; i < JOBS; i++) {
		j = queue_job(l->q);
		if (!j)
			break;
		j->cost = i == 100 ? 2 * MAX : COST; /* one that exceeds the bound by itself goes alone */
		job_add(j)->e.size = i;
		if (queue_push(l->q, j) < 0)
			return NULL;
		l->in_flight++;
		assert_true(l->in_flight <= 64);
	}
	queue_end(l->q);
	return NULL;
}

static unsigned run_line(struct line *l)
{
	pthread_t threads[WORKERS + 1];
	struct job *j;
	unsigned i, n = 0;

	for (i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, l), 0);
	assert_int_equal(pthread_create(&threads[WORKERS], NULL, produce, l), 0);
	while ((j = queue_pop(l->q)) != NULL) {
		assert_int_equal(j->items[0].e.size, n);
		n++;
		l->in_flight--;
		queue_recycle(l->q, j);
	}
	for (i = 0; i <= WORKERS; i++)
		pthread_join(threads[i], NULL);
	return n;
}

static void test_order(void **state)
{
	struct line l = { .q = queue_new(MAX), .fail_at = -1 };

	(void)state;
	assert_int_equal(run_line(&l), JOBS);
	assert_int_equal(l.worked, JOBS);
	assert_int_equal(queue_error(l.q), 0);
	assert_true(queue_idle(l.q));
	queue_free(l.q);
}

static void test_failure_ends_all(void **state)
{
	struct line l = { .q = queue_new(MAX), .fail_at = 1234 };

	(void)state;
	assert_true(run_line(&l) <= 1234);
	assert_int_equal(queue_error(l.q), -ENOSPC);
	queue_fail(l.q, -EIO);
	assert_int_equal(queue_error(l.q), -ENOSPC);
	queue_free(l.q);
}

static void test_job_memory(void **state)
{
	struct tree_entry from = { .type = ENTRY_LNK, .name = "name", .name_len = 4, .target = "elsewhere",
		.target_len = 9 };
	struct job *j = job_new();
	struct tree_entry e[200];
	unsigned i;

	(void)state;
	for (i = 0; i < 200; i++) {
		uint8_t *p = job_alloc(j, 1000 + i * 500);

		memset(p, (int)i, 1000 + i * 500);
		assert_int_equal(job_copy_entry(j, &e[i], &from), 0);
	}
	for (i = 0; i < 200; i++) {
		assert_string_equal(e[i].name, "name");
		assert_memory_equal(e[i].target, "elsewhere", 9);
		assert_null(e[i].user);
	}
	assert_true(job_memory(j) > 200 * 1000);
	job_reset(j);
	assert_true(job_memory(j) < 128 * 1024);
	job_free(j);
}

/* --- Links --- */

#define NAMES 8

static struct tree_entry linked(uint64_t ino, uint32_t nlink)
{
	return (struct tree_entry){ .type = ENTRY_REG, .dev = 7, .ino = ino, .nlink = nlink, .size = 100, .mtime = 5 };
}

/* What a reader finds: one span, whose id says by whom. */
static void find_contents(struct tree_entry *e, uint8_t *record, uint8_t who)
{
	struct span s = { .off = 0, .len = 100 };

	memset(s.id.b, who, sizeof(s.id.b));
	span_encode(&s, record);
	e->spans = record;
	e->nspans = 1;
	e->data_bytes = 100;
}

/* A buffer that was given back serves the next job that wants one of its length; only a few are kept. */
static void test_data_again(void **state)
{
	enum { LEN = 64 * 1024, COUNT = 10 };
	struct queue *q = queue_new(MAX);
	struct job *j[COUNT];
	uint8_t *first;

	(void)state;
	assert_non_null(q);
	for (unsigned i = 0; i < COUNT; i++) {
		j[i] = job_new();
		assert_non_null(j[i]);
		assert_int_equal(queue_data(q, j[i], LEN), 0);
		memset(j[i]->data, (int)i, LEN);
	}
	first = j[0]->data;
	queue_data_done(q, j[0]);
	assert_null(j[0]->data);
	assert_int_equal(j[0]->data_len, 0);
	queue_data_done(q, j[0]);
	assert_int_equal(queue_data(q, j[0], 2 * LEN), 0);
	assert_int_equal(j[0]->data_len, 2 * LEN);
	memset(j[0]->data, 1, 2 * LEN);
	queue_data_done(q, j[1]);
	assert_int_equal(queue_data(q, j[1], LEN), 0);
	queue_data_done(q, j[0]);
	assert_int_equal(queue_data(q, j[0], LEN), 0);
	assert_ptr_equal(j[0]->data, first);
	for (unsigned i = 0; i < COUNT; i++) {
		queue_data_done(q, j[i]);
		job_free(j[i]);
	}
	queue_free(q);
}

static void test_links_once(void **state)
{
	struct links *l = links_new(1 << 20);
	struct tree_entry a = linked(1, 3), b = linked(1, 3), c = linked(1, 3), d = linked(1, 3);
	uint8_t record[SPAN_RECORD_LEN];
	struct job *j = job_new();

	(void)state;
	assert_int_equal(links_ask(l, &a, j, false), LINKS_READ);
	find_contents(&a, record, 9);
	a.xattrs = (const uint8_t *)"xattrs";
	a.xattrs_len = 6;
	links_tell(l, a.dev, a.ino, &a);
	assert_int_equal(links_ask(l, &b, j, false), LINKS_KNOWN);
	assert_int_equal(b.nspans, 1);
	assert_memory_equal(b.spans, record, sizeof(record));
	assert_int_equal(b.data_bytes, 100);
	assert_memory_equal(b.xattrs, "xattrs", 6);
	/* Another state of the file is not the same contents. */
	c.mtime = 6;
	assert_int_equal(links_ask(l, &c, j, false), LINKS_ALONE);
	/* The third name was the last: it is forgotten, and so read when a fourth turns up. */
	c.mtime = 5;
	assert_int_equal(links_ask(l, &c, j, false), LINKS_KNOWN);
	assert_int_equal(links_ask(l, &d, j, false), LINKS_READ);
	links_tell(l, d.dev, d.ino, NULL);
	assert_int_equal(links_ask(l, &d, j, false), LINKS_READ);
	links_tell(l, d.dev, d.ino, NULL);
	job_free(j);
	links_free(l);
}

static void test_links_bound(void **state)
{
	struct links *l = links_new(10000);
	struct job *j = job_new();
	unsigned i, kept = 0;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct tree_entry e = linked(i, 2);

		if (links_ask(l, &e, j, false) == LINKS_READ) {
			links_tell(l, e.dev, e.ino, &e);
			kept++;
		}
	}
	assert_in_range(kept, 10, 200);
	for (i = 0; i < 1000; i++) {
		struct tree_entry e = linked(i, 2);

		assert_int_not_equal(links_ask(l, &e, j, false), i < kept ? LINKS_ALONE : LINKS_KNOWN);
		links_tell(l, e.dev, e.ino, NULL);
	}
	job_free(j);
	links_free(l);
}

struct reader {
	struct links *links;
	uint8_t who;
	_Atomic unsigned *reads;
	unsigned known;
	uint8_t seen[64];
};

static void *read_links(void *arg)
{
	struct reader *r = arg;
	struct job *j = job_new();
	uint8_t record[SPAN_RECORD_LEN];
	struct span s;
	unsigned i;

	for (i = 0; i < 64; i++) {
		struct tree_entry e = linked(i, NAMES);

		if (links_ask(r->links, &e, j, false) == LINKS_READ) {
			usleep(200);
			find_contents(&e, record, r->who);
			(*r->reads)++;
			links_tell(r->links, e.dev, e.ino, &e);
		}
		span_decode(e.spans, &s);
		r->seen[i] = s.id.b[0];
	}
	job_free(j);
	return NULL;
}

/* Many threads, one reading for each inode, and all see its contents. */
static void test_links_threads(void **state)
{
	struct links *l = links_new(1 << 20);
	struct reader r[NAMES];
	pthread_t t[NAMES];
	_Atomic unsigned reads = 0;
	unsigned i, k;

	(void)state;
	for (i = 0; i < NAMES; i++) {
		r[i] = (struct reader){ .links = l, .who = (uint8_t)(i + 1), .reads = &reads };
		assert_int_equal(pthread_create(&t[i], NULL, read_links, &r[i]), 0);
	}
	for (i = 0; i < NAMES; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(reads, 64);
	for (i = 1; i < NAMES; i++)
		for (k = 0; k < 64; k++)
			assert_int_equal(r[i].seen[k], r[0].seen[k]);
	links_free(l);
}

static void *ask_pending(void *arg)
{
	struct links *l = arg;
	struct tree_entry e = linked(1, 2);
	struct job *j = job_new();
	int answer = links_ask(l, &e, j, true);

	job_free(j);
	return answer == LINKS_ALONE ? l : NULL;
}

/* Workers do not wait for the producer; and nobody waits after the end. */
static void test_links_waiting(void **state)
{
	struct links *l = links_new(1 << 20);
	struct tree_entry a = linked(1, 3), b = linked(1, 3);
	struct job *j = job_new();
	void *ended;
	pthread_t t;

	(void)state;
	assert_int_equal(links_ask(l, &a, j, true), LINKS_READ);
	assert_int_equal(links_ask(l, &b, j, false), LINKS_ALONE);
	assert_int_equal(pthread_create(&t, NULL, ask_pending, l), 0);
	usleep(1000);
	links_stop(l);
	pthread_join(t, &ended);
	assert_ptr_equal(ended, l);
	job_free(j);
	links_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_failure_ends_all),
		cmocka_unit_test(test_job_memory),
		cmocka_unit_test(test_data_again),
		cmocka_unit_test(test_links_once),
		cmocka_unit_test(test_links_bound),
		cmocka_unit_test(test_links_threads),
		cmocka_unit_test(test_links_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
