/*
 * What the sources of "hostile" share: hostile.c goes through the cases, make.c makes objects.  What is wrong is, in
 * names.c, what names and fields say; in structure.c, how directories hang together; in contents.c, what files hold.
 *
 * What fails ends the program.
 */
#ifndef VARVE_TEST_HOSTILE_H
#define VARVE_TEST_HOSTILE_H

#include "repo/repo.h"
#include "repo/tree/span/span_layout.h"

struct lab {
	struct repo *repo;
	struct object_writer *writer;
	const char *outside;
};

/* A root directory being made: the bytes of its page, and how many entries are said to be below. */
struct root {
	struct buf page;
	uint64_t below;
};

/* A case: makes its root directory. */
typedef void case_fn(struct lab *, struct root *);

case_fn slash, absolute, dotdot, dot, nul, duplicate, unsorted, empty_name, long_name, unknown_type, mode_bits,
    xattrs_len, spans_len, count_huge, target_nul;
case_fn below_lies, below_huge, root_lies, missing_child, mixed_kinds, same_level, other_names, deep, doubled;
case_fn long_span, short_span, missing_chunk, tree_as_data, data_bomb, tree_bomb, xattr_bomb, xattr_is_page, huge_file,
    linked;

/* End the program, saying ${what}, if ${rc} is an error. */
void lab_want(int rc, const char *what);

/* Store a tree object, or a chunk. */
struct id lab_put_tree(struct lab *l, const void *data, size_t len);
struct id lab_put_data(struct lab *l, const char *text);

/* An object of a random name in a segment that says ${len} bytes and expands to far more. */
struct id lab_put_bomb(struct lab *l, enum pack_kind kind, uint32_t len);

/* Entries; all strings and ids are borrowed. */
struct tree_entry lab_entry(uint8_t type, const char *name);
struct tree_entry lab_link(const char *name, const char *target);
struct tree_entry lab_dir(const char *name, const struct id *child, uint64_t below);

/* A file with one span.  ${record} must stay as long as the entry. */
struct tree_entry lab_file(const char *name, const struct id *chunk, uint32_t len, uint8_t record[SPAN_RECORD_LEN]);

/* A page of ${n} entries; and the same, stored. */
void lab_make_page(struct root *r, const struct tree_entry *e, unsigned n);
struct id lab_put_page(struct lab *l, const struct tree_entry *e, unsigned n);

/* A directory's page with a harmless file. */
struct id lab_harmless(struct lab *l);

/* Two files, and one byte or more of the page changed: ${from} is there once. */
void lab_patched(struct lab *l, struct root *r, const char *a, const char *b, const char *from, const char *to,
    size_t len);

#endif
