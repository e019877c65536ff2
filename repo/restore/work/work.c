/*
 * Workers.
 */
#include "repo/restore/output/existing.h"
#include "repo/restore/work/linkset.h"

/* Say what would be done. */
static void restore_nothing(struct worker *w, const struct batch_item *i)
{
	struct stat st;

	switch (existing_fate(w->rs, i, false, &st)) {
	case FATE_NEW:
	case FATE_REPLACE:
		restore_done(w->rs, i->dir, i->e.name, i->e.name_len, i->e.type);
		if (i->e.type == ENTRY_REG && i->role != LINK_LATER)
			restore_bytes(w->rs, i->e.data_bytes);
		break;
	case FATE_KEEP:
	case FATE_LEAVE:
		restore_skipped(w->rs);
		break;
	case FATE_REFUSE:
		break;
	}
}

static bool restore_copy(struct worker *w, const struct batch_item *i)
{
	return i->e.type == ENTRY_REG ? file_restore(w, i) : node_restore(w, i);
}

static void restore_later(struct worker *w, const struct batch_item *i)
{
	struct linkset *links = w->rs->links;
	uint64_t first;
	bool there;

	if (linkset_claim(links, &i->e, i->number, &first)) {
		if (!link_restore(w, i, first))
			restore_copy(w, i);
		linkset_linked(links, &i->e);
	} else {
		there = restore_copy(w, i);
		linkset_settle(links, &i->e, there);
	}
}

static void restore_item(struct worker *w, const struct batch_item *i)
{
	bool there;

	if (w->rs->opts->dry_run) {
		restore_nothing(w, i);
	} else if (i->role == LINK_LATER) {
		restore_later(w, i);
	} else if (i->big != NULL) {
		file_restore(w, i);
		return;
	} else {
		there = restore_copy(w, i);
		if (i->role == LINK_FIRST)
			linkset_settle(w->rs->links, &i->e, there);
	}
	atomic_fetch_add(&w->rs->progress->entries, 1);
}

void *worker_thread(void *worker)
{
	struct worker *w = worker;
	struct batch *b;

	while ((b = batch_queue_take(w->rs->queue)) != NULL) {
		for (unsigned n = 0; n < b->nitems && !restore_stopped(w->rs); n++)
			restore_item(w, &b->items[n]);
		batch_queue_put(w->rs->queue, b);
	}
	buf_free(&w->chunk);
	buf_free(&w->check);
	return NULL;
}
