/*
 * Unit tests of repo/tree/tree.h: contents of files, and extended attributes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/tree/tree.h"
#include "repo/tree/xattr.h"
#include "tests/lib/fixture.h"
#include "tests/unit/tree/tree_rig.h"

static void assert_reads(struct tree_rig *env, const struct tree_rig_file *c, uint64_t off, size_t len)
{
	size_t want = off >= c->size ? 0 : c->size - off < len ? c->size - off : len;
	uint8_t *out = malloc(len ? len : 1);

	assert_non_null(out);
	memset(out, 0x77, len);
	assert_int_equal(tree_read(env->t, &c->e, off, len, out), want);
	assert_memory_equal(out, c->bytes + (want ? off : 0), want);
	for (size_t i = want; i < len; i++)
		assert_int_equal(out[i], 0x77);
	free(out);
}

static void check_content(struct tree_rig *env, unsigned n, bool paged)
{
	struct tree_rig_file c;
	struct span s;
	uint64_t seed = 42;
	uint32_t r[2];

	tree_rig_make_file(env, n, &c);
	assert_int_equal(!!(c.e.flags & ENTRY_HAS_CHILD), paged);
	assert_reads(env, &c, 0, c.size);
	assert_reads(env, &c, 0, c.size + 100);
	assert_reads(env, &c, 0, 0);
	assert_reads(env, &c, c.size - 1, 10);
	assert_reads(env, &c, c.size, 10);
	assert_reads(env, &c, UINT64_MAX, 10);
	assert_reads(env, &c, 0, 50);
	for (int i = 0; i < 300; i++) {
		fixture_noise(seed++, r, sizeof(r));
		assert_reads(env, &c, r[0] % c.size, r[1] % (3 * TREE_RIG_CHUNK));
	}
	for (unsigned i = 0; i < n; i += n > 100 ? 37 : 1) {
		uint64_t off = 100 + i * TREE_RIG_CHUNK + i / 2 * TREE_RIG_CHUNK;

		assert_int_equal(tree_span(env->t, &c.e, off, &s), 1);
		assert_int_equal(s.off, off);
		assert_int_equal(s.len, TREE_RIG_CHUNK);
		assert_int_equal(tree_span(env->t, &c.e, off + TREE_RIG_CHUNK - 1, &s), 1);
		assert_int_equal(s.off, off);
		/* In the hole before an even one: the one after it. */
		assert_int_equal(tree_span(env->t, &c.e, i % 2 ? off : off - 1 - (i ? TREE_RIG_CHUNK / 2 : 0), &s), 1);
		assert_int_equal(s.off, off);
	}
	assert_int_equal(tree_span(env->t, &c.e,
	    100 + (n - 1) * TREE_RIG_CHUNK + (n - 1) / 2 * TREE_RIG_CHUNK + TREE_RIG_CHUNK, &s), 0);
	assert_int_equal(tree_span(env->t, &c.e, UINT64_MAX, &s), 0);
	tree_rig_free_file(&c);
}

static void test_content_inline(void **state)
{
	check_content(*state, 1, false);
	check_content(*state, 7, false);
	check_content(*state, 8, false);
}

static void test_content_paged(void **state)
{
	check_content(*state, 9, true);
	check_content(*state, 3000, true);
}

static void test_content_none(void **state)
{
	struct tree_rig *env = *state;
	struct tree_entry hole = tree_rig_entry(ENTRY_REG, "hole"), dir = tree_rig_entry(ENTRY_DIR, "dir");
	uint8_t out[16];
	struct span s;

	hole.size = 1ull << 40;
	memset(out, 1, sizeof(out));
	assert_int_equal(tree_read(env->t, &hole, (1ull << 40) - 8, sizeof(out), out), 8);
	assert_memory_equal(out, "\0\0\0\0\0\0\0\0\1", 9);
	assert_int_equal(tree_span(env->t, &hole, 0, &s), 0);
	hole.size = 0;
	assert_int_equal(tree_read(env->t, &hole, 0, sizeof(out), out), 0);
	assert_int_equal(tree_read(env->t, &dir, 0, sizeof(out), out), -EINVAL);
	assert_int_equal(tree_span(env->t, &dir, 0, &s), -EINVAL);
}

static void test_xattrs(void **state)
{
	struct tree_rig *env = *state;
	struct tree_entry e = tree_rig_entry(ENTRY_REG, "f");
	struct buf in = BUF_INIT, out = BUF_INIT;
	struct xattr x = { "user.a", 6, (const uint8_t *)"v", 1 };
	static uint8_t value[100000];

	assert_int_equal(buf_u8(&out, 9), 0);
	assert_int_equal(tree_xattrs(env->t, &e, &out), 0);
	assert_int_equal(out.len, 1);
	assert_int_equal(xattr_encode(&in, &x), 0);
	e.xattrs = in.data;
	e.xattrs_len = (uint32_t)in.len;
	assert_int_equal(tree_xattrs(env->t, &e, &out), 0);
	assert_int_equal(out.len, 1 + in.len);
	assert_memory_equal(out.data + 1, in.data, in.len);

	x = (struct xattr){ "user.big", 8, value, sizeof(value) };
	assert_int_equal(xattr_encode(&in, &x), 0);
	e.flags = ENTRY_XATTRS_BY_ID;
	assert_int_equal(object_writer_put(env->w, in.data, in.len, &e.xattrs_id), 0);
	tree_rig_publish(env);
	buf_clear(&out);
	assert_int_equal(tree_xattrs(env->t, &e, &out), 0);
	assert_int_equal(out.len, in.len);
	assert_memory_equal(out.data, in.data, in.len);

	/* No attributes, though an object that is intact. */
	in.data[0] = 0;
	assert_int_equal(object_writer_put(env->w, in.data, in.len, &e.xattrs_id), 0);
	tree_rig_publish(env);
	assert_int_equal(tree_xattrs(env->t, &e, &out), -EBADMSG);
	assert_int_equal(out.len, in.len);
	assert_true(fixture_logged(&env->f, "malformed"));
	buf_free(&in);
	buf_free(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_rig_setup, tree_rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_content_inline),
		TEST(test_content_paged),
		TEST(test_content_none),
		TEST(test_xattrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
