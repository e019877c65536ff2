/*
 * hostile: names and fields of entries that no honest writer makes.
 */
#include <string.h>

#include "repo/tree/page/page_layout.h"
#include "tests/tools/hostile/hostile.h"
#include "tests/tools/lib/tool.h"

void lab_patched(struct lab *l, struct root *r, const char *a, const char *b, const char *from, const char *to,
    size_t len)
{
	uint8_t record[2][SPAN_RECORD_LEN];
	struct id chunk = lab_put_data(l, "PLANTED\n");
	struct tree_entry e[2] = { lab_file(a, &chunk, 8, record[0]), lab_file(b, &chunk, 8, record[1]) };
	uint8_t *at;

	lab_make_page(r, e, 2);
	at = memmem(r->page.data, r->page.len, from, len);
	if (at == NULL)
		die("nothing to patch");
	memcpy(at, to, len);
}

void slash(struct lab *l, struct root *r) { lab_patched(l, r, "a", "bXc", "bXc", "b/c", 3); }
void absolute(struct lab *l, struct root *r) { lab_patched(l, r, "A", "XetcX", "XetcX", "/tmp/", 5); }
void dotdot(struct lab *l, struct root *r) { lab_patched(l, r, "A", "XY", "XY", "..", 2); }
void dot(struct lab *l, struct root *r) { lab_patched(l, r, "A", "XYZ0", "XYZ0", "./..", 4); }
void nul(struct lab *l, struct root *r) { lab_patched(l, r, "A", "bXc", "bXc", "b\0c", 3); }
void duplicate(struct lab *l, struct root *r) { lab_patched(l, r, "qa", "qb", "qb", "qa", 2); }
void unsorted(struct lab *l, struct root *r) { lab_patched(l, r, "qa", "qb", "qa", "zz", 2); }

/* Field of the first record. */
static uint8_t *field(struct root *r, size_t offset)
{
	return r->page.data + le32dec(r->page.data + PAGE_HEADER_LEN) + offset;
}

void empty_name(struct lab *l, struct root *r)
{
	lab_patched(l, r, "a", "b", "a", "a", 1);
	le16enc(field(r, 4), 0);
}

void long_name(struct lab *l, struct root *r)
{
	lab_patched(l, r, "a", "b", "a", "a", 1);
	le16enc(field(r, 4), 0xffff);
}

void unknown_type(struct lab *l, struct root *r)
{
	lab_patched(l, r, "a", "b", "a", "a", 1);
	*field(r, 0) = 3;
}

void mode_bits(struct lab *l, struct root *r)
{
	lab_patched(l, r, "a", "b", "a", "a", 1);
	le16enc(field(r, 2), 0xffff);
}

void xattrs_len(struct lab *l, struct root *r)
{
	lab_patched(l, r, "a", "b", "a", "a", 1);
	le32enc(field(r, 116), 0x7fffffff);
}

void spans_len(struct lab *l, struct root *r)
{
	lab_patched(l, r, "a", "b", "a", "a", 1);
	le32enc(field(r, 120), 0xffffffff);
}

void count_huge(struct lab *l, struct root *r)
{
	lab_patched(l, r, "a", "b", "a", "a", 1);
	le32enc(r->page.data + 8, 0xffffffff);
}

void target_nul(struct lab *l, struct root *r)
{
	struct tree_entry e = lab_link("link", "to/Xnul");

	(void)l;
	lab_make_page(r, &e, 1);
	*(uint8_t *)memmem(r->page.data, r->page.len, "Xnul", 4) = 0;
}
