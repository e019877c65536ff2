/*
 * Big files: several workers write one file.
 *
 * The feeder queues as many items for it as there are workers.  Whoever takes the first makes the file; all who come
 * take pieces of its span list, in order; the last one to run out of them completes it.  Nobody waits for an item that
 * has not been taken, and nothing is held in memory but the piece at hand, whatever the file's size.
 */
#ifndef VARVE_RESTORE_BIGFILE_H
#define VARVE_RESTORE_BIGFILE_H

#include "repo/restore/work/work.h"

#define BIGFILE_MIN (4u * 1024 * 1024) /* bytes of contents */

/* For the entry, which is copied; one reference.  NULL without memory. */
struct bigfile *bigfile_new(const struct tree_entry *e);
struct bigfile *bigfile_ref(struct bigfile *b);
void bigfile_unref(struct bigfile *b); /* does nothing for NULL */

/* The copy. */
const struct tree_entry *bigfile_entry(const struct bigfile *b);

/* Called with the outcome, once, by the worker who completes it. */
typedef void bigfile_done_fn(struct worker *w, const struct batch_item *i, bool there);

/* Do what there is to do at ${i->big}. */
void bigfile_work(struct worker *w, const struct batch_item *i, bigfile_done_fn *done);

#endif
