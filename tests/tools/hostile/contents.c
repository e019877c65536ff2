/*
 * hostile: contents of files.
 */
#include "tests/tools/hostile/hostile.h"

static void one_span(struct lab *l, struct root *r, const struct id *chunk, uint32_t len)
{
	uint8_t record[SPAN_RECORD_LEN];
	struct tree_entry e = lab_file("file", chunk, len, record);

	(void)l;
	lab_make_page(r, &e, 1);
}

void long_span(struct lab *l, struct root *r)
{
	struct id chunk = lab_put_data(l, "short");

	one_span(l, r, &chunk, 100000);
}

void short_span(struct lab *l, struct root *r)
{
	struct id chunk = lab_put_data(l, "longer than the span says");

	one_span(l, r, &chunk, 5);
}

void missing_chunk(struct lab *l, struct root *r)
{
	struct id chunk;

	crypt_random(&chunk, sizeof(chunk));
	one_span(l, r, &chunk, 1000);
}

void tree_as_data(struct lab *l, struct root *r)
{
	struct id page = lab_harmless(l);

	one_span(l, r, &page, 200);
}

void data_bomb(struct lab *l, struct root *r)
{
	struct id chunk = lab_put_bomb(l, PACK_DATA, 4096);

	one_span(l, r, &chunk, 4096);
}

void tree_bomb(struct lab *l, struct root *r)
{
	struct id page = lab_put_bomb(l, PACK_TREE, 4096);
	struct tree_entry e = lab_dir("dir", &page, 1);

	lab_make_page(r, &e, 1);
}

void xattr_bomb(struct lab *l, struct root *r)
{
	struct tree_entry e = lab_entry(ENTRY_REG, "file");

	e.flags = ENTRY_XATTRS_BY_ID;
	e.xattrs_id = lab_put_bomb(l, PACK_TREE, 200000);
	lab_make_page(r, &e, 1);
}

void xattr_is_page(struct lab *l, struct root *r)
{
	struct tree_entry e = lab_entry(ENTRY_REG, "file");

	e.flags = ENTRY_XATTRS_BY_ID;
	e.xattrs_id = lab_harmless(l);
	lab_make_page(r, &e, 1);
}

/* As large as a file can be, and nothing in it. */
void huge_file(struct lab *l, struct root *r)
{
	struct tree_entry e = lab_entry(ENTRY_REG, "file");

	(void)l;
	e.size = INT64_MAX;
	lab_make_page(r, &e, 1);
}

/* A symlink to a directory elsewhere, and files that say that they are the same inode. */
void linked(struct lab *l, struct root *r)
{
	uint8_t record[2][SPAN_RECORD_LEN];
	struct id chunk = lab_put_data(l, "PLANTED\n");
	struct tree_entry e[3] = { lab_link("a", l->outside), lab_file("b", &chunk, 8, record[0]),
		lab_file("c", &chunk, 8, record[1]) };

	for (unsigned i = 0; i < 3; i++) {
		e[i].nlink = 3;
		e[i].dev = 1;
		e[i].ino = 77;
	}
	e[1].mode = 06777;
	lab_make_page(r, e, 3);
}
