/*
 * Sequential reading of the object blocks of a run.
 *
 * A window holds the sealed bytes of some consecutive blocks, with what lies between them (pack blocks); each block is
 * opened in place when its turn comes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/run/run_cursor.h"
#include "repo/index/run/run_impl.h"

struct run_cursor {
	struct run *run;
	const struct run_footer *footer;
	size_t max;          /* bytes of a window */
	struct buf window;
	uint64_t window_at;  /* byte of the run at which it begins */
	uint32_t fetched;    /* blocks before this one are in the window or done */
	uint32_t next;       /* block to be opened next */
	struct rd r;         /* rest of the block that is open */
	uint32_t nleft;      /* records in it */
	bool begun;
	struct id last;
};

int run_cursor_open(struct run *r, size_t window, struct run_cursor **out)
{
	struct run_cursor *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->run = r;
	c->footer = run_footer_of(r);
	c->max = window < RUN_WINDOW_MIN ? RUN_WINDOW_MIN : window;
	*out = c;
	return 0;
}

void run_cursor_close(struct run_cursor *c)
{
	if (!c)
		return;
	buf_free(&c->window);
	free(c);
}

/* Fetch as many blocks from c->next on as fit the window and follow each other in the run. */
static int fetch_window(struct run_cursor *c)
{
	const struct run_block *b = &c->footer->object_block[c->next];
	uint64_t end = b->offset + b->box;
	uint32_t n = c->next + 1;
	int rc;

	c->window_at = b->offset;
	for (; n < c->footer->nobject_blocks; n++) {
		b = &c->footer->object_block[n];
		if (b->offset < end || b->offset + b->box - c->window_at > c->max)
			break;
		end = b->offset + b->box;
	}
	buf_clear(&c->window);
	rc = buf_reserve(&c->window, (size_t)(end - c->window_at));
	if (rc == 0)
		rc = run_get(c->run, c->window_at, (size_t)(end - c->window_at), c->window.data);
	if (rc == 0)
		c->fetched = n;
	return rc;
}

static int next_block(struct run_cursor *c)
{
	const struct run_block *b = &c->footer->object_block[c->next];
	uint8_t *p;
	int rc = 0;

	if (c->next >= c->fetched)
		rc = fetch_window(c);
	if (rc < 0)
		return rc;
	p = c->window.data + (b->offset - c->window_at);
	rc = run_open_box(c->run, RUN_OBJECTS, b, p, p);
	if (rc < 0)
		return rc;
	c->r = rd_init(p, b->box - CRYPT_TAG_LEN);
	c->nleft = b->nrecords;
	c->next++;
	if (c->r.len < ID_LEN || memcmp(p, b->prefix, RUN_PREFIX_LEN) != 0)
		return run_damaged(c->run, "an object block does not begin as the footer says");
	return 0;
}

int run_cursor_next(struct run_cursor *c, struct id *id, struct place *place)
{
	int rc;

	if (c->nleft == 0) {
		if (c->next == c->footer->nobject_blocks)
			return 0;
		rc = next_block(c);
		if (rc < 0)
			return rc;
	}
	rc = run_next_object(&c->r, run_segment_size(c->run), id, place);
	if (rc <= 0 || place->pack >= c->footer->npacks || (c->begun && id_compare(id, &c->last) <= 0))
		return run_damaged(c->run, "a record of an object is malformed");
	c->begun = true;
	c->last = *id;
	if (--c->nleft == 0 && c->r.len != 0)
		return run_damaged(c->run, "an object block is longer than its records");
	return 1;
}
