/*
 * Workers.  What is done with one job: files that are to be read are opened some ahead and the system is told that they
 * will be, so that a cold disk has more than one request; then item by item, in order.
 *
 * A segment that is not full at the end of a job, as most of its contents were known, is filled up by the worker's next
 * jobs: contents may so be stored after the entries that name them, but never after the manifest.  Objects that were
 * claimed are stored, whatever becomes of the file that they were read from: others may count on them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "repo/backup/walk/parent.h"
#include "repo/backup/source/readfile.h"
#include "repo/backup/job/worker.h"

/* The files of a job that are open ahead of the one being read. */
struct ahead {
	unsigned next; /* item to look at */
	unsigned open; /* files */
};

static void open_ahead(struct reader *r, struct ahead *a)
{
	struct job *j = r->job;

	for (; a->open < r->s->ahead && a->next < j->nitems; a->next++) {
		struct item *i = &j->items[a->next];

		if (i->kind != ITEM_READ || i->e.size == 0)
			continue;
		i->fd = attr_open(i->dir->fd, i->e.name, 0, session_noatime(r->s, i->e.uid));
		if (i->fd < 0) {
			i->fd = -1; /* told when it is its turn */
			continue;
		}
		posix_fadvise(i->fd, 0, 0, POSIX_FADV_WILLNEED);
		a->open++;
	}
}

/* The parent's contents, if they can be had again; else it is a file to be read. */
static int check_known(struct reader *r, struct item *i)
{
	if (parent_contents_known(r->s->repo->tree, r->s->writer, &i->e)) {
		i->kind = ITEM_ENTRY;
		return 0;
	}
	i->kind = ITEM_READ;
	i->change = 'M';
	i->e.flags &= (uint8_t)~(ENTRY_HAS_CHILD | ENTRY_XATTRS_BY_ID);
	return reader_file(r, i);
}

static int work_item(struct reader *r, struct item *i, struct ahead *a)
{
	struct backup_progress *p = r->s->progress;
	int err = 0;

	switch (i->kind) {
	case ITEM_DATA:
		err = reader_named_chunk(r, i->data.bytes, i->data.span.len, &i->data.span.id);
		atomic_fetch_add(&p->bytes, i->data.span.len);
		return err;
	case ITEM_KNOWN:
		err = check_known(r, i);
		break;
	case ITEM_READ:
		open_ahead(r, a);
		a->open -= i->fd >= 0;
		err = reader_file(r, i);
		break;
	default:
		return 0;
	}
	if (i->kind == ITEM_ENTRY)
		atomic_fetch_add(&p->bytes, i->e.data_bytes);
	dir_release(i->dir);
	i->dir = NULL;
	return err;
}

/* The chunks of a large file get their ids side by side. */
static void name_chunks(struct reader *r)
{
	struct hash_job chunks[JOB_ITEMS_MAX];
	struct job *j = r->job;
	size_t n = 0;

	for (unsigned k = 0; k < j->nitems; k++) {
		struct item_data *d = &j->items[k].data;

		if (j->items[k].kind == ITEM_DATA)
			chunks[n++] = (struct hash_job){ .data = d->bytes, .len = d->span.len, .out = &d->span.id };
	}
	if (n > 0)
		object_name(r->s->writer, PACK_DATA, chunks, n);
}

static int work_job(struct reader *r)
{
	struct job *j = r->job;
	struct ahead a = { 0, 0 };
	unsigned n;
	int err = 0;

	name_chunks(r);
	for (n = 0; n < j->nitems && err == 0; n++) {
		err = work_item(r, &j->items[n], &a);
		if (session_cancelled(r->s))
			return -EINTR;
	}
	/* Full enough, as the producer has planned; else the next job's contents fill it up. */
	if (err == 0 && segment_builder_pending(r->builder) >= r->s->repo->config.segment_size / 4 * 3)
		err = segment_builder_flush(r->builder, &j->segments);
	queue_data_done(r->s->queue, j);
	return err;
}

/* The end: what is still gathered goes to the committer on its own. */
static int leave(struct reader *r)
{
	struct segment_out *rest = NULL;
	int err = segment_builder_flush(r->builder, &rest);

	queue_leave(r->s->queue, rest);
	return err;
}

void *worker_run(void *session)
{
	struct session *s = session;
	struct reader r;
	int err = reader_init(&r, s);

	while (err == 0 && (r.job = queue_take(s->queue)) != NULL) {
		err = work_job(&r);
		if (err == 0)
			queue_done(s->queue, r.job);
	}
	if (err == 0)
		err = leave(&r);
	if (err < 0)
		queue_fail(s->queue, err);
	reader_destroy(&r);
	return NULL;
}
