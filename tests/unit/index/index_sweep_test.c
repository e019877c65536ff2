/*
 * What a prune needs of the index: all places of all objects, and runs without dead packs, whatever fails or comes in
 * between.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "repo/index/records.h"
#include "repo/index/sweep.h"
#include "repo/store/mem/store_mem.h"
#include "tests/unit/index/indexes.h"

#define COUNT 2000 /* objects of a run */
#define DEAD 3     /* the pack that goes, of ten */

struct finding {
	struct id id;
	uint32_t number;
	bool found;
};

static int find_pack(void *arg, uint32_t number, const struct pack_info *info)
{
	struct finding *f = arg;

	if (id_equal(&info->id, &f->id)) {
		f->number = number;
		f->found = true;
	}
	return 0;
}

/* The number that the index, which has loaded all, has given made-up pack ${n}. */
static uint32_t number_of(struct indexes *w, uint64_t n)
{
	struct finding f = { .found = false };
	struct pack_info info;

	packs_info(n, &info);
	f.id = info.id;
	assert_int_equal(index_each_pack(w->x, find_pack, &f), 0);
	assert_true(f.found);
	return f.number;
}

/* --- A prune ------------------------------------------------------------------------------------------------------ */

struct prune {
	struct indexes *w;
	struct numset dead, avoided, spared;
	const struct id *live;      /* one object, that is; NULL: all, with ${all} */
	bool all;
	uint64_t asked;
	void (*meanwhile)(struct prune *p); /* called once, when the first object is asked for */
	struct id run;              /* for that */
	unsigned steps, stop_at;    /* times that it was asked whether to go on; and had to stop */
	struct index_swept swept;
};

static int may_go_on(void *arg)
{
	struct prune *p = arg;

	return ++p->steps == p->stop_at ? -ETIME : 0;
}

static int is_live(void *arg, const struct id *id)
{
	struct prune *p = arg;

	if (p->asked++ == 0 && p->meanwhile)
		p->meanwhile(p);
	return p->all || (p->live && id_equal(id, p->live));
}

static void prune_init(struct prune *p, struct indexes *w)
{
	*p = (struct prune){ .w = w };
	numset_init(&p->dead);
	numset_init(&p->avoided);
	numset_init(&p->spared);
}

static void prune_destroy(struct prune *p)
{
	numset_destroy(&p->dead);
	numset_destroy(&p->avoided);
	numset_destroy(&p->spared);
}

static void condemn(struct prune *p, uint64_t pack)
{
	assert_int_equal(numset_add(&p->dead, number_of(p->w, pack)), 1);
}

static int sweep(struct prune *p)
{
	const struct index_sweep how = { &p->dead, &p->avoided, is_live, p, may_go_on,
		&p->spared };

	return index_sweep_runs(p->w->x, &how, &p->swept);
}

/* Objects [${first}, ${first} + ${count}) in packs 0 to 9: those of pack DEAD are absent, the others right. */
static bool swept_right(struct index *x, uint64_t first, uint64_t count, uint64_t pack0)
{
	for (uint64_t n = first; n < first + count; n++) {
		if (n % 10 == DEAD ? !indexes_absent(x, n, 1) : !indexes_right(x, n, 1, pack0, 10))
			return false;
	}
	return true;
}

/* As a machine sees it that has loaded nothing so far. */
static bool fresh_right(struct indexes *w, uint64_t first, uint64_t count, uint64_t pack0)
{
	struct index *fresh = indexes_open_other(w);
	bool right;

	assert_int_equal(index_refresh(fresh), 0);
	right = swept_right(fresh, first, count, pack0);
	index_close(fresh);
	return right;
}

/* --- Tests -------------------------------------------------------------------------------------------------------- */

/* Every object, with all its places, in order of id, and of the packs' ids. */
static void test_records(void **state)
{
	struct indexes *w = *state;
	struct index_records *r;
	struct index_object o;
	struct id old, last = { { 0 } };
	struct packs_run p = { .count = COUNT, .npacks = 10, .replaced = &old, .nreplaced = 1 };
	struct pack_info info[2];
	uint64_t n = 0, nplaces = 0;
	int rc;

	old = indexes_put_run(w, 0, COUNT / 2, 0, 10);
	packs_put_run(w->store, &w->k.metadata, &p);
	indexes_put_run(w, COUNT / 2, COUNT, 20, 10);
	indexes_put_run(w, 0, COUNT, 0, 10); /* the same once more, but for what it replaces */
	assert_int_equal(index_records_open(w->x, &r), 0);
	while ((rc = index_records_next(r, &o)) > 0) {
		assert_true(n++ == 0 || id_compare(&o.id, &last) > 0);
		last = o.id;
		nplaces += o.n;
		assert_in_range(o.n, 1, 2);
		for (size_t i = 0; i < o.n; i++)
			assert_int_equal(index_pack(w->x, o.place[i].pack, &info[i]), 0);
		assert_true(o.n == 1 || id_compare(&info[0].id, &info[1].id) < 0);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(index_records_next(r, &o), 0);
	index_records_close(r);
	assert_int_equal(n, COUNT * 3 / 2);
	assert_int_equal(nplaces, COUNT * 2);
	index_records_close(NULL);
}

/* A run that cannot be read: nobody knows what it names. */
static void test_records_damaged(void **state)
{
	struct indexes *w = *state;
	struct index_records *r;
	struct index_object o;
	struct buf b = BUF_INIT;
	char name[RUN_NAME_SIZE];
	struct id id;
	int rc;

	indexes_put_run(w, 0, COUNT, 0, 10);
	id = indexes_put_run(w, COUNT, COUNT, 0, 10);
	assert_int_equal(store_get_all(w->store, run_name(&id, name), 1 << 30, &b), 0);
	for (unsigned i = 0; i < 2; i++) {
		size_t at = i == 0 ? 40000 : b.len - 200;

		b.data[at] ^= 1;
		assert_int_equal(store_mem_replace(w->store, name, b.data, b.len), 0);
		rc = index_records_open(w->x, &r);
		if (rc == 0) {
			while ((rc = index_records_next(r, &o)) > 0)
				;
			index_records_close(r);
		}
		assert_int_equal(rc, -EBADMSG);
		b.data[at] ^= 1;
	}
	buf_free(&b);
}

/* A dead pack: its run is written anew, the others stay; who had loaded it is told by that. */
static void test_sweep(void **state)
{
	struct indexes *w = *state;
	struct index *other = indexes_open_other(w);
	struct prune p;
	struct id a, b;
	char name[RUN_NAME_SIZE];
	uint64_t size;

	a = indexes_put_run(w, 0, COUNT, 0, 10);
	b = indexes_put_run(w, COUNT, COUNT, 10, 10);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(index_refresh(other), 0);
	prune_init(&p, w);
	condemn(&p, DEAD);
	assert_int_equal(sweep(&p), 0);
	assert_int_equal(p.asked, COUNT / 10);
	assert_int_equal(p.swept.records_dropped, COUNT / 10);
	assert_int_equal(p.swept.runs_deleted, 1);
	assert_int_equal(p.swept.runs_written, 1);
	assert_int_equal(store_stat(w->store, run_name(&a, name), &size), -ENOENT);
	assert_int_equal(store_stat(w->store, run_name(&b, name), &size), 0);
	assert_int_equal(indexes_runs(w), 2);
	assert_true(fresh_right(w, 0, COUNT, 0));
	assert_int_equal(index_refresh(other), 0);
	assert_true(swept_right(other, 0, COUNT, 0));
	assert_true(indexes_right(other, COUNT, COUNT, 10, 10));
	/* Once more: nothing to do. */
	assert_int_equal(sweep(&p), 0);
	assert_int_equal(p.swept.runs_deleted + p.swept.runs_written, 0);
	prune_destroy(&p);
	index_close(other);
}

/* A live object without another copy: nothing is done. */
static void test_live(void **state)
{
	struct indexes *w = *state;
	struct prune p;
	struct id id;

	indexes_put_run(w, 0, COUNT, 0, 10);
	assert_int_equal(index_refresh(w->x), 0);
	prune_init(&p, w);
	condemn(&p, DEAD);
	packs_id(1000 + DEAD, &id);
	p.live = &id;
	assert_int_equal(sweep(&p), -EBUSY);
	assert_int_equal(indexes_logged(w, "is needed"), 1);
	assert_int_equal(indexes_runs(w), 1);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 0, COUNT, 0, 10));
	prune_destroy(&p);
}

/* Who has not the time any more stops before anything is put, or deleted. */
static void test_no_time(void **state)
{
	struct indexes *w = *state;
	struct prune p;

	indexes_put_run(w, 0, COUNT, 0, 10);
	assert_int_equal(index_refresh(w->x), 0);
	prune_init(&p, w);
	condemn(&p, DEAD);
	for (p.stop_at = 1; p.stop_at <= 2; p.stop_at++) {
		p.steps = 0;
		assert_int_equal(sweep(&p), -ETIME);
		assert_int_equal(indexes_runs(w), 1);
		assert_int_equal(index_refresh(w->x), 0);
		assert_true(indexes_right(w->x, 0, COUNT, 0, 10));
	}
	p.stop_at = 0;
	assert_int_equal(sweep(&p), 0);
	assert_true(fresh_right(w, 0, COUNT, 0));
	prune_destroy(&p);
}

/* Another copy will do, but not one that is doomed. */
static void test_copies(void **state)
{
	struct indexes *w = *state;
	struct index *fresh;
	struct prune p;

	indexes_put_run(w, 0, COUNT, 0, 10);
	indexes_put_run(w, 0, COUNT, 100, 10);
	assert_int_equal(index_refresh(w->x), 0);
	prune_init(&p, w);
	/* Packs of which no object was loaded have no number but that of the run's. */
	condemn(&p, DEAD);
	p.all = true;
	assert_int_equal(numset_add(&p.avoided, number_of(w, 100 + DEAD)), 1);
	assert_int_equal(sweep(&p), -EBUSY);
	assert_int_equal(indexes_runs(w), 2);
	numset_destroy(&p.avoided);
	numset_init(&p.avoided);
	p.asked = 0;
	assert_int_equal(sweep(&p), 0);
	assert_int_equal(p.asked, 0);
	fresh = indexes_open_other(w);
	assert_int_equal(index_refresh(fresh), 0);
	for (uint64_t n = DEAD; n < COUNT; n += 10)
		assert_true(indexes_right(fresh, n, 1, 100, 10));
	for (uint64_t n = 0; n < COUNT; n++)
		assert_true(indexes_right(fresh, n, 1, 0, 10) || indexes_right(fresh, n, 1, 100, 10));
	index_close(fresh);
	prune_destroy(&p);
}

static int delete_one(void *arg, const char *name, uint64_t size)
{
	(void)size;
	return store_delete(((struct indexes *)arg)->store, name);
}

/* Three runs, two of which name the dead pack, and no other. */
static void put_three(struct indexes *w)
{
	assert_int_equal(store_list_names(w->store, "index/", delete_one, w), 0);
	indexes_put_run(w, 0, COUNT, 0, 10);
	indexes_put_run(w, COUNT, COUNT, 0, 10);
	indexes_put_run(w, 2 * COUNT, COUNT, 50, 10);
	assert_int_equal(index_refresh(w->x), 0);
}

/* What is not dead is found. */
static void expect_nothing_lost(struct indexes *w)
{
	struct index *fresh = indexes_open_other(w);

	assert_int_equal(index_refresh(fresh), 0);
	for (uint64_t n = 0; n < 2 * COUNT; n++)
		assert_true(n % 10 == DEAD || indexes_right(fresh, n, 1, 0, 10));
	assert_true(indexes_right(fresh, 2 * COUNT, COUNT, 50, 10));
	index_close(fresh);
}

/* Doomed packs that stay, as something in them is needed: a copy there will do, but a better one is better. */
static void test_spared(void **state)
{
	struct indexes *w = *state;
	struct index *fresh;
	struct id run[2];
	struct prune p;

	indexes_put_run(w, 0, COUNT, 0, 10);
	run[0] = indexes_put_run(w, 0, COUNT, 100, 10);
	run[1] = indexes_put_run(w, 0, COUNT / 2, 200, 10);
	assert_int_equal(index_refresh(w->x), 0);
	prune_init(&p, w);
	p.all = true;
	condemn(&p, DEAD);
	assert_int_equal(numset_add(&p.spared, number_of(w, 100 + DEAD)), 1);
	assert_int_equal(sweep(&p), 0);
	/* What the new run says. */
	indexes_delete_run(w, &run[0]);
	indexes_delete_run(w, &run[1]);
	fresh = indexes_open_other(w);
	assert_int_equal(index_refresh(fresh), 0);
	for (uint64_t n = DEAD; n < COUNT; n += 10)
		assert_true(indexes_right(fresh, n, 1, n < COUNT / 2 ? 200 : 100, 10));
	index_close(fresh);
	prune_destroy(&p);
}

/* The store fails at each request in turn: nothing is lost at any moment, and the next sweep does the rest. */
static void test_failures(void **state)
{
	struct indexes *w = *state;
	struct store_fault_rule rule = { .fault = STORE_FAULT_ERROR, .prefix = "index/", .count = 1, .err = -EIO,
		.ops = STORE_OP_GET | STORE_OP_LIST | STORE_OP_PUT | STORE_OP_DELETE };
	struct prune p;
	int rc = -EIO;

	prune_init(&p, w);
	put_three(w);
	condemn(&p, DEAD);
	for (; rc != 0; rule.skip++) {
		put_three(w);
		store_mem_set_faults(w->store, &rule, 1);
		rc = sweep(&p);
		store_mem_set_faults(w->store, NULL, 0);
		assert_true(rc == 0 || rc == -EIO);
		expect_nothing_lost(w);
		assert_int_equal(sweep(&p), 0);
		expect_nothing_lost(w);
		assert_true(fresh_right(w, 0, 2 * COUNT, 0));
		assert_in_range(indexes_runs(w), 2, 3);
	}
	assert_true(rule.skip >= 10);
	/* It may not delete: nothing is left of the attempt. */
	rule = (struct store_fault_rule){ .fault = STORE_FAULT_ERROR, .prefix = "index/", .err = -EACCES,
		.ops = STORE_OP_DELETE, .count = 1 };
	put_three(w);
	store_mem_set_faults(w->store, &rule, 1);
	assert_int_equal(sweep(&p), -EACCES);
	assert_int_equal(indexes_runs(w), 3);
	expect_nothing_lost(w);
	prune_destroy(&p);
}

/* A writer puts a run that names the dead pack while all is being read. */
static void put_another(struct prune *p)
{
	indexes_put_run(p->w, COUNT, COUNT, 0, 10);
}

static void test_newcomer(void **state)
{
	struct indexes *w = *state;
	struct prune p;

	prune_init(&p, w);
	indexes_put_run(w, 0, COUNT, 0, 10);
	assert_int_equal(index_refresh(w->x), 0);
	condemn(&p, DEAD);
	p.meanwhile = put_another;
	assert_int_equal(sweep(&p), 0);
	assert_int_equal(p.swept.runs_deleted, 2);
	assert_true(fresh_right(w, 0, 2 * COUNT, 0));
	prune_destroy(&p);
}

/* Another prune has swept the same run while all is being read, and leaves out another pack: that stays out. */
static void sweep_other(struct prune *p)
{
	indexes_delete_run(p->w, &p->run);
	indexes_put_run(p->w, COUNT, COUNT, 0, 10);
}

static void test_two(void **state)
{
	struct indexes *w = *state;
	struct prune p;

	prune_init(&p, w);
	p.run = indexes_put_run(w, 0, COUNT, 0, 10);
	assert_int_equal(index_refresh(w->x), 0);
	condemn(&p, DEAD);
	p.meanwhile = sweep_other;
	assert_int_equal(sweep(&p), 0);
	assert_int_equal(indexes_runs(w), 1);
	assert_true(fresh_right(w, COUNT, COUNT, 0));
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_absent(w->x, 0, COUNT));
	prune_destroy(&p);
}

/* Runs that others replace are only in the way. */
static void test_superseded(void **state)
{
	struct indexes *w = *state;
	struct prune p;

	prune_init(&p, w);
	for (unsigned i = 0; i < 16; i++)
		indexes_put_run(w, 100 * i, 100, 0, 10);
	assert_int_equal(index_refresh(w->x), 0);
	assert_int_equal(index_merge_runs(w->x, NULL), 16);
	assert_int_equal(indexes_runs(w), 17);
	assert_int_equal(sweep(&p), 0);
	assert_int_equal(p.swept.runs_deleted, 16);
	assert_int_equal(indexes_runs(w), 1);
	assert_int_equal(index_refresh(w->x), 0);
	assert_true(indexes_right(w->x, 0, 1600, 0, 10));
	prune_destroy(&p);
}

struct doomed {
	struct id pack;
	unsigned puts, late;
};

static int is_doomed(void *arg, const struct id *pack)
{
	return id_equal(pack, &((struct doomed *)arg)->pack);
}

static int may_put(void *arg)
{
	struct doomed *d = arg;

	return ++d->puts == d->late ? -ESTALE : 0;
}

/* A merge keeps away from doomed packs, and is given up when it takes too long. */
static void test_merge_and_doom(void **state)
{
	struct indexes *w = *state;
	struct doomed d = { .late = 1 };
	const struct index_merging how = { is_doomed, may_put, &d };
	struct pack_info info;

	for (unsigned i = 0; i < 17; i++)
		indexes_put_run(w, 100 * i, 100, 10 * i, 10);
	assert_int_equal(index_refresh(w->x), 0);
	packs_info(7, &info);
	d.pack = info.id;
	assert_int_equal(index_merge_runs(w->x, &how), -ESTALE);
	assert_int_equal(indexes_runs(w), 17);
	d.puts = 0;
	d.late = 2;
	assert_int_equal(index_merge_runs(w->x, &how), -ESTALE);
	assert_int_equal(indexes_runs(w), 17);
	d.late = 0;
	assert_int_equal(index_merge_runs(w->x, &how), 16);
	assert_int_equal(indexes_runs(w), 18);
	assert_int_equal(index_refresh(w->x), 0);
	for (unsigned i = 0; i < 17; i++)
		assert_true(indexes_right(w->x, 100 * i, 100, 10 * i, 10));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, indexes_setup, indexes_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_records),
		TEST(test_records_damaged),
		TEST(test_sweep),
		TEST(test_live),
		TEST(test_no_time),
		TEST(test_copies),
		TEST(test_spared),
		TEST(test_failures),
		TEST(test_newcomer),
		TEST(test_two),
		TEST(test_superseded),
		TEST(test_merge_and_doom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
