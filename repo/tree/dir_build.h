/*
 * Writing directories and span lists: streams of entries (or spans) in, pages out, cut by content; memory is one open
 * page a level.
 *
 * Cut rule for directories: a page ends after an entry when it has at least 256 entries and the low 9 bits of the
 * FNV-1a (64 bit) hash of the name are zero, or when it has 4096 entries or 192 KiB.  Pages of level > 0: the same
 * over the names of their references, with bits 9-15 and at least 64 references.  Span lists: by the low 9 bits of the
 * chunk id's first two bytes (le16), at least 256, at most 4096 spans; level > 0: 64, bits 0-6 of the child page id,
 * at most 4096.  The last page of a level ends with the list.  A page of level > 0 with one reference is never a root:
 * what it refers to is.
 */
#ifndef VARVE_TREE_DIR_BUILD_H
#define VARVE_TREE_DIR_BUILD_H

#include "repo/tree/page/page.h"
#include "repo/tree/span/span.h"

/*
 * Where finished pages go: store ${len} bytes as a tree object and give its id.  0 or an error, which the builder
 * passes on, also from all later calls.
 */
typedef int tree_put_fn(void *arg, const void *data, size_t len, struct id *id);

/* A directory being built.  Not thread-safe. */
struct dir_builder;

/* Return 0 or -ENOMEM.  ${arg} is borrowed until the end. */
int dir_builder_new(tree_put_fn *put, void *arg, struct dir_builder **out);
void dir_builder_free(struct dir_builder *b);

/*
 * Add an entry; names must ascend.  Return 0; -EINVAL if they do not or the entry is none that tree_page_open() would
 * take (nothing has happened then); -ENOMEM, what ${put} returned: the builder can only be freed after it.
 */
int dir_builder_add(struct dir_builder *b, const struct tree_entry *e);

/* Bytes held now; and put the open level-0 page at once, to bound memory (costs only deduplication). */
size_t dir_builder_memory(const struct dir_builder *b);
int dir_builder_spill(struct dir_builder *b);

/**
 * dir_builder_finish(b, root, entries, below):
 * Put what is open.  ${*root} is the root page; *entries the number of direct entries, *below that of all.  Return 1,
 * or 0 if the directory is empty (${*root} untouched); errors as above.  The builder can only be freed after it.
 */
int dir_builder_finish(struct dir_builder *b, struct id *root, uint64_t *entries, uint64_t *below);

/* A span list being built.  Not thread-safe. */
struct span_builder;

int span_builder_new(tree_put_fn *put, void *arg, struct span_builder **out);
void span_builder_free(struct span_builder *b);

/* Add a span; offsets must ascend without overlap (-EINVAL).  Return 0, -EINVAL, -ENOMEM, what ${put} returned. */
int span_builder_add(struct span_builder *b, const struct span *s);

/**
 * span_builder_finish(b, e):
 * Enter the list into ${e}: inline spans (borrowed from the builder until it is freed), or ENTRY_HAS_CHILD and the
 * root page; and ${e->data_bytes}.  Return 0, or errors as above.
 */
int span_builder_finish(struct span_builder *b, struct tree_entry *e);

#endif
