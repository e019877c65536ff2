/*
 * Big files.
 *
 *   WAITING -> BEGINNING -> OPEN -> ENDING -> OVER
 *                     \______________________/       (kept, left, or could not be made)
 *
 * Who begins and who ends is alone with the file; while it is OPEN the lock covers the cursor, and writing is done
 * outside of it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "repo/restore/file/bigfile.h"
#include "repo/restore/file/contents.h"
#include "repo/restore/file/outfile.h"
#include "repo/restore/work/copy.h"

#define PIECE_SPANS OBJECT_READ_MAX
#define PIECE_BYTES (4u * 1024 * 1024) /* about eight chunks, to be verified side by side */

enum state { WAITING, BEGINNING, OPEN, ENDING, OVER };

struct bigfile {
	atomic_uint refs;
	pthread_mutex_t lock;
	pthread_cond_t begun;
	enum state state;
	struct outfile out;
	uint64_t next;    /* offset up to which spans have been taken */
	bool ended;       /* there are no more */
	unsigned writers;
	struct trouble trouble;
	bool failed;      /* ${trouble} is set */
	struct tree_entry e;
};

/* Spans that one worker writes. */
struct piece {
	struct span span[PIECE_SPANS];
	unsigned n;
};

struct bigfile *bigfile_new(const struct tree_entry *e)
{
	struct bigfile *b = calloc(1, sizeof(*b) + entry_copy_size(e));

	if (b == NULL)
		return NULL;
	atomic_init(&b->refs, 1);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->begun, NULL);
	entry_copy(&b->e, e, b + 1);
	return b;
}

struct bigfile *bigfile_ref(struct bigfile *b)
{
	atomic_fetch_add(&b->refs, 1);
	return b;
}

void bigfile_unref(struct bigfile *b)
{
	if (b == NULL || atomic_fetch_sub(&b->refs, 1) > 1)
		return;
	pthread_cond_destroy(&b->begun);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

const struct tree_entry *bigfile_entry(const struct bigfile *b)
{
	return &b->e;
}

static void set_state(struct bigfile *b, enum state state)
{
	pthread_mutex_lock(&b->lock);
	b->state = state;
	pthread_cond_broadcast(&b->begun);
	pthread_mutex_unlock(&b->lock);
}

/* Make the file, or wait until that is done.  Return whether there may be something to write. */
static bool begin(struct worker *w, const struct batch_item *i, bigfile_done_fn *done)
{
	struct bigfile *b = i->big;
	enum outfile_begun begun;
	bool first, open;

	pthread_mutex_lock(&b->lock);
	first = b->state == WAITING;
	if (first)
		b->state = BEGINNING;
	while (!first && b->state == BEGINNING)
		pthread_cond_wait(&b->begun, &b->lock);
	open = b->state == OPEN;
	pthread_mutex_unlock(&b->lock);
	if (!first)
		return open;
	begun = outfile_begin(w, i, &b->out);
	set_state(b, begun == OUTFILE_OPEN ? OPEN : OVER);
	if (begun != OUTFILE_OPEN)
		done(w, i, begun == OUTFILE_KEPT);
	return begun == OUTFILE_OPEN;
}

/* With the lock held: note the first thing that goes wrong. */
static void note(struct bigfile *b, const struct trouble *t)
{
	if (!b->failed)
		b->trouble = *t;
	b->failed = true;
}

/* With the lock held: take the next spans. */
static void take(struct worker *w, struct bigfile *b, struct piece *p)
{
	uint64_t bytes = 0;
	int more = 1;

	while (p->n < PIECE_SPANS && bytes < PIECE_BYTES) {
		more = tree_span(w->rs->repo->tree, &b->e, b->next, &p->span[p->n]);
		if (more != 1)
			break;
		b->next = p->span[p->n].off + p->span[p->n].len;
		bytes += p->span[p->n++].len;
	}
	if (more == 0)
		b->ended = true;
	if (more < 0)
		note(b, &(struct trouble){ .err = more, .repo = true, .what = "its contents are" });
}

/* Take a piece and write it.  Return false when there is none. */
static bool write_piece(struct worker *w, struct bigfile *b)
{
	struct piece p = { .n = 0 };
	struct trouble t;
	int rc = 0;

	pthread_mutex_lock(&b->lock);
	if (restore_stopped(w->rs))
		note(b, &(struct trouble){ .err = -EINTR });
	if (b->state == OPEN && !b->failed && !b->ended)
		take(w, b, &p);
	b->writers += p.n > 0;
	pthread_mutex_unlock(&b->lock);
	if (p.n == 0)
		return false;
	rc = contents_write_spans(w, b->out.fd, p.span, p.n, &t);
	pthread_mutex_lock(&b->lock);
	b->writers--;
	if (rc < 0)
		note(b, &t);
	pthread_mutex_unlock(&b->lock);
	return true;
}

/* Is this worker the one to end it? */
static bool is_last(struct bigfile *b)
{
	bool last;

	pthread_mutex_lock(&b->lock);
	last = b->state == OPEN && b->writers == 0 && (b->ended || b->failed);
	if (last)
		b->state = ENDING;
	pthread_mutex_unlock(&b->lock);
	return last;
}

/* What can be done only when all of it is written. */
static void conclude(struct worker *w, struct bigfile *b)
{
	const struct restore_options *opts = w->rs->opts;
	struct trouble t = { .what = "reads back otherwise than it was written" };

	if (ftruncate(b->out.fd, (off_t)b->e.size) < 0) {
		t = (struct trouble){ .err = -errno, .what = "cannot set the size" };
		note(b, &t);
	} else if (opts->verify && opts->sparse && !contents_check(w, &b->e, b->out.fd)) {
		note(b, &t);
	}
}

void bigfile_work(struct worker *w, const struct batch_item *i, bigfile_done_fn *done)
{
	struct bigfile *b = i->big;
	bool there;

	if (!begin(w, i, done))
		return;
	while (write_piece(w, b))
		;
	if (!is_last(b))
		return;
	if (!b->failed)
		conclude(w, b);
	there = outfile_end(w, i, &b->out, b->failed ? &b->trouble : NULL);
	set_state(b, OVER);
	done(w, i, there);
}
