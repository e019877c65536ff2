/*
 * Trees: reading directories and span lists page by page out of a repository, through a bounded cache of checked
 * pages.
 *
 * Positions.  In a directory, an entry's position is the sum of 1 + below over all entries before it; a snapshot's
 * entries are thus numbered in preorder: the number of an entry is its directory's number + 1 + its position, the
 * root's is 0.  Numbers are found again by descending by these counts, so nobody needs a table of them.  Here struct
 * tree_entry's ${before} is the position in the directory.
 *
 * Errors: -ENOENT only where a verified page says that there is no such name or position; else those of
 * object/reader.h, with damaged or mis-levelled pages -EBADMSG (logged with the page's id).  Depth of pages is bounded
 * by TREE_LEVEL_MAX, and a child page must be one level below its parent, so that a hostile tree cannot loop.  A child
 * page must hold the names (or offsets) and counts that its parent says, so that no name comes twice and no position
 * is another's.
 *
 * Thread-safe; an iterator belongs to one thread.
 */
#ifndef VARVE_TREE_TREE_H
#define VARVE_TREE_TREE_H

#include <sys/types.h>

#include "repo/object/reader.h"
#include "repo/tree/page/page.h"
#include "repo/tree/span/span.h"

struct tree;      /* the cache of pages */
struct tree_node; /* a page held in it, counted */

/*
 * ${cache_bytes}: page bytes kept, at least 1 MiB is used; pages that are held may exceed it.  ${reader}, ${log}
 * borrowed until tree_free(), before which all pages must have been given back.  Return 0 or -ENOMEM.
 */
int tree_new(struct object_reader *reader, size_t cache_bytes, const struct log *log, struct tree **out);
void tree_free(struct tree *t);

/* An entry with the page that its pointers point into. */
struct tree_hit {
	struct tree_entry entry;
	struct tree_node *node; /* NULL: nothing to give back */
	const uint8_t *record;  /* the entry's record, for copying it verbatim */
	uint32_t record_len;
};

/* Give the page back; ${hit->entry}'s pointers end here.  Does nothing for an empty hit. */
void tree_hit_release(struct tree *t, struct tree_hit *hit);

/*
 * The entry ${name} of the directory ${dir} (its root page).  Return 0, -ENOENT, errors as above.  Here and below
 * ${out} is the caller's to release on success, and untouched on failure.
 */
int tree_find(struct tree *t, const struct id *dir, const char *name, size_t len, struct tree_hit *out);

/**
 * tree_at(t, dir, pos, out):
 * The direct entry of ${dir} whose range [before, before + below] holds ${pos}.  Return 0; -ENOENT if ${pos} is past
 * the end.
 */
int tree_at(struct tree *t, const struct id *dir, uint64_t pos, struct tree_hit *out);

/* Iterator over the entries of one directory in order of name; memory: one page a level. */
struct tree_iter {
	struct tree *tree;
	unsigned depth; /* pages held */
	struct {
		struct tree_node *node;
		uint32_t next; /* record to go on with */
		uint64_t base; /* position of the page's first entry */
	} at[TREE_LEVEL_MAX + 1]; /* from the root page down */
};

/**
 * tree_iter_begin(it, t, dir, pos):
 * Begin at the first entry whose position is at least ${pos} (0: all).  ${dir} NULL: an empty directory.  Return 0,
 * errors as above; tree_iter_end() must follow in any case.  The iterator may be moved in memory.
 */
int tree_iter_begin(struct tree_iter *it, struct tree *t, const struct id *dir, uint64_t pos);

/* The same for the directory that is the entry ${dir}: its pages must have as many entries as that says (-EBADMSG). */
int tree_iter_begin_dir(struct tree_iter *it, struct tree *t, const struct tree_entry *dir, uint64_t pos);

/*
 * Next entry: 1 with ${*out} (pointers borrowed until the next call or the end; ${record} optional), 0 at the end, or
 * an error: the next call then tries the same again.
 */
int tree_iter_next(struct tree_iter *it, struct tree_entry *out, const uint8_t **record, uint32_t *record_len);
void tree_iter_end(struct tree_iter *it);

/* Number of direct entries and of all entries of a directory.  Return 0, errors as above. */
int tree_count(struct tree *t, const struct id *dir, uint64_t *entries, uint64_t *total);

/**
 * tree_path(t, root, path, len, out):
 * Walk ${path} (names separated by '/', empty ones skipped, no "..") down from the root entry ${root}.  Return 0
 * (${out} is the caller's to release; for an empty path it is a copy of ${root} without a page); -ENOENT; -ENOTDIR;
 * errors as above.
 */
int tree_path(struct tree *t, const struct tree_entry *root, const char *path, size_t len, struct tree_hit *out);

/**
 * tree_number(t, root, number, out):
 * The entry with preorder number ${number} (> 0) below the root entry, for callers that know only the number.  Return
 * 0; -ENOENT past the end; errors as above.
 */
int tree_number(struct tree *t, const struct tree_entry *root, uint64_t number, struct tree_hit *out);

/**
 * tree_span(t, e, off, out):
 * The span of the regular file ${e} that holds byte ${off}, or else the first one after it.  Return 1; 0 if there is
 * none; -EINVAL if ${e} is no regular file; errors as above.
 */
int tree_span(struct tree *t, const struct tree_entry *e, uint64_t off, struct span *out);

/**
 * tree_read(t, e, off, len, out):
 * Copy bytes [${off}, ${off} + ${len}) of the regular file, cut at its size, with zeros in holes.  Return the number
 * of bytes (0 at the end); -EINVAL if ${e} is no regular file; or an error as above (${out} is then undefined).
 */
ssize_t tree_read(struct tree *t, const struct tree_entry *e, uint64_t off, size_t len, uint8_t *out);

/* What is gathered to be prefetched; begin with ${tree} set and the rest zero. */
struct tree_prefetch {
	struct tree *tree;
	unsigned n;
	struct id ids[OBJECT_PREFETCH_MAX];
};

/**
 * tree_prefetch(p, e, off, len), tree_prefetch_end(p):
 * Bring what tree_read() of these bytes would want into the cache of opened segments, verified side by side with what
 * was gathered before; end does so with the rest.  Return 0; -EINVAL if ${e} is no regular file; errors as above for
 * its list of spans.  Contents that cannot be read are left to whoever reads them.
 */
int tree_prefetch(struct tree_prefetch *p, const struct tree_entry *e, uint64_t off, uint64_t len);
void tree_prefetch_end(struct tree_prefetch *p);

/*
 * Append the encoded xattrs of an entry to ${out} (unchanged on failure), from the entry or their own object.  Return
 * 0, errors as above.
 */
int tree_xattrs(struct tree *t, const struct tree_entry *e, struct buf *out);

/* Hold a span-list or directory page itself (for check and mark): the checked page is ${*page} or ${*spans}. */
int tree_hold_page(struct tree *t, const struct id *id, struct tree_node **node, struct tree_page *page);
int tree_hold_spans(struct tree *t, const struct id *id, struct tree_node **node, struct span_page *spans);
void tree_release(struct tree *t, struct tree_node *node);

/* The reader it stands on. */
struct object_reader *tree_reader(struct tree *t);

#endif
