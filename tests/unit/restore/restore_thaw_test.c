/*
 * Unit tests of repo/restore/thaw.h: what a restore needs is asked for, once, and waited for.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/restore/thaw.h"
#include "repo/store/store_impl.h"
#include "tests/unit/restore/restore_rig.h"

#define PACKS_MAX 64

/* A store whose packs are archived, and readable at the third look after they were asked for. */
struct archive {
	struct store base;
	struct outrig *rig;
	struct { char name[80]; unsigned asked, looks; } pack[PACKS_MAX];
	unsigned n;
	bool readable; /* all are, from the beginning */
	int fail;      /* error of thaw */
	uint64_t frozen, packs; /* as told last */
	unsigned told;
	unsigned stop_at; /* times told after which to cancel; 0: never */
};

static unsigned pack_of(struct archive *a, const char *name)
{
	unsigned i;

	assert_memory_equal(name, "packs/", 6);
	for (i = 0; i < a->n; i++) {
		if (strcmp(a->pack[i].name, name) == 0)
			return i;
	}
	assert_true(a->n < PACKS_MAX);
	snprintf(a->pack[a->n].name, sizeof(a->pack[0].name), "%s", name);
	return a->n++;
}

static int archive_thaw(struct store *s, const char *name, unsigned days)
{
	struct archive *a = (struct archive *)s;

	assert_int_equal(days, 3);
	a->pack[pack_of(a, name)].asked++;
	return a->fail;
}

static int archive_state(struct store *s, const char *name, enum store_class *out)
{
	struct archive *a = (struct archive *)s;
	unsigned i = pack_of(a, name);

	if (a->readable)
		*out = STORE_READABLE;
	else if (a->pack[i].asked == 0)
		*out = STORE_ARCHIVED;
	else
		*out = ++a->pack[i].looks < 2 ? STORE_THAWING : STORE_READABLE;
	return 0;
}

static const struct store_ops archive_ops = { .thaw = archive_thaw, .thaw_state = archive_state };

static void tell(void *arg, uint64_t frozen, uint64_t packs)
{
	struct archive *a = arg;

	a->frozen = frozen;
	a->packs = packs;
	a->told++;
	if (a->told == a->stop_at)
		a->rig->cancel = 1;
}

/* Files that do not compress and are longer than a pack; "d/..." and "e/...". */
static struct tree_entry make_tree(struct outrig *r)
{
	static uint8_t noise[1200000];
	struct tree_entry d[2], e[1], top[3];
	uint32_t x = 1;

	for (unsigned f = 0; f < 3; f++) {
		for (size_t i = 0; i < sizeof(noise); i++) {
			x = x * 1664525 + 1013904223;
			noise[i] = (uint8_t)(x >> 24);
		}
		if (f < 2)
			d[f] = outrig_file(r, f == 0 ? "a" : "b", noise, sizeof(noise));
		else
			e[0] = outrig_file(r, "c", noise, sizeof(noise));
	}
	top[0] = outrig_dir(r, "d", d, 2);
	top[1] = outrig_dir(r, "e", e, 1);
	top[2] = outrig_text(r, "small", "text");
	return outrig_dir(r, "", top, 3);
}

static int thaw(struct outrig *r, struct archive *a, const struct tree_entry *root, const char *path,
    const struct thaw_options *more)
{
	struct thaw_options o = { .days = 3, .poll_s = 1, .cancel = &r->cancel, .waiting = tell, .arg = a };
	struct store *store;
	int rc;

	/* Opens the repository, too. */
	r->opts.dry_run = true;
	assert_int_equal(outrig_restore(r, root, ""), 0);
	if (more != NULL) {
		o.include = more->include;
		o.exclude = more->exclude;
	}
	a->base.ops = &archive_ops;
	a->rig = r;
	store = r->repo.store;
	r->repo.store = &a->base;
	rc = restore_thaw(&r->repo, root, path, &o);
	r->repo.store = store;
	return rc;
}

static void test_all(void **state)
{
	struct outrig *r = *state;
	struct archive a = { .n = 0 };
	struct tree_entry root = make_tree(r);

	assert_int_equal(thaw(r, &a, &root, "", NULL), 0);
	assert_true(a.n >= 3);
	assert_int_equal(a.packs, a.n);
	assert_int_equal(a.frozen, 0);
	assert_int_equal(a.told, 3);
	for (unsigned i = 0; i < a.n; i++)
		assert_int_equal(a.pack[i].asked, 1);
}

static void test_readable(void **state)
{
	struct outrig *r = *state;
	struct archive a = { .readable = true };
	struct tree_entry root = make_tree(r);

	assert_int_equal(thaw(r, &a, &root, "/", NULL), 0);
	assert_int_equal(a.told, 1);
	assert_int_equal(a.pack[0].asked, 0);
}

/* What is not selected is not asked for. */
static void test_selection(void **state)
{
	struct outrig *r = *state;
	struct tree_entry root = make_tree(r);
	struct match_list *m = match_new();
	struct archive whole = { .readable = true }, one = { .readable = true }, in = { .readable = true },
	    ex = { .readable = true }, none = { .readable = true };

	assert_int_equal(match_add(m, "/d/a"), 0);
	assert_int_equal(thaw(r, &whole, &root, "d", NULL), 0);
	assert_int_equal(thaw(r, &one, &root, "//d//a/", NULL), 0);
	assert_int_equal(thaw(r, &in, &root, "", &(struct thaw_options){ .include = m }), 0);
	assert_int_equal(thaw(r, &ex, &root, "d", &(struct thaw_options){ .exclude = m }), 0);
	assert_true(one.n > 0 && one.n < whole.n);
	assert_int_equal(in.n, one.n);
	assert_true(ex.n > 0 && ex.n < whole.n);
	assert_int_equal(thaw(r, &none, &root, "e", &(struct thaw_options){ .include = m }), 0);
	assert_int_equal(none.n, 0);
	assert_int_equal(thaw(r, &none, &root, "nothing", NULL), -ENOENT);
	match_free(m);
}

static void test_failures(void **state)
{
	struct outrig *r = *state;
	struct archive refused = { .fail = -EACCES }, stopped = { .stop_at = 1 };
	struct tree_entry root = make_tree(r);

	assert_int_equal(thaw(r, &refused, &root, "", NULL), -EACCES);
	assert_int_equal(refused.told, 0);
	assert_int_equal(thaw(r, &stopped, &root, "", NULL), -EINTR);
	assert_true(stopped.frozen > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_readable, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_selection, outrig_setup, outrig_teardown),
		cmocka_unit_test_setup_teardown(test_failures, outrig_setup, outrig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
