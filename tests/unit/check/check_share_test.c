/*
 * Which packs a check reads: a cycle of rotating checks reads every pack, whatever comes, goes, or is killed meanwhile;
 * and what is remembered of it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/check/share/journal.h"
#include "repo/crypt/crypt.h"
#include "tests/lib/scratch.h"

#define PACKS 400
#define NEW_EACH_DAY 4
#define START INT64_C(1700000000)

struct pack {
	struct id id;
	int64_t since;     /* in the store */
	int64_t read_last; /* 0: never */
};

struct world {
	struct pack pack[PACKS * 4];
	size_t n;
	uint64_t read;
};

static void add_packs(struct world *w, size_t n, int64_t now)
{
	for (size_t i = 0; i < n; i++) {
		struct pack *p = &w->pack[w->n++];

		assert_true(w->n <= PACKS * 4);
		*p = (struct pack){ .since = now };
		crypt_hash(&w->n, sizeof(w->n), &p->id);
	}
}

/* Read what is on the arc, up to a share of 1/1 or less of it; then be killed, or not. */
static void read_arc(struct world *w, struct arc *a, uint64_t until, int64_t now)
{
	for (size_t i = 0; i < w->n; i++) {
		if (!arc_has(a, &w->pack[i].id) || arc_offset(a, &w->pack[i].id) > until)
			continue;
		w->pack[i].read_last = now;
		w->read++;
	}
	a->complete = until >= a->span;
	a->done = a->complete ? a->done : until + 1;
}

/* Every pack has been read within a cycle and the time between two checks, or has not been there for so long. */
static void all_are_fresh(const struct world *w, uint32_t days, int64_t every, int64_t now)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct pack *p = &w->pack[i];
		int64_t since = p->read_last > p->since ? p->read_last : p->since;

		if (now - since > (int64_t)days * DAY_SECONDS + every)
			fail_msg("pack %zu was last read %lld days ago", i, (long long)((now - since) / DAY_SECONDS));
	}
}

/* Run for ${cycles} cycles, with a check each ${every} seconds. */
static void rotate(uint32_t days, int64_t every, unsigned cycles, bool kill)
{
	struct world *w = calloc(1, sizeof(*w));
	int64_t now = START, end = START + (int64_t)cycles * days * DAY_SECONDS;
	struct arc a = { 0 };
	bool first = true;

	assert_non_null(w);
	add_packs(w, PACKS, now - (int64_t)days * DAY_SECONDS);
	for (; now < end; now += every) {
		a = arc_rotate(first ? NULL : &a, days, now);
		first = false;
		if (kill && now / every % 3 == 0)
			read_arc(w, &a, a.done + (a.span - a.done) / 2, now);
		if (kill && now / every % 3 == 0)
			a = arc_rotate(&a, days, now);
		read_arc(w, &a, a.span, now);
		add_packs(w, NEW_EACH_DAY, now);
		if (now >= START + (int64_t)days * DAY_SECONDS)
			all_are_fresh(w, days, every, now);
	}
	/* And not much more often than that. */
	assert_true(w->read <= (uint64_t)w->n * (cycles + 1));
	free(w);
}

static void test_rotate(void **state)
{
	(void)state;
	rotate(30, DAY_SECONDS, 4, false);
	rotate(30, DAY_SECONDS + 3600, 4, false);
	rotate(30, 7 * DAY_SECONDS, 4, false);
	rotate(7, DAY_SECONDS, 6, true);
	rotate(1, DAY_SECONDS, 6, false);
	rotate(365, 28 * DAY_SECONDS, 2, true);
}

/* A check that stays incomplete for days earns the share of those days. */
static void test_earned(void **state)
{
	struct arc a = arc_rotate(NULL, 10, START), b;
	uint64_t day = a.span;

	(void)state;
	assert_int_equal(a.origin, 0);
	assert_true(day > UINT64_MAX / 11 && day < UINT64_MAX / 9);
	b = arc_rotate(&a, 10, START + 60);
	assert_int_equal(b.origin, 0);
	assert_int_equal(b.span, day);
	b = arc_rotate(&a, 10, START + 5 * DAY_SECONDS);
	assert_true(b.span > UINT64_MAX / 100 * 49 && b.span < UINT64_MAX / 100 * 51);
	b = arc_rotate(&a, 10, START + 11 * DAY_SECONDS);
	assert_true(b.span == UINT64_MAX);
	/* Clocks that are set back, and nonsense. */
	b = arc_rotate(&a, 10, START - 5 * DAY_SECONDS);
	assert_int_equal(b.span, day);
	a.begun_s = INT64_MIN;
	b = arc_rotate(&a, 10, INT64_MAX);
	assert_true(b.span == day || b.span == UINT64_MAX);
	/* The next one begins behind the last, round the circle. */
	a = (struct arc){ .origin = UINT64_MAX - 10, .span = 20, .complete = true, .begun_s = START };
	b = arc_rotate(&a, 10, START + DAY_SECONDS);
	assert_int_equal(b.origin, 10);
	assert_int_equal(b.done, 0);
	assert_false(b.complete);
}

/* --- What is remembered ------------------------------------------------------------------------------------------- */

static const uint8_t repo_id[16] = { 1, 2, 3 };
static const struct journal_share share = { "data-part", "3/7" };

static struct journal *open_journal(struct scratch *s)
{
	struct journal *j;

	assert_int_equal(journal_open(s->dir, repo_id, &s->log, &j), 0);
	return j;
}

static struct journal_pack pack_of(unsigned n)
{
	struct journal_pack p = { .kind = n % 2 ? PACK_DATA : PACK_TREE };

	crypt_hash(&n, sizeof(n), &p.id);
	return p;
}

static void test_remembered(void **state)
{
	struct arc a = { .origin = 5, .span = UINT64_MAX, .done = 1ull << 63, .begun_s = START }, b;
	struct journal_pack p = pack_of(1), q = pack_of(2);
	const struct journal_pack *damaged;
	struct scratch *s = *state;
	struct journal *j = open_journal(s);
	struct journal_share other = share;
	size_t n;

	assert_int_equal(journal_arc(j, &share, &b), -ENOENT);
	assert_true(journal_mark(j, &p, true));
	assert_true(journal_mark(j, &p, true));
	assert_true(journal_mark(j, &q, true));
	assert_true(journal_mark(j, &q, false));
	journal_save(j, &share, &a);
	journal_free(j);

	j = open_journal(s);
	assert_int_equal(journal_arc(j, &share, &b), 0);
	assert_memory_equal(&b.origin, &a.origin, sizeof(a.origin));
	assert_true(b.span == a.span && b.done == a.done && b.begun_s == START && !b.complete);
	damaged = journal_damaged(j, &n);
	assert_int_equal(n, 1);
	assert_true(id_equal(&damaged[0].id, &p.id) && damaged[0].kind == p.kind);
	snprintf(other.text, sizeof(other.text), "4/7");
	assert_int_equal(journal_arc(j, &other, &b), -ENOENT);
	assert_true(journal_mark(j, &p, false));
	journal_forget(j, &share);
	journal_free(j);

	j = open_journal(s);
	assert_int_equal(journal_arc(j, &share, &b), -ENOENT);
	journal_damaged(j, &n);
	assert_int_equal(n, 0);
	journal_free(j);
	assert_int_equal(s->nmessages, 0);
}

/* No more than that many; who is not remembered is said. */
static void test_bounded(void **state)
{
	struct scratch *s = *state;
	struct journal *j = open_journal(s);
	struct journal_pack p;
	size_t n;

	for (unsigned i = 0; i < JOURNAL_DAMAGED_MAX + 10; i++) {
		p = pack_of(i);
		assert_int_equal(journal_mark(j, &p, true), i < JOURNAL_DAMAGED_MAX);
	}
	journal_save_damaged(j);
	journal_free(j);
	j = open_journal(s);
	journal_damaged(j, &n);
	assert_int_equal(n, JOURNAL_DAMAGED_MAX);
	journal_free(j);
}

/* Whatever is in the files. */
static void test_nonsense(void **state)
{
	static const char *const texts[] = {
		"", "\n", "varve check 1\n",
		"varve check 2\nshare 3/7\nbegun 1\norigin 0\nspan 1\ndone 0\ncomplete 0\n",
		"varve check 1\nshare 3/7\nbegun x\norigin 0\nspan 1\ndone 0\ncomplete 0\n",
		"varve check 1\nshare 3/7\nbegun 1\norigin 0\nspan 1\ndone 0\n",
	};
	struct scratch *s = *state;
	struct journal *j = open_journal(s);
	struct arc a = arc_whole(START);
	char path[512];
	size_t n;
	FILE *f;

	journal_save(j, &share, &a);
	journal_free(j);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (int which = 0; which < 2; which++) {
			snprintf(path, sizeof(path), "%s/check/01020300000000000000000000000000/%s", s->dir,
			    which ? "damaged" : share.name);
			f = fopen(path, "w");
			assert_non_null(f);
			fputs(texts[i], f);
			fclose(f);
		}
		j = open_journal(s);
		assert_int_equal(journal_arc(j, &share, &a), -ENOENT);
		journal_damaged(j, &n);
		assert_int_equal(n, 0);
		journal_free(j);
	}
}

/* Where nothing can be written: said once, and nothing else. */
static void test_nowhere(void **state)
{
	struct scratch *s = *state;
	struct arc a = arc_whole(START);
	struct journal *j;
	char path[SCRATCH_PATH_SIZE];
	FILE *f = fopen(scratch_path(s, "file", path), "w");

	assert_non_null(f);
	fclose(f);
	assert_int_equal(journal_open(path, repo_id, &s->log, &j), 0);
	journal_save(j, &share, &a);
	journal_save(j, &share, &a);
	assert_int_equal(s->nmessages, 1);
	assert_int_equal(journal_arc(j, &share, &a), -ENOENT);
	journal_free(j);
	assert_int_equal(journal_open(NULL, repo_id, &s->log, &j), 0);
	journal_save(j, &share, &a);
	assert_int_equal(s->nmessages, 1);
	journal_free(j);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotate),
		cmocka_unit_test(test_earned),
		TEST(test_remembered),
		TEST(test_bounded),
		TEST(test_nonsense),
		TEST(test_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
