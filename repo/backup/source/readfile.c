/*
 * Reading one file.
 *
 * What is stored agrees with itself: attributes are those of the moment before reading, the size is what was read.
 * If the file changes meanwhile it is read once more, and if it changes then too, that is reported.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/backup/source/extent.h"
#include "repo/backup/source/readfile.h"

#define TRIES 2
#define ROOM_MIN (1024u * 1024)

int reader_init(struct reader *r, struct session *s)
{
	const struct repo *repo = s->repo;
	int level = s->opts->level ? s->opts->level : COMPRESS_LEVEL_DEFAULT;

	*r = (struct reader){ .s = s };
	r->builder = segment_builder_new(PACK_DATA, repo->config.segment_size, level);
	r->cap = s->chunker.max > ROOM_MIN ? s->chunker.max : ROOM_MIN;
	r->room = malloc(r->cap);
	return r->builder && r->room ? 0 : -ENOMEM;
}

void reader_destroy(struct reader *r)
{
	segment_builder_free(r->builder);
	free(r->room);
	attr_scratch_free(&r->scratch);
	buf_free(&r->xattrs);
	buf_free(&r->spans);
}

int reader_chunk(struct reader *r, const uint8_t *data, uint32_t len, struct id *id)
{
	int err = object_claim(r->s->writer, PACK_DATA, data, len, id);

	if (err > 0)
		err = segment_builder_add(r->builder, id, data, len, &r->job->segments);
	return err;
}

int reader_named_chunk(struct reader *r, const uint8_t *data, uint32_t len, const struct id *id)
{
	int err = object_claim_named(r->s->writer, id);

	if (err > 0)
		err = segment_builder_add(r->builder, id, data, len, &r->job->segments);
	return err;
}

static int drop(struct reader *r, struct item *item, int err, const char *what)
{
	session_report(r->s, item->dir, item->e.name, item->e.name_len, err, what);
	item->kind = ITEM_DROP;
	return 0;
}

/* Cut what lies in the room; return how many bytes of it are dealt with, or an error that ends the backup. */
static ssize_t cut_room(struct reader *r, size_t len, uint64_t off, bool last)
{
	uint8_t record[SPAN_RECORD_LEN];
	struct span span;
	size_t used = 0, n;
	int err;

	while (used < len && (n = chunker_cut(&r->s->chunker, r->room + used, len - used, last)) > 0) {
		span.off = off + used;
		span.len = (uint32_t)n;
		err = reader_chunk(r, r->room + used, span.len, &span.id);
		if (err < 0)
			return err;
		span_encode(&span, record);
		if (buf_append(&r->spans, record, sizeof(record)) < 0)
			return -ENOMEM;
		used += n;
	}
	return (ssize_t)used;
}

/* What reading came to. */
struct outcome {
	int err;        /* of the source */
	uint64_t end;   /* where the file ended */
	uint64_t data;  /* bytes read */
};

/* Bytes of the file at ${off}, ${cap} if there are so many.  Return how many, or a negative errno. */
static ssize_t read_at(int fd, uint8_t *out, size_t cap, uint64_t off)
{
	size_t have = 0;
	ssize_t n = 1;

	while (have < cap && n > 0) {
		n = pread(fd, out + have, cap - have, (off_t)(off + have));
		if (n > 0)
			have += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
	return n < 0 ? -errno : (ssize_t)have;
}

/* Read and cut [begin, end).  Return 0 (see ${o}), or an error that ends the backup. */
static int read_extent(struct reader *r, int fd, uint64_t begin, uint64_t end, struct outcome *o)
{
	size_t have = 0, cap = r->cap, want;
	ssize_t n;

	while (begin < end) {
		want = cap < end - begin ? cap : (size_t)(end - begin);
		n = read_at(fd, r->room + have, want - have, begin + have);
		if (n < 0) {
			o->err = (int)n;
			return 0;
		}
		have += (size_t)n;
		if (have < want)
			end = o->end = begin + have; /* it has shrunk */
		n = cut_room(r, have, begin, begin + have == end);
		if (n < 0)
			return (int)n;
		o->data += (uint64_t)n;
		begin += (uint64_t)n;
		have -= (size_t)n;
		memmove(r->room, r->room + n, have);
	}
	return 0;
}

/* Read all contents.  ${st} is the file's state before. */
static int read_contents(struct reader *r, int fd, const struct statx *st, struct outcome *o)
{
	struct extents x;
	uint64_t begin, end;
	int err = 0, more;

	*o = (struct outcome){ .end = st->stx_size };
	buf_clear(&r->spans);
	extents_begin(&x, fd, st);
	/* What has grown beyond a job's size since it was listed is cut there, and found changed. */
	if (x.size > SMALL_FILE_MAX)
		x.size = o->end = SMALL_FILE_MAX;
	do {
		more = extents_next(&x, &begin, &end);
		if (more < 0)
			o->err = more;
		else if (more > 0)
			err = read_extent(r, fd, begin, end, o);
	} while (more > 0 && err == 0 && o->err == 0 && end <= o->end);
	if (x.size < o->end)
		o->end = x.size; /* it has shrunk */
	return err;
}

/* Read until nothing changes meanwhile, or tries are used up.  ${*st} is the state that was read. */
static int read_settled(struct reader *r, int fd, struct statx *st, struct outcome *o, bool *changed)
{
	struct statx after;
	unsigned tries;
	int err;

	for (tries = 0; tries < TRIES; tries++) {
		if (attr_settle(st) && (o->err = attr_stat(fd, "", AT_EMPTY_PATH, st)) < 0)
			return 0;
		err = read_contents(r, fd, st, o);
		if (err < 0 || o->err < 0)
			return err;
		o->err = attr_stat(fd, "", AT_EMPTY_PATH, &after);
		if (o->err < 0)
			return 0;
		*changed = attr_touched(st, &after) || o->end != st->stx_size;
		if (!*changed)
			return 0;
		if (tries + 1 < TRIES)
			*st = after;
	}
	return 0;
}

/* Copy ${b} to the job's memory. */
static const uint8_t *keep(struct reader *r, const struct buf *b)
{
	uint8_t *p = job_alloc(r->job, b->len);

	if (p && b->len)
		memcpy(p, b->data, b->len);
	return p;
}

/* Attributes as they are now, but for names of owners that are not the walker's any more. */
static void refresh(struct tree_entry *e, const struct statx *st)
{
	if (e->uid != st->stx_uid)
		e->user_len = 0;
	if (e->gid != st->stx_gid)
		e->group_len = 0;
	attr_fill(st, e);
}

/* Enter what was read into the item. */
static int enter(struct reader *r, struct item *item, const struct statx *st, const struct outcome *o)
{
	struct tree_entry *e = &item->e;

	refresh(e, st);
	e->size = o->end;
	e->data_bytes = o->data;
	e->nspans = (uint32_t)(r->spans.len / SPAN_RECORD_LEN);
	e->spans = keep(r, &r->spans);
	e->xattrs_len = (uint32_t)r->xattrs.len;
	e->xattrs = keep(r, &r->xattrs);
	item->kind = ITEM_ENTRY;
	return e->spans && e->xattrs ? 0 : -ENOMEM;
}

static int read_open(struct reader *r, struct item *item, int fd, struct statx *st)
{
	struct outcome o = { 0 };
	bool changed = false;
	int err = read_settled(r, fd, st, &o, &changed);

	if (err < 0)
		return err;
	if (o.err < 0)
		return drop(r, item, o.err, "cannot read");
	buf_clear(&r->xattrs);
	err = attr_xattrs(fd, -1, NULL, &r->scratch, &r->xattrs);
	if (err == -ENOMEM)
		return err;
	if (err < 0)
		session_report(r->s, item->dir, item->e.name, item->e.name_len, err, "cannot read extended attributes");
	if (changed)
		session_report(r->s, item->dir, item->e.name, item->e.name_len, 0, "changed while being read");
	return enter(r, item, st, &o);
}

/* As read_open(), but once for all names of the file. */
static int read_linked(struct reader *r, struct item *item, int fd, struct statx *st)
{
	struct links *l = r->s->links;
	struct tree_entry *e = &item->e;
	uint64_t dev = attr_dev(st), ino = st->stx_ino;
	int answer, err;

	refresh(e, st);
	answer = links_ask(l, e, r->job, false);
	if (answer == LINKS_KNOWN) {
		item->kind = ITEM_ENTRY;
		return 0;
	}
	err = answer < 0 ? answer : read_open(r, item, fd, st);
	if (answer == LINKS_READ)
		links_tell(l, dev, ino, err == 0 && item->kind == ITEM_ENTRY ? e : NULL);
	return err;
}

int reader_file(struct reader *r, struct item *item)
{
	struct statx st;
	int fd = item->fd, err;

	item->fd = -1;
	if (fd < 0)
		fd = attr_open(item->dir->fd, item->e.name, 0, session_noatime(r->s, item->e.uid));
	if (fd < 0)
		return fd == -ENOENT ? drop(r, item, 0, "vanished") : drop(r, item, fd, "cannot open");
	err = attr_stat(fd, "", AT_EMPTY_PATH, &st);
	if (err < 0)
		err = drop(r, item, err, "cannot read attributes");
	else if (!S_ISREG(st.stx_mode))
		err = drop(r, item, 0, "changed while being read");
	else
		err = st.stx_nlink > 1 ? read_linked(r, item, fd, &st) : read_open(r, item, fd, &st);
	close(fd);
	return err;
}
