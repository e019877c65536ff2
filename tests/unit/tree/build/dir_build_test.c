/*
 * Unit tests of repo/tree/dir_build.h: pages are cut where the header says, and make the tree that was put in.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "repo/crypt/crypt.h"
#include "repo/tree/dir_build.h"
#include "tests/unit/tree/build/pages.h"

/* A directory of ${n} files "f0000000" and on, with number ${without} left out. */
static int build(struct pages *p, uint32_t n, uint32_t without, struct id *root)
{
	uint64_t entries, below;
	struct dir_builder *b;
	struct tree_entry e;
	char name[16];
	int rc;

	assert_int_equal(dir_builder_new(pages_take, p, &b), 0);
	for (uint32_t i = 0; i < n; i++) {
		if (i == without)
			continue;
		snprintf(name, sizeof(name), "f%07u", i);
		e = pages_file(name);
		rc = dir_builder_add(b, &e);
		assert_int_equal(rc, 0);
	}
	rc = dir_builder_finish(b, root, &entries, &below);
	if (rc >= 0) {
		assert_int_equal(entries, without < n ? n - 1 : n);
		assert_int_equal(below, entries);
	}
	dir_builder_free(b);
	return rc;
}

/* Count the entries under a page by walking level for level, and check order and totals on the way. */
struct walk {
	const struct pages *pages;
	uint64_t entries;
	char last[256];
	size_t last_len;
};

static void walk_page(struct walk *w, const struct id *id, int level, uint64_t total)
{
	const struct page_put *put = pages_find(w->pages, id);
	struct tree_page p;
	struct tree_entry e;
	struct tree_ref ref, next;

	assert_int_equal(tree_page_open(&p, put->data, put->len), 0);
	assert_int_equal(p.total, total);
	assert_true(level < 0 || p.level == level);
	for (uint32_t i = 0; i < p.count; i++) {
		if (p.level > 0) {
			tree_page_ref(&p, i, &ref);
			next.before = p.total;
			if (i + 1 < p.count)
				tree_page_ref(&p, i + 1, &next);
			walk_page(w, &ref.id, p.level - 1, next.before - ref.before);
			continue;
		}
		tree_page_entry(&p, i, &e);
		assert_true(entry_name_compare(w->last, w->last_len, e.name, e.name_len) < 0);
		memcpy(w->last, e.name, e.name_len);
		w->last_len = e.name_len;
		w->entries++;
	}
}

static void assert_tree(const struct pages *p, const struct id *root, uint64_t n)
{
	struct walk w = { .pages = p };

	walk_page(&w, root, -1, n);
	assert_int_equal(w.entries, n);
}

static void test_empty(void **state)
{
	struct pages p = { 0 };
	struct id root;

	(void)state;
	memset(&root, 7, sizeof(root));
	assert_int_equal(build(&p, 0, UINT32_MAX, &root), 0);
	assert_int_equal(root.b[0], 7);
	assert_int_equal(p.n, 0);
	dir_builder_free(NULL);
}

static void test_small(void **state)
{
	struct pages p = { 0 };
	struct id root;

	(void)state;
	assert_int_equal(build(&p, 1, UINT32_MAX, &root), 1);
	assert_int_equal(p.n, 1);
	assert_true(id_equal(&root, &p.put[0].id));
	assert_tree(&p, &root, 1);
	pages_free(&p);
}

static uint64_t fnv1a(const char *name)
{
	uint64_t h = 14695981039346656037ull;

	for (; *name; name++) {
		h ^= (uint8_t)*name;
		h *= 1099511628211ull;
	}
	return h;
}

/* The rule as the header has it, on level 0 and 1, by itself. */
static void test_cuts(void **state)
{
	const uint32_t n = 300000;
	uint32_t count = 0, leaves = 0, refs = 0, inner = 0;
	struct pages p = { 0 };
	struct tree_page page;
	char name[16], first[16];
	struct id root;
	size_t at = 0;

	(void)state;
	assert_int_equal(build(&p, n, UINT32_MAX, &root), 1);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "f%07u", i);
		if (count == 0)
			memcpy(first, name, sizeof(first));
		count++;
		/* The entries are small: 192 KiB are reached at 1405 of 128 + 8 + 4 bytes. */
		if (i + 1 < n && (count < 256 || fnv1a(name) % 512 != 0) && 32 + count * 140 < 192 * 1024)
			continue;
		assert_int_equal(tree_page_open(&page, p.put[at].data, p.put[at].len), 0);
		assert_int_equal(page.level, 0);
		assert_int_equal(page.count, count);
		at++;
		leaves++;
		refs++;
		count = 0;
		if (i + 1 < n && (refs < 64 || (fnv1a(first) >> 9) % 128 != 0))
			continue;
		assert_int_equal(tree_page_open(&page, p.put[at].data, p.put[at].len), 0);
		assert_int_equal(page.level, 1);
		assert_int_equal(page.count, refs);
		at++;
		inner++;
		refs = 0;
	}
	assert_true(leaves > 200 && inner > 1);
	assert_int_equal(at + 1, p.n); /* and the root */
	assert_tree(&p, &root, n);
	pages_free(&p);
}

/* A change touches few pages, and the same entries give the same pages. */
static void test_stable(void **state)
{
	struct pages a = { 0 }, b = { 0 }, c = { 0 };
	struct id root_a, root_b, root_c;
	size_t fresh = 0;

	(void)state;
	assert_int_equal(build(&a, 50000, UINT32_MAX, &root_a), 1);
	assert_int_equal(build(&b, 50000, UINT32_MAX, &root_b), 1);
	assert_int_equal(build(&c, 50000, 20000, &root_c), 1);
	assert_true(id_equal(&root_a, &root_b));
	assert_false(id_equal(&root_a, &root_c));
	for (size_t i = 0; i < c.n; i++) {
		size_t k = 0;

		while (k < a.n && !id_equal(&a.put[k].id, &c.put[i].id))
			k++;
		fresh += k == a.n;
	}
	assert_in_range(fresh, 2, 6);
	assert_tree(&c, &root_c, 49999);
	pages_free(&a);
	pages_free(&b);
	pages_free(&c);
}

/* Every length up to some pages: wherever the end falls, the root is right. */
static void test_lengths(void **state)
{
	struct pages p = { 0 };
	struct tree_page page;
	struct id root;

	(void)state;
	for (uint32_t n = 250; n < 3000; n += n < 270 ? 1 : 13) {
		assert_int_equal(build(&p, n, UINT32_MAX, &root), 1);
		assert_tree(&p, &root, n);
		assert_int_equal(tree_page_open(&page, pages_find(&p, &root)->data, pages_find(&p, &root)->len), 0);
		assert_true(page.level == 0 || page.count > 1);
		pages_free(&p);
	}
}

/* An end just at a cut: the one page is the root, and no page of references is made for it. */
static void test_end_at_cut(void **state)
{
	struct pages p = { 0 };
	struct id root;
	char name[16];
	uint32_t n;

	(void)state;
	for (n = 255; n < 100000; n++) {
		snprintf(name, sizeof(name), "f%07u", n);
		if (fnv1a(name) % 512 == 0)
			break;
	}
	assert_int_equal(build(&p, n + 1, UINT32_MAX, &root), 1);
	assert_int_equal(p.n, 1);
	assert_true(id_equal(&root, &p.put[0].id));
	pages_free(&p);
}

static void test_refuses(void **state)
{
	struct tree_entry e = pages_file("b"), dir = pages_file("c");
	uint64_t entries, below;
	struct pages p = { 0 };
	struct dir_builder *b;
	struct id root;

	(void)state;
	assert_int_equal(dir_builder_new(pages_take, &p, &b), 0);
	assert_int_equal(dir_builder_add(b, &e), 0);
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	e = pages_file("a");
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	e = pages_file("x/y");
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	dir.type = ENTRY_DIR;
	dir.flags = ENTRY_HAS_CHILD;
	dir.below = TREE_TOTAL_MAX - 1; /* one too many, with the entry before */
	assert_int_equal(dir_builder_add(b, &dir), -EINVAL);
	dir.below--;
	assert_int_equal(dir_builder_add(b, &dir), 0);
	/* None of these did harm. */
	assert_int_equal(dir_builder_finish(b, &root, &entries, &below), 1);
	assert_int_equal(entries, 2);
	assert_int_equal(below, TREE_TOTAL_MAX);
	e = pages_file("d");
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	assert_int_equal(dir_builder_finish(b, &root, &entries, &below), -EINVAL);
	dir_builder_free(b);
	pages_free(&p);
}

/* The bound of all entries holds across pages that are put already. */
static void test_refuses_across_pages(void **state)
{
	struct tree_entry e = pages_file("a");
	struct pages p = { 0 };
	struct dir_builder *b;

	(void)state;
	e.type = ENTRY_DIR;
	e.flags = ENTRY_HAS_CHILD;
	e.below = TREE_TOTAL_MAX / 2;
	assert_int_equal(dir_builder_new(pages_take, &p, &b), 0);
	assert_int_equal(dir_builder_add(b, &e), 0);
	assert_int_equal(dir_builder_spill(b), 0);
	e.name = "b";
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	e.below -= 2;
	e.name = "a";
	assert_int_equal(dir_builder_add(b, &e), -EINVAL);
	e.name = "b";
	assert_int_equal(dir_builder_add(b, &e), 0);
	dir_builder_free(b);
	pages_free(&p);
}

/* What the put says is said again, and nothing that was lost is forgotten. */
static void test_put_fails(void **state)
{
	uint64_t entries, below;
	struct dir_builder *b;
	struct tree_entry e;
	struct id root;
	char name[16];

	(void)state;
	for (size_t at = 1; at < 5; at++) {
		struct pages p = { .fail_at = at };
		int rc = 0;

		assert_int_equal(dir_builder_new(pages_take, &p, &b), 0);
		for (int i = 0; i < 3000 && rc == 0; i++) {
			snprintf(name, sizeof(name), "f%07d", i);
			e = pages_file(name);
			rc = dir_builder_add(b, &e);
		}
		if (rc < 0) {
			assert_int_equal(rc, -ENOSPC);
			p.fail_at = 0;
			e = pages_file("z");
			assert_int_equal(dir_builder_add(b, &e), -ENOSPC);
			assert_int_equal(dir_builder_spill(b), -ENOSPC);
		}
		rc = dir_builder_finish(b, &root, &entries, &below);
		assert_int_equal(rc, -ENOSPC);
		dir_builder_free(b);
		pages_free(&p);
	}
}

static void test_spill(void **state)
{
	struct pages p = { 0 };
	uint64_t entries, below;
	struct dir_builder *b;
	struct tree_entry e;
	struct id root;
	size_t before;
	char name[16];

	(void)state;
	assert_int_equal(dir_builder_new(pages_take, &p, &b), 0);
	assert_int_equal(dir_builder_spill(b), 0);
	assert_int_equal(p.n, 0);
	before = dir_builder_memory(b);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%07d", i);
		e = pages_file(name);
		assert_int_equal(dir_builder_add(b, &e), 0);
		if (i % 100 == 99) {
			assert_true(dir_builder_memory(b) > before + 100 * 136);
			assert_int_equal(dir_builder_spill(b), 0);
			assert_true(dir_builder_memory(b) < before + 1000);
		}
	}
	assert_int_equal(p.n, 2);
	assert_int_equal(dir_builder_finish(b, &root, &entries, &below), 1);
	assert_int_equal(entries, 200);
	assert_tree(&p, &root, 200);
	dir_builder_free(b);
	pages_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_small),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_stable),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_end_at_cut),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_refuses_across_pages),
		cmocka_unit_test(test_put_fails),
		cmocka_unit_test(test_spill),
	};

	return crypt_init() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
