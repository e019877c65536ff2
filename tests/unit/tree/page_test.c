/*
 * Unit tests of repo/tree/page/page.h: what is written is what is read, and what is wrong is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/tree/page/page.h"
#include "repo/tree/span/span.h"
#include "repo/tree/xattr.h"
#include "repo/util/bytes/le.h"

#define SPANS 3

static uint8_t spans[SPANS * SPAN_RECORD_LEN];
static struct buf xattrs;

static int setup(void **state)
{
	const struct xattr x = { "user.comment", 12, (const uint8_t *)"hello", 5 };

	(void)state;
	for (uint32_t i = 0; i < SPANS; i++) {
		struct span s = { .off = i * 5000, .len = 4096 };

		memset(s.id.b, (int)i + 1, ID_LEN);
		span_encode(&s, spans + (size_t)i * SPAN_RECORD_LEN);
	}
	return xattr_encode(&xattrs, &x);
}

static int teardown(void **state)
{
	(void)state;
	buf_free(&xattrs);
	return 0;
}

/* A regular file with something in every field that it can have. */
static struct tree_entry regular(const char *name)
{
	return (struct tree_entry){
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.type = ENTRY_REG,
		.flags = ENTRY_HAS_BTIME,
		.mode = 06755,
		.uid = 100000,
		.gid = 4294967294u,
		.user = "alice",
		.user_len = 5,
		.group = "users",
		.group_len = 5,
		.nlink = 2,
		.mtime = -1,
		.mtime_ns = 999999999,
		.ctime = 1LL << 34,
		.ctime_ns = 1,
		.btime = 1000,
		.btime_ns = 500,
		.size = 20000,
		.data_bytes = 3 * 4096,
		.dev = 0x801,
		.ino = 1ull << 63,
		.xattrs = xattrs.data,
		.xattrs_len = (uint32_t)xattrs.len,
		.spans = spans,
		.nspans = SPANS,
	};
}

static struct tree_entry directory(const char *name, uint64_t below)
{
	struct tree_entry e = {
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.type = ENTRY_DIR,
		.flags = below > 0 ? ENTRY_HAS_CHILD : 0,
		.mode = 01777,
		.nlink = 2,
		.below = below,
	};

	memset(e.child.b, 0xdd, below > 0 ? ID_LEN : 0);
	return e;
}

static struct tree_entry symlink_to(const char *name, const char *target)
{
	return (struct tree_entry){
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.type = ENTRY_LNK,
		.mode = 0777,
		.target = target,
		.target_len = (uint16_t)strlen(target),
	};
}

/* A page with one of each kind. */
static void make_page(struct buf *out)
{
	struct tree_entry by_id = regular("b-by-id"), device = regular("c-device"), big = regular("e-list");
	struct tree_entry e[] = { directory("a-dir", 10), by_id, device, directory("d-empty", 0), big,
		symlink_to("f-link", "../x"), regular("g-file") };
	struct tree_page_builder b;

	e[1].flags |= ENTRY_XATTRS_BY_ID;
	e[1].xattrs_len = 5000;
	memset(e[1].xattrs_id.b, 0xaa, ID_LEN);
	e[2].type = ENTRY_BLK;
	e[2].rdev_major = 8;
	e[2].rdev_minor = 1;
	e[2].nspans = 0;
	e[4].flags |= ENTRY_HAS_CHILD;
	e[4].nspans = 0;
	memset(e[4].child.b, 0xcc, ID_LEN);
	tree_page_builder_init(&b, 0);
	for (size_t i = 0; i < sizeof(e) / sizeof(e[0]); i++)
		assert_int_equal(tree_page_builder_add(&b, &e[i]), 0);
	assert_int_equal(tree_page_builder_finish(&b, out), 0);
	tree_page_builder_destroy(&b);
}

/* Open bytes that a sanitizer guards on both sides. */
static int open_copy(const void *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct tree_page p;
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, len);
	rc = tree_page_open(&p, copy, len);
	free(copy);
	return rc;
}

static void assert_same_text(const char *a, size_t alen, const char *b, size_t blen)
{
	assert_int_equal(alen, blen);
	assert_memory_equal(a, b, alen);
}

static void test_round_trip(void **state)
{
	const struct tree_entry want = regular("g-file");
	struct buf page = BUF_INIT;
	struct tree_entry e;
	struct tree_page p;

	(void)state;
	make_page(&page);
	assert_int_equal(tree_page_open(&p, page.data, page.len), 0);
	assert_int_equal(p.level, 0);
	assert_int_equal(p.count, 7);
	assert_int_equal(p.entries, 7);
	assert_int_equal(p.total, 17);

	tree_page_entry(&p, 6, &e);
	assert_same_text(e.name, e.name_len, want.name, want.name_len);
	assert_same_text(e.user, e.user_len, "alice", 5);
	assert_same_text(e.group, e.group_len, "users", 5);
	assert_int_equal(e.type, want.type);
	assert_int_equal(e.flags, want.flags);
	assert_int_equal(e.mode, want.mode);
	assert_int_equal(e.uid, want.uid);
	assert_int_equal(e.gid, want.gid);
	assert_int_equal(e.nlink, want.nlink);
	assert_true(e.mtime == want.mtime && e.mtime_ns == want.mtime_ns);
	assert_true(e.ctime == want.ctime && e.ctime_ns == want.ctime_ns);
	assert_true(e.btime == want.btime && e.btime_ns == want.btime_ns);
	assert_int_equal(e.size, want.size);
	assert_int_equal(e.data_bytes, want.data_bytes);
	assert_int_equal(e.dev, want.dev);
	assert_true(e.ino == want.ino);
	assert_int_equal(e.before, 16);
	assert_int_equal(e.xattrs_len, xattrs.len);
	assert_memory_equal(e.xattrs, xattrs.data, xattrs.len);
	assert_int_equal(e.nspans, SPANS);
	assert_memory_equal(e.spans, spans, sizeof(spans));
	buf_free(&page);
}

static void test_kinds(void **state)
{
	struct buf page = BUF_INIT;
	struct tree_entry e;
	struct tree_page p;

	(void)state;
	make_page(&page);
	assert_int_equal(tree_page_open(&p, page.data, page.len), 0);
	tree_page_entry(&p, 0, &e);
	assert_int_equal(e.below, 10);
	assert_int_equal(e.before, 0);
	assert_int_equal(e.child.b[31], 0xdd);
	tree_page_entry(&p, 1, &e);
	assert_int_equal(e.before, 11);
	assert_int_equal(e.xattrs_len, 0);
	assert_int_equal(e.xattrs_id.b[0], 0xaa);
	assert_int_equal(e.nspans, SPANS);
	assert_memory_equal(e.spans, spans, sizeof(spans));
	tree_page_entry(&p, 2, &e);
	assert_int_equal(e.rdev_major, 8);
	assert_int_equal(e.rdev_minor, 1);
	tree_page_entry(&p, 3, &e);
	assert_int_equal(e.below, 0);
	assert_int_equal(e.flags & ENTRY_HAS_CHILD, 0);
	tree_page_entry(&p, 4, &e);
	assert_int_equal(e.child.b[0], 0xcc);
	assert_int_equal(e.nspans, 0);
	tree_page_entry(&p, 5, &e);
	assert_same_text(e.target, e.target_len, "../x", 4);
	buf_free(&page);
}

static void test_find(void **state)
{
	struct buf page = BUF_INIT;
	struct tree_page p;
	uint32_t i = 99;

	(void)state;
	make_page(&page);
	assert_int_equal(tree_page_open(&p, page.data, page.len), 0);
	assert_true(tree_page_find(&p, "a-dir", 5, &i));
	assert_int_equal(i, 0);
	assert_true(tree_page_find(&p, "g-file", 6, &i));
	assert_int_equal(i, 6);
	assert_true(tree_page_find(&p, "d-empty", 7, &i));
	assert_int_equal(i, 3);
	assert_false(tree_page_find(&p, "d-empt", 6, &i));
	assert_false(tree_page_find(&p, "d-emptyy", 8, &i));
	assert_false(tree_page_find(&p, "A", 1, &i));
	assert_false(tree_page_find(&p, "z", 1, &i));

	assert_int_equal(tree_page_lower_bound(&p, "", 0), 0);
	assert_int_equal(tree_page_lower_bound(&p, "a-dir", 5), 0);
	assert_int_equal(tree_page_lower_bound(&p, "a-dirr", 6), 1);
	assert_int_equal(tree_page_lower_bound(&p, "zz", 2), 7);

	assert_int_equal(tree_page_at(&p, 0), 0);
	assert_int_equal(tree_page_at(&p, 10), 0);
	assert_int_equal(tree_page_at(&p, 11), 1);
	assert_int_equal(tree_page_at(&p, 16), 6);
	assert_int_equal(tree_page_at(&p, 1000), 6);
	buf_free(&page);
}

static void test_record(void **state)
{
	struct buf page = BUF_INIT;
	const uint8_t *first, *last;
	struct tree_page p;
	uint32_t first_len, last_len;

	(void)state;
	make_page(&page);
	assert_int_equal(tree_page_open(&p, page.data, page.len), 0);
	first = tree_page_record(&p, 0, &first_len);
	last = tree_page_record(&p, 6, &last_len);
	assert_ptr_equal(first, page.data + 32 + 4 * 7);
	assert_int_equal(first_len, 128 + 5 + 32);
	assert_ptr_equal(last + last_len, page.data + page.len);
	assert_int_equal(last_len, 128 + 6 + 10 + xattrs.len + sizeof(spans));
	buf_free(&page);
}

static void make_refs(struct buf *out)
{
	struct tree_page_builder b;
	struct id id;

	tree_page_builder_init(&b, 2);
	for (int i = 0; i < 3; i++) {
		const char name[2] = { 'b', (char)('0' + i) };

		memset(id.b, i, ID_LEN);
		assert_int_equal(tree_page_builder_add_ref(&b, name, 2, &id, 100, 50), 0);
	}
	assert_int_equal(tree_page_builder_add_ref(&b, "b2", 2, &id, 1, 1), -EINVAL);
	assert_int_equal(tree_page_builder_add_ref(&b, "b3", 2, &id, 0, 0), -EINVAL);
	assert_int_equal(tree_page_builder_add_ref(&b, "b3", 2, &id, 1, 2), -EINVAL);
	assert_int_equal(tree_page_builder_add_ref(&b, "b3", 2, &id, TREE_TOTAL_MAX - 299, 1), -EINVAL);
	assert_int_equal(tree_page_builder_finish(&b, out), 0);
	tree_page_builder_destroy(&b);
}

static void test_refs(void **state)
{
	struct buf page = BUF_INIT;
	struct tree_page p;
	struct tree_ref ref;
	uint32_t i;

	(void)state;
	make_refs(&page);
	assert_int_equal(tree_page_open(&p, page.data, page.len), 0);
	assert_int_equal(p.level, 2);
	assert_int_equal(p.total, 300);
	assert_int_equal(p.entries, 150);
	tree_page_ref(&p, 1, &ref);
	assert_same_text(ref.name, ref.name_len, "b1", 2);
	assert_int_equal(ref.before, 100);
	assert_int_equal(ref.id.b[31], 1);

	assert_false(tree_page_find(&p, "a", 1, &i));
	assert_true(tree_page_find(&p, "b0", 2, &i));
	assert_int_equal(i, 0);
	assert_true(tree_page_find(&p, "b0x", 3, &i));
	assert_int_equal(i, 0);
	assert_true(tree_page_find(&p, "b1", 2, &i));
	assert_int_equal(i, 1);
	assert_true(tree_page_find(&p, "zzz", 3, &i));
	assert_int_equal(i, 2);
	assert_int_equal(tree_page_at(&p, 199), 1);
	assert_int_equal(tree_page_at(&p, 200), 2);
	buf_free(&page);
}

/* Each breaks one rule; the builder refuses it, and takes the same entry without. */
static void test_builder_refuses(void **state)
{
	const struct tree_entry good = regular("m"), dir = directory("m", 5), lnk = symlink_to("m", "t");
	uint8_t many[(ENTRY_SPANS_INLINE + 1) * SPAN_RECORD_LEN];
	static char long_text[5000];
	struct tree_entry e[40];
	struct tree_page_builder b;
	size_t n = 0;

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	for (uint32_t i = 0; i <= ENTRY_SPANS_INLINE; i++)
		span_encode(&(struct span){ .off = i * 100, .len = 100 }, many + (size_t)i * SPAN_RECORD_LEN);
#define BAD(base, ...) do { e[n] = (base); struct tree_entry *x = &e[n++]; __VA_ARGS__; } while (0)
	BAD(good, x->type = 3);
	BAD(good, x->flags |= 16);
	BAD(good, x->flags |= ENTRY_PARTIAL);
	BAD(good, x->mode = 010000);
	BAD(good, x->name = "a/b"; x->name_len = 3);
	BAD(good, x->name = ".."; x->name_len = 2);
	BAD(good, x->name_len = 0);
	BAD(good, x->name = long_text; x->name_len = 256);
	BAD(good, x->user = "a\0b"; x->user_len = 3);
	BAD(good, x->group = "a\0b"; x->group_len = 3);
	BAD(good, x->mtime_ns = 1000000000);
	BAD(good, x->ctime_ns = 1000000000);
	BAD(good, x->btime_ns = 1000000000);
	BAD(good, x->size = 1ull << 63);
	BAD(good, x->size = 14095);
	BAD(good, x->data_bytes = 20001);
	BAD(good, x->below = 1);
	BAD(good, x->target = "t"; x->target_len = 1);
	BAD(good, x->xattrs_len = 3);
	BAD(good, x->flags |= ENTRY_HAS_CHILD);
	BAD(good, x->spans = many; x->nspans = ENTRY_SPANS_INLINE + 1);
	BAD(dir, x->flags = 0);
	BAD(dir, x->below = 0);
	BAD(dir, x->below = TREE_TOTAL_MAX);
	BAD(dir, x->spans = spans; x->nspans = 1);
	BAD(lnk, x->target = "a\0b"; x->target_len = 3);
	BAD(lnk, x->target = long_text; x->target_len = 4096);
	BAD(lnk, x->flags |= ENTRY_HAS_CHILD);
#undef BAD
	tree_page_builder_init(&b, 0);
	for (size_t i = 0; i < n; i++) {
		if (tree_page_builder_add(&b, &e[i]) != -EINVAL)
			fail_msg("entry %zu was taken", i);
	}
	assert_int_equal(b.count, 0);
	assert_int_equal(tree_page_builder_add(&b, &good), 0);
	assert_int_equal(tree_page_builder_add(&b, &good), -EINVAL);
	e[0] = regular("l");
	assert_int_equal(tree_page_builder_add(&b, &e[0]), -EINVAL);
	tree_page_builder_destroy(&b);
}

static void test_builder_bounds(void **state)
{
	struct tree_page_builder b;
	struct buf page = BUF_INIT;
	static char target[ENTRY_TARGET_MAX + 1];
	struct tree_entry e;
	char name[16];
	int n = 0, rc;

	(void)state;
	memset(target, 't', sizeof(target) - 1);
	tree_page_builder_init(&b, 0);
	assert_int_equal(tree_page_builder_finish(&b, &page), -EINVAL);
	do {
		snprintf(name, sizeof(name), "%06d", n++);
		e = symlink_to(name, target);
		rc = tree_page_builder_add(&b, &e);
	} while (rc == 0);
	assert_int_equal(rc, -EINVAL);
	assert_in_range(tree_page_builder_size(&b), TREE_PAGE_MAX - 5000, TREE_PAGE_MAX);
	rc = (int)tree_page_builder_size(&b);
	assert_int_equal(tree_page_builder_finish(&b, &page), 0);
	assert_int_equal(page.len, rc);
	assert_int_equal(open_copy(page.data, page.len), 0);

	/* Empty again, and as good as new. */
	assert_int_equal(tree_page_builder_size(&b), 32);
	e = directory("d", TREE_TOTAL_MAX - 1);
	assert_int_equal(tree_page_builder_add(&b, &e), 0);
	e = directory("e", 0);
	assert_int_equal(tree_page_builder_add(&b, &e), -EINVAL);
	buf_clear(&page);
	assert_int_equal(tree_page_builder_finish(&b, &page), 0);
	assert_int_equal(open_copy(page.data, page.len), 0);
	tree_page_builder_destroy(&b);
	buf_free(&page);
}

static void test_cut(void **state)
{
	struct buf page = BUF_INIT;

	(void)state;
	make_page(&page);
	for (size_t len = 0; len < page.len; len++)
		assert_int_equal(open_copy(page.data, len), -EBADMSG);
	assert_int_equal(open_copy(page.data, page.len), 0);
	assert_int_equal(buf_u8(&page, 0), 0);
	assert_int_equal(open_copy(page.data, page.len), -EBADMSG);
	buf_clear(&page);
	make_refs(&page);
	for (size_t len = 0; len < page.len; len++)
		assert_int_equal(open_copy(page.data, len), -EBADMSG);
	buf_free(&page);
}

struct wound {
	size_t at;
	unsigned width; /* bytes */
	uint64_t value;
};

/* The page with one field overwritten must be refused. */
static void assert_refused(const struct buf *page, const struct wound *w)
{
	uint8_t bytes[8], *copy = malloc(page->len);

	assert_non_null(copy);
	memcpy(copy, page->data, page->len);
	le64enc(bytes, w->value);
	memcpy(copy + w->at, bytes, w->width);
	if (open_copy(copy, page->len) != -EBADMSG)
		fail_msg("%u bytes at %zu: %llx was taken", w->width, w->at, (unsigned long long)w->value);
	free(copy);
}

static void test_wounds(void **state)
{
	const size_t r0 = 32 + 7 * 4, r1 = r0 + 128 + 5 + 32; /* "a-dir", "b-by-id" */
	const struct wound wounds[] = {
		{ 0, 1, 'v' },
		{ 4, 1, 1 },                 /* level */
		{ 4, 1, TREE_LEVEL_MAX + 1 },
		{ 5, 1, 1 },
		{ 8, 4, 0 },                 /* count */
		{ 8, 4, 6 },
		{ 8, 4, 8 },
		{ 8, 4, 0xffffffff },
		{ 12, 4, 1 },
		{ 16, 8, 16 },               /* total */
		{ 16, 8, 18 },
		{ 16, 8, TREE_TOTAL_MAX + 1 },
		{ 24, 8, 6 },                /* entries */
		{ 32, 4, r0 + 1 },           /* offsets */
		{ 36, 4, r0 },
		{ 36, 4, r1 + 1 },
		{ 56, 4, 0xfffffff0 },
		{ r0 + 4, 2, 6 },            /* lengths of name, user */
		{ r0 + 6, 1, 1 },
		{ r0 + 96, 8, 11 },          /* below, before */
		{ r0 + 96, 8, UINT64_MAX },
		{ r0 + 104, 8, 1 },
		{ r1 + 104, 8, 10 },
		{ r0 + 112, 2, 1 },          /* target_len, zero, xattrs_len, spans, zero */
		{ r0 + 114, 2, 1 },
		{ r0 + 116, 4, 1 },
		{ r0 + 116, 4, 0xffffffff },
		{ r0 + 120, 4, 1 },
		{ r0 + 120, 4, 0xffffffff },
		{ r0 + 124, 4, 1 },
		{ r0 + 128, 1, '/' },        /* name */
		{ r0 + 128, 1, 'b' },
		{ r1 + 116, 4, 1 },          /* xattrs_len beside an id */
	};
	struct buf page = BUF_INIT;

	(void)state;
	make_page(&page);
	assert_int_equal(open_copy(page.data, page.len), 0);
	for (size_t i = 0; i < sizeof(wounds) / sizeof(wounds[0]); i++)
		assert_refused(&page, &wounds[i]);
	/* The last record begins at the end of the page, or too near to it. */
	assert_refused(&page, &(struct wound){ 56, 4, page.len });
	assert_refused(&page, &(struct wound){ 56, 4, page.len - 10 });
	buf_free(&page);
}

static void test_ref_wounds(void **state)
{
	const size_t r0 = 32 + 3 * 4, r1 = r0 + 50;
	const struct wound wounds[] = {
		{ 4, 1, 0 },
		{ 16, 8, 200 },      /* nothing would be left for the last */
		{ 24, 8, 2 },
		{ 24, 8, 301 },
		{ r0 + 0, 2, 3 },
		{ r0 + 0, 2, 1 },
		{ r0 + 2, 1, 1 },
		{ r0 + 4, 4, 1 },
		{ r0 + 8, 8, 1 },
		{ r1 + 8, 8, 0 },
		{ r1 + 8, 8, 200 },
		{ r1 + 8, 8, UINT64_MAX },
		{ r1 + 48, 1, 'c' },
		{ r1 + 48, 1, 'a' },
		{ r1 + 49, 1, '/' },
	};
	struct buf page = BUF_INIT;

	(void)state;
	make_refs(&page);
	assert_int_equal(open_copy(page.data, page.len), 0);
	for (size_t i = 0; i < sizeof(wounds) / sizeof(wounds[0]); i++)
		assert_refused(&page, &wounds[i]);
	buf_free(&page);
}

static void test_too_large(void **state)
{
	uint8_t *bytes = calloc(1, TREE_PAGE_MAX + 1);

	(void)state;
	assert_non_null(bytes);
	memcpy(bytes, "VTP1", 4);
	assert_int_equal(open_copy(bytes, TREE_PAGE_MAX + 1), -EBADMSG);
	assert_int_equal(open_copy(bytes, (size_t)TREE_PAGE_MAX), -EBADMSG);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_builder_refuses),
		cmocka_unit_test(test_builder_bounds),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_wounds),
		cmocka_unit_test(test_ref_wounds),
		cmocka_unit_test(test_too_large),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
