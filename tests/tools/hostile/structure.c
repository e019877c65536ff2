/*
 * hostile: directories that do not hang together as they should.
 */
#include <string.h>

#include "repo/tree/span/span_layout.h"
#include "repo/util/bytes/le.h"
#include "tests/tools/hostile/hostile.h"
#include "tests/tools/lib/tool.h"

#define DEPTH 5000   /* directories in each other */
#define DOUBLINGS 30 /* directories that have their forerunner twice */

void below_lies(struct lab *l, struct root *r)
{
	struct id child = lab_harmless(l);
	struct tree_entry e = lab_dir("dir", &child, 5);

	lab_make_page(r, &e, 1);
}

void below_huge(struct lab *l, struct root *r)
{
	struct id child = lab_harmless(l);
	struct tree_entry e = lab_dir("dir", &child, TREE_TOTAL_MAX - 2);

	lab_make_page(r, &e, 1);
}

void root_lies(struct lab *l, struct root *r)
{
	lab_patched(l, r, "a", "b", "a", "a", 1);
	r->below = 1000000000;
}

void missing_child(struct lab *l, struct root *r)
{
	struct tree_entry e;
	struct id nothing;

	(void)l;
	crypt_random(&nothing, sizeof(nothing));
	e = lab_dir("dir", &nothing, 1);
	lab_make_page(r, &e, 1);
}

/* A directory whose page is a file's list of spans, and a file whose list is a directory's page. */
void mixed_kinds(struct lab *l, struct root *r)
{
	struct id page = lab_harmless(l), chunk = lab_put_data(l, "harmless\n"), spans;
	uint8_t list[SPAN_PAGE_HEADER + SPAN_RECORD_LEN] = SPAN_MAGIC;
	struct span s = { .len = 9, .id = chunk };
	struct tree_entry e[2];

	le32enc(list + 8, 1);
	le64enc(list + 24, 9);
	span_encode(&s, list + SPAN_PAGE_HEADER);
	spans = lab_put_tree(l, list, sizeof(list));
	e[0] = lab_dir("dir", &spans, 1);
	e[1] = lab_entry(ENTRY_REG, "file");
	e[1].flags = ENTRY_HAS_CHILD;
	e[1].child = page;
	e[1].size = e[1].data_bytes = 9;
	lab_make_page(r, e, 2);
}

/* A page of references ${level}, to ${child}. */
static void make_refs(struct root *r, uint8_t level, const char *name, const struct id *child)
{
	struct tree_page_builder b;

	tree_page_builder_init(&b, level);
	lab_want(tree_page_builder_add_ref(&b, name, (uint16_t)strlen(name), child, 1, 1), "add a reference");
	r->below = b.total;
	lab_want(tree_page_builder_finish(&b, &r->page), "make a page");
	tree_page_builder_destroy(&b);
}

void same_level(struct lab *l, struct root *r)
{
	struct root below = { .page = BUF_INIT };
	struct id leaf = lab_harmless(l), mid;

	make_refs(&below, 1, "harmless", &leaf);
	mid = lab_put_tree(l, below.page.data, below.page.len);
	buf_free(&below.page);
	make_refs(r, 1, "harmless", &mid);
}

void other_names(struct lab *l, struct root *r)
{
	struct id leaf = lab_harmless(l);

	make_refs(r, 1, "zzz", &leaf);
}

/* Directories in each other: legal, but nobody may need memory or a stack for it, or fail for long paths. */
void deep(struct lab *l, struct root *r)
{
	struct id page = lab_harmless(l);
	struct tree_entry e;

	for (uint64_t i = 1; i < DEPTH; i++) {
		e = lab_dir("d", &page, i);
		page = lab_put_page(l, &e, 1);
	}
	e = lab_dir("d", &page, DEPTH);
	lab_make_page(r, &e, 1);
}

/* A thousand million entries from thirty pages. */
void doubled(struct lab *l, struct root *r)
{
	struct id page = lab_harmless(l);
	struct tree_entry e[2];
	uint64_t below = 1;

	for (unsigned i = 0; i < DOUBLINGS; i++) {
		e[0] = lab_dir("a", &page, below);
		e[1] = lab_dir("b", &page, below);
		below = 2 * (below + 1);
		if (i + 1 < DOUBLINGS)
			page = lab_put_page(l, e, 2);
	}
	lab_make_page(r, e, 2);
}
