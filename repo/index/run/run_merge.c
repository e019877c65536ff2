/*
 * Merge of index runs: a heap of cursors, each with its next object.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/index/run/run_cursor.h"
#include "repo/index/run/run_merge.h"

/* One run and the object it is at. */
struct source {
	struct run_cursor *cursor;
	struct id id;
	struct place place;
};

struct run_merge {
	struct source *source;
	size_t nsources;
	size_t *heap;   /* numbers of sources, that with the lowest id first */
	size_t nheap;
	size_t nbegun;  /* sources before this one have been read from */
	struct id last; /* what was given out */
	bool begun;
	bool all;       /* also what has the same id */
	bool given;     /* with that: the first source's object was given out */
};

int run_merge_open(struct run *const *runs, size_t n, size_t window, struct run_merge **out)
{
	struct run_merge *m = calloc(1, sizeof(*m));
	int rc = -ENOMEM;

	if (!m)
		return -ENOMEM;
	m->source = calloc(n + 1, sizeof(*m->source));
	m->heap = calloc(n + 1, sizeof(*m->heap));
	if (!m->source || !m->heap)
		goto fail;
	for (; m->nsources < n; m->nsources++) {
		rc = run_cursor_open(runs[m->nsources], window, &m->source[m->nsources].cursor);
		if (rc < 0)
			goto fail;
	}
	*out = m;
	return 0;
fail:
	run_merge_close(m);
	return rc;
}

void run_merge_close(struct run_merge *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->nsources; i++)
		run_cursor_close(m->source[i].cursor);
	free(m->source);
	free(m->heap);
	free(m);
}

void run_merge_give_all(struct run_merge *m)
{
	m->all = true;
}

/* By id; of the same id, by number of the source. */
static bool before(const struct run_merge *m, size_t a, size_t b)
{
	int order = id_compare(&m->source[a].id, &m->source[b].id);

	return order != 0 ? order < 0 : a < b;
}

static void sift_up(struct run_merge *m, size_t at)
{
	size_t s = m->heap[at];

	for (size_t up; at > 0 && before(m, s, m->heap[up = (at - 1) / 2]); at = up)
		m->heap[at] = m->heap[up];
	m->heap[at] = s;
}

static void sift_down(struct run_merge *m)
{
	size_t at = 0, s = m->heap[0], down;

	while ((down = 2 * at + 1) < m->nheap) {
		if (down + 1 < m->nheap && before(m, m->heap[down + 1], m->heap[down]))
			down++;
		if (!before(m, m->heap[down], s))
			break;
		m->heap[at] = m->heap[down];
		at = down;
	}
	m->heap[at] = s;
}

static int advance(struct source *s)
{
	return run_cursor_next(s->cursor, &s->id, &s->place);
}

/* Take the first source's next object, or the source out of the heap. */
static int step_first(struct run_merge *m)
{
	int rc = advance(&m->source[m->heap[0]]);

	if (rc <= 0)
		m->heap[0] = m->heap[--m->nheap];
	if (m->nheap > 0)
		sift_down(m);
	return rc;
}

static int begin_sources(struct run_merge *m, size_t *which)
{
	int rc;

	while (m->nbegun < m->nsources) {
		*which = m->nbegun;
		rc = advance(&m->source[m->nbegun++]);
		if (rc < 0)
			return rc;
		if (rc > 0) {
			m->heap[m->nheap++] = *which;
			sift_up(m, m->nheap - 1);
		}
	}
	return 0;
}

int run_merge_next(struct run_merge *m, size_t *which, struct id *id, struct place *place)
{
	struct source *s;
	int rc;

	rc = begin_sources(m, which);
	if (rc < 0)
		return rc;
	while (m->nheap > 0) {
		*which = m->heap[0];
		s = &m->source[*which];
		if (m->all ? !m->given : !m->begun || !id_equal(&s->id, &m->last)) {
			*id = m->last = s->id;
			*place = s->place;
			m->begun = m->given = true;
			return 1;
		}
		/* It was given out before, from this source or an earlier one. */
		m->given = false;
		rc = step_first(m);
		if (rc < 0)
			return rc;
	}
	return 0;
}
