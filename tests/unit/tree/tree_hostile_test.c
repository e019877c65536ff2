/*
 * Unit tests of repo/tree/tree.h: hostile trees, of objects that are authentic and yet not what they should be.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "repo/tree/tree.h"
#include "repo/util/bytes/le.h"
#include "tests/lib/fixture.h"
#include "tests/unit/tree/tree_rig.h"

static struct id put_ref_page(struct tree_rig *env, uint8_t level, const char *const *names, const struct id *ids,
    const uint64_t *totals, int n)
{
	struct tree_page_builder b;
	struct buf page = BUF_INIT;
	struct id id;

	tree_page_builder_init(&b, level);
	for (int i = 0; i < n; i++)
		assert_int_equal(tree_page_builder_add_ref(&b, names[i], (uint16_t)strlen(names[i]), &ids[i], totals[i],
		    1), 0);
	assert_int_equal(tree_page_builder_finish(&b, &page), 0);
	assert_int_equal(object_writer_put(env->w, page.data, page.len, &id), 0);
	tree_page_builder_destroy(&b);
	buf_free(&page);
	return id;
}

static struct id put_leaf(struct tree_rig *env, const char *first, const char *second)
{
	struct tree_entry e = tree_rig_entry(ENTRY_REG, first), e2 = tree_rig_entry(ENTRY_REG, second);
	struct tree_page_builder b;
	struct buf page = BUF_INIT;
	struct id id;

	tree_page_builder_init(&b, 0);
	assert_int_equal(tree_page_builder_add(&b, &e), 0);
	assert_int_equal(tree_page_builder_add(&b, &e2), 0);
	assert_int_equal(tree_page_builder_finish(&b, &page), 0);
	assert_int_equal(object_writer_put(env->w, page.data, page.len, &id), 0);
	tree_page_builder_destroy(&b);
	buf_free(&page);
	return id;
}

/* Searching and iterating over ${dir} both come upon the fault. */
static void assert_damaged(struct tree_rig *env, const struct id *dir, const char *name, const char *message)
{
	struct tree_entry e;
	struct tree_iter it;
	struct tree_hit hit;
	int rc;

	tree_rig_publish(env);
	fixture_log_clear(&env->f);
	assert_int_equal(tree_find(env->t, dir, name, strlen(name), &hit), -EBADMSG);
	if (!fixture_logged(&env->f, message))
		fail_msg("not logged: %s", message);
	fixture_log_clear(&env->f);
	rc = tree_iter_begin(&it, env->t, dir, 0);
	while (rc == 0 && (rc = tree_iter_next(&it, &e, NULL, NULL)) == 1)
		rc = 0;
	assert_int_equal(rc, -EBADMSG);
	/* It does not go on as if nothing had been there. */
	if (it.depth > 0)
		assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), -EBADMSG);
	tree_iter_end(&it);
	assert_true(fixture_logged(&env->f, message));
}

static void test_hostile_refs(void **state)
{
	struct tree_rig *env = *state;
	const struct id leaf[2] = { put_leaf(env, "a", "b"), put_leaf(env, "c", "d") };
	const uint64_t totals[2] = { 2, 2 }, wrong[2] = { 2, 3 };
	const char *const names[2] = { "a", "c" }, *const shifted[2] = { "a", "bb" }, *const overlap[2] = { "a", "b" };
	struct id dir, twice[2];
	struct tree_hit hit;

	dir = put_ref_page(env, 1, names, leaf, totals, 2);
	tree_rig_publish(env);
	assert_int_equal(tree_find(env->t, &dir, "d", 1, &hit), 0);
	assert_int_equal(hit.entry.before, 3);
	tree_hit_release(env->t, &hit);

	dir = put_ref_page(env, 2, names, leaf, totals, 2);
	assert_damaged(env, &dir, "a", "another level");
	dir = put_ref_page(env, 1, names, leaf, wrong, 2);
	assert_damaged(env, &dir, "d", "another number of entries");
	dir = put_ref_page(env, 1, shifted, leaf, totals, 2);
	assert_damaged(env, &dir, "d", "begins with another name");
	/* "b" would come twice. */
	twice[0] = leaf[0];
	twice[1] = put_leaf(env, "b", "c");
	dir = put_ref_page(env, 1, overlap, twice, totals, 2);
	assert_damaged(env, &dir, "a", "ends with a name");
}

/* A directory that says how many entries it has must have so many. */
static void test_iterated_below(void **state)
{
	struct tree_rig *env = *state;
	const struct id leaf = put_leaf(env, "a", "b");
	struct tree_entry dir = { .name = "dir", .name_len = 3, .type = ENTRY_DIR, .flags = ENTRY_HAS_CHILD,
		.child = leaf, .below = 2 };
	struct tree_entry e;
	struct tree_iter it;

	tree_rig_publish(env);
	assert_int_equal(tree_iter_begin_dir(&it, env->t, &dir, 0), 0);
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 1);
	tree_iter_end(&it);
	dir.below = 3;
	fixture_log_clear(&env->f);
	assert_int_equal(tree_iter_begin_dir(&it, env->t, &dir, 0), -EBADMSG);
	assert_true(fixture_logged(&env->f, "another number of entries"));
	tree_iter_end(&it);
	dir.flags = 0;
	dir.below = 0;
	assert_int_equal(tree_iter_begin_dir(&it, env->t, &dir, 0), 0);
	assert_int_equal(tree_iter_next(&it, &e, NULL, NULL), 0);
	tree_iter_end(&it);
}

/* A bound that an upper page sets holds for the lowest ones. */
static void test_hostile_bound(void **state)
{
	struct tree_rig *env = *state;
	const struct id leaf[2] = { put_leaf(env, "a", "c"), put_leaf(env, "b", "d") };
	const char *const a[1] = { "a" }, *const b[1] = { "b" }, *const ab[2] = { "a", "b" };
	const uint64_t totals[2] = { 2, 2 };
	struct id inner[2], dir;

	inner[0] = put_ref_page(env, 1, a, &leaf[0], totals, 1);
	inner[1] = put_ref_page(env, 1, b, &leaf[1], totals, 1);
	dir = put_ref_page(env, 2, ab, inner, totals, 2);
	assert_damaged(env, &dir, "a", "ends with a name");
}

static void test_hostile_below(void **state)
{
	struct tree_rig *env = *state;
	struct id leaf = put_leaf(env, "a", "b");
	struct tree_entry root = tree_rig_entry(ENTRY_DIR, "root");
	struct tree_hit hit;

	tree_rig_publish(env);
	tree_rig_set_dir(&root, &leaf, 2);
	assert_int_equal(tree_number(env->t, &root, 2, &hit), 0);
	tree_hit_release(env->t, &hit);
	root.below = 3;
	assert_int_equal(tree_number(env->t, &root, 3, &hit), -EBADMSG);
	assert_true(fixture_logged(&env->f, "number of entries"));
	assert_int_equal(tree_rig_path(env, &root, "a", &hit), -EBADMSG);
}

static struct id put_span_page(struct tree_rig *env, uint8_t level, const uint64_t *offs, const struct id *ids,
    uint64_t end)
{
	uint8_t page[32 + 2 * SPAN_RECORD_LEN] = "VSP1";
	struct span s;
	struct id id;

	page[4] = level;
	le32enc(page + 8, 2);
	le64enc(page + 16, offs[0]);
	le64enc(page + 24, end);
	for (int i = 0; i < 2; i++) {
		s = (struct span){ .off = offs[i], .len = 10, .id = ids[i] };
		if (level == 0) {
			span_encode(&s, page + 32 + (size_t)i * SPAN_RECORD_LEN);
		} else {
			le64enc(page + 32 + (size_t)i * SPAN_REF_LEN, offs[i]);
			memcpy(page + 40 + (size_t)i * SPAN_REF_LEN, ids[i].b, ID_LEN);
		}
	}
	assert_int_equal(object_writer_put(env->w, page, 32 + 2 * (level ? SPAN_REF_LEN : SPAN_RECORD_LEN), &id), 0);
	return id;
}

static void assert_bad_spans(struct tree_rig *env, const struct id *list, uint64_t size, uint64_t off,
    const char *message)
{
	struct tree_entry e = tree_rig_entry(ENTRY_REG, "f");
	uint8_t out[8];
	struct span s;

	tree_rig_publish(env);
	fixture_log_clear(&env->f);
	e.flags = ENTRY_HAS_CHILD;
	e.child = *list;
	e.size = size;
	assert_int_equal(tree_span(env->t, &e, off, &s), -EBADMSG);
	assert_int_equal(tree_read(env->t, &e, off, sizeof(out), out), -EBADMSG);
	if (!fixture_logged(&env->f, message))
		fail_msg("not logged: %s", message);
}

static void test_hostile_spans(void **state)
{
	struct tree_rig *env = *state;
	const uint64_t low[2] = { 0, 10 }, high[2] = { 100, 110 }, refs[2] = { 0, 100 }, early[2] = { 0, 15 },
	    late[2] = { 0, 99 };
	const struct id zero[2] = { { { 0 } }, { { 0 } } };
	struct id leaf[2] = { put_span_page(env, 0, low, zero, 20), put_span_page(env, 0, high, zero, 120) };
	struct tree_entry e = tree_rig_entry(ENTRY_REG, "f");
	struct id list, names = put_leaf(env, "a", "b");
	struct tree_hit hit;
	struct span s;

	list = put_span_page(env, 1, refs, leaf, 120);
	tree_rig_publish(env);
	e.flags = ENTRY_HAS_CHILD;
	e.child = list;
	e.size = 120;
	assert_int_equal(tree_span(env->t, &e, 50, &s), 1);
	assert_int_equal(s.off, 100);
	assert_int_equal(tree_span(env->t, &e, 119, &s), 1);
	assert_int_equal(s.off, 110);

	assert_bad_spans(env, &list, 119, 0, "behind the end of the file");
	list = put_span_page(env, 2, refs, leaf, 120);
	assert_bad_spans(env, &list, 1000, 0, "another level");
	list = put_span_page(env, 1, late, leaf, 120);
	assert_bad_spans(env, &list, 1000, 105, "another offset");
	list = put_span_page(env, 1, early, leaf, 120);
	assert_bad_spans(env, &list, 1000, 5, "begin of the next one");
	list = put_span_page(env, 1, refs, leaf, 119);
	assert_bad_spans(env, &list, 1000, 105, "or of its parent");

	/* One kind of page where the other should be. */
	assert_bad_spans(env, &names, 1000, 0, "not a span list's");
	assert_int_equal(tree_find(env->t, &leaf[0], "a", 1, &hit), -EBADMSG);
	assert_true(fixture_logged(&env->f, "not a directory's"));
}

static void test_malformed(void **state)
{
	struct tree_rig *env = *state;
	struct tree_node *node;
	struct tree_page page;
	struct span_page spans;
	struct id id;

	assert_int_equal(object_writer_put(env->w, "VTP1 but nothing more", 21, &id), 0);
	tree_rig_publish(env);
	assert_int_equal(tree_hold_page(env->t, &id, &node, &page), -EBADMSG);
	assert_true(fixture_logged(&env->f, "malformed"));
	assert_int_equal(object_writer_put(env->w, "VSP1 but nothing more", 21, &id), 0);
	tree_rig_publish(env);
	assert_int_equal(tree_hold_spans(env->t, &id, &node, &spans), -EBADMSG);
	id = put_leaf(env, "a", "b");
	tree_rig_publish(env);
	assert_int_equal(tree_hold_page(env->t, &id, &node, &page), 0);
	assert_int_equal(page.count, 2);
	tree_release(env->t, node);
	tree_release(env->t, NULL);
	/* An object that is not there is damage, not absence. */
	memset(&id, 3, sizeof(id));
	assert_int_equal(tree_hold_page(env->t, &id, &node, &page), -EBADMSG);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_rig_setup, tree_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_iterated_below),
		TEST(test_hostile_refs),
		TEST(test_hostile_bound),
		TEST(test_hostile_below),
		TEST(test_hostile_spans),
		TEST(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
