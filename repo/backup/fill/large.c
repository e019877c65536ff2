/*
 * Large files and streams.
 *
 * Bytes are read into the buffer of the job being filled; what of them the chunker has decided on becomes items, and
 * when the buffer is full the undecided rest begins the next job's.  A buffer has room for the longest chunk and a
 * half.  A byte has the same position in a page of the buffer as in one of the file, so that the file can be read past
 * the page cache (repo/util/files/direct.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "repo/backup/fill/large.h"
#include "repo/backup/source/extent.h"
#include "repo/util/files/direct.h"

#define POLL_MS 200 /* how long a silent stream keeps us from seeing that we are to end */

struct large {
	struct producer *p;
	struct dir *dir;      /* where it is; NULL: a stream, without a position */
	struct tree_entry e;  /* its entry, as far as it is known */
	char change;
	bool shared;          /* others wait for its contents */
	int fd;
	struct direct direct; /* the same, of a file */
	size_t cap;           /* of a job's buffer */
	size_t begin;         /* undecided bytes of the buffer: from here */
	size_t end;           /* to here */
	uint64_t off;         /* where in the file the byte at ${end} goes */
	uint64_t data;        /* bytes read */
	int source_err;       /* reading failed */
};

/* A job with an empty buffer.  The one at hand is taken out: ${*full}, NULL if there is none. */
static int next_job(struct large *l, struct job **full)
{
	struct producer *p = l->p;
	struct job *j = queue_job(p->s->queue);
	int err = j ? queue_data(p->s->queue, j, l->cap) : -ENOMEM;

	if (err < 0) {
		job_free(j);
		return err;
	}
	*full = p->job;
	p->job = j;
	return 0;
}

/* The first position from ${at} on that is in a page where byte ${off} of the file is in one. */
static size_t align(size_t at, uint64_t off)
{
	return at + (size_t)((off - at) % DIRECT_ALIGN);
}

/* Queue the job if its buffer is full (or it cannot take a further item), and see that there is one with room. */
static int ready(struct large *l)
{
	struct producer *p = l->p;
	size_t rest = l->end - l->begin, at;
	struct job *full, *j;
	int err;

	if (rest == 0)
		l->begin = l->end = align(l->end, l->off);
	if (p->job && p->job->data && l->end < l->cap && p->job->nitems < JOB_ITEMS_MAX)
		return 0;
	err = next_job(l, &full);
	if (err < 0)
		return err;
	at = align(0, l->off - rest);
	if (full && full->data && rest > 0)
		memcpy(p->job->data + at, full->data + l->begin, rest);
	l->begin = at;
	l->end = at + rest;
	if (!full)
		return 0;
	j = p->job;
	p->job = full;
	err = producer_submit(p);
	p->job = j;
	return err;
}

/* Wait for a stream to have something.  Return 0, or -EINTR. */
static int wait_readable(struct large *l)
{
	struct pollfd pfd = { .fd = l->fd, .events = POLLIN };

	while (poll(&pfd, 1, POLL_MS) == 0)
		if (session_cancelled(l->p->s))
			return -EINTR;
	return 0;
}

/* Read up to ${want} bytes at the buffer's end.  Return how many; 0 at the end of the file; or a negative errno. */
static ssize_t read_some(struct large *l, size_t want)
{
	uint8_t *to = l->p->job->data + l->end;
	ssize_t n;

	do {
		if (!l->dir && wait_readable(l) < 0)
			return -EINTR;
		n = !l->dir ? read(l->fd, to, want) :
			      direct_read(&l->direct, to, want, l->cap - l->end, l->off);
	} while (n < 0 && errno == EINTR && !session_cancelled(l->p->s));
	return n < 0 ? -errno : n;
}

/* Make items of what the chunker can decide on; all of it if these are the ${last} bytes of an extent. */
static int cut(struct large *l, bool last)
{
	struct producer *p = l->p;
	struct item *item;
	size_t n;

	while (l->begin < l->end && p->job->nitems < JOB_ITEMS_MAX) {
		n = chunker_cut(&p->s->chunker, p->job->data + l->begin, l->end - l->begin, last);
		if (n == 0)
			break;
		item = job_add(p->job);
		item->kind = ITEM_DATA;
		item->data.bytes = p->job->data + l->begin;
		item->data.span.off = l->off - (l->end - l->begin);
		item->data.span.len = (uint32_t)n;
		l->begin += n;
	}
	return session_cancelled(p->s) ? -EINTR : 0;
}

/* Read and cut up to byte ${end} of the file, or its end if that comes first. */
static int read_up_to(struct large *l, uint64_t end)
{
	bool eof = false;
	size_t room;
	ssize_t n;
	int err = 0;

	while (err == 0 && l->source_err == 0 && (l->begin < l->end || (l->off < end && !eof))) {
		err = ready(l);
		if (err < 0)
			break;
		room = l->cap - l->end;
		if (room > end - l->off)
			room = (size_t)(end - l->off);
		n = room > 0 && !eof ? read_some(l, room) : 0;
		if (n < 0) {
			l->source_err = (int)n;
			break;
		}
		eof = eof || (room > 0 && n == 0);
		l->end += (size_t)n;
		l->off += (uint64_t)n;
		l->data += (uint64_t)n;
		err = cut(l, eof || l->off == end);
	}
	return err;
}

/* The entry that ends the items of the file; nothing is to be appended to its last buffer. */
static int finish(struct large *l)
{
	struct item *item;
	int err = producer_entry(l->p, ITEM_LARGE, l->change, &l->e, &item);

	if (err < 0)
		return err;
	item->shared = l->shared;
	return producer_submit(l->p);
}

static int drop(struct large *l, int cause, const char *what)
{
	struct item *item;
	int err;

	session_report(l->p->s, l->dir, l->e.name, l->e.name_len, cause, what);
	err = producer_item(l->p, &item);
	if (err < 0)
		return err;
	item->kind = ITEM_DROP;
	return producer_submit(l->p);
}

/* Read all extents of the file in state ${st}; ${l->e.size} is then where it ended. */
static int read_extents(struct large *l, const struct statx *st)
{
	struct extents x;
	uint64_t from, to;
	int err = 0, more;

	l->e.size = st->stx_size;
	extents_begin(&x, l->fd, st);
	do {
		more = extents_next(&x, &from, &to);
		if (more < 0)
			l->source_err = more;
		if (more <= 0)
			break;
		l->off = from;
		err = read_up_to(l, to);
		if (l->off < to)
			l->e.size = l->off;
	} while (err == 0 && l->source_err == 0 && l->e.size == st->stx_size);
	if (x.size < l->e.size)
		l->e.size = x.size;
	return err;
}

/* Attributes of the state that was read, and whether that was one state. */
static int describe(struct large *l, const struct statx *st)
{
	struct producer *p = l->p;
	uint64_t end = l->e.size;
	struct statx after;
	int err;

	l->source_err = attr_stat(l->fd, "", AT_EMPTY_PATH, &after);
	if (l->source_err < 0)
		return 0;
	buf_clear(&p->xattrs);
	err = attr_xattrs(l->fd, -1, NULL, &p->scratch, &p->xattrs);
	if (err == -ENOMEM)
		return err;
	if (err < 0)
		session_report(p->s, l->dir, l->e.name, l->e.name_len, err, "cannot read extended attributes");
	if (end != st->stx_size || attr_touched(st, &after))
		session_report(p->s, l->dir, l->e.name, l->e.name_len, 0, "changed while being read");
	attr_fill(st, &l->e);
	names_fill(p->names, &l->e);
	l->e.size = end;
	l->e.data_bytes = l->data;
	l->e.xattrs = p->xattrs.data;
	l->e.xattrs_len = (uint32_t)p->xattrs.len;
	return 0;
}

static int read_open(struct large *l, struct statx *st)
{
	int err = 0;

	if (attr_settle(st))
		l->source_err = attr_stat(l->fd, "", AT_EMPTY_PATH, st);
	if (l->source_err == 0)
		err = read_extents(l, st);
	if (err == 0 && l->source_err == 0)
		err = describe(l, st);
	if (err < 0)
		return err;
	if (l->source_err == 0)
		return finish(l);
	if (l->shared)
		links_tell(l->p->s->links, attr_dev(st), st->stx_ino, NULL);
	return drop(l, l->source_err, "cannot read");
}

/* As read_open(), but once for all names of the file. */
static int read_linked(struct large *l, struct statx *st)
{
	struct producer *p = l->p;
	struct tree_entry e = l->e;
	struct item *item;
	int answer, err;

	err = producer_item(p, &item);
	if (err < 0)
		return err;
	attr_fill(st, &e);
	names_fill(p->names, &e);
	answer = links_ask(p->s->links, &e, p->job, true);
	if (answer == LINKS_KNOWN) {
		item->kind = ITEM_ENTRY;
		item->change = l->change;
		atomic_fetch_add(&p->s->progress->bytes, e.data_bytes);
		return job_copy_entry(p->job, &item->e, &e);
	}
	p->job->nitems--;
	l->shared = answer == LINKS_READ;
	return answer < 0 ? answer : read_open(l, st);
}

int large_file(struct producer *p, struct dir *dir, const struct tree_entry *e, char change)
{
	struct large l = { .p = p, .dir = dir, .e = *e, .change = change, .cap = p->s->piece };
	struct statx st;
	int err;

	/* The last item of this inode's other name must be queued, if we are going to wait for it. */
	err = producer_submit(p);
	if (err < 0)
		return err;
	l.fd = attr_open(dir->fd, e->name, 0, session_noatime(p->s, e->uid));
	if (l.fd < 0)
		return drop(&l, l.fd == -ENOENT ? 0 : l.fd, l.fd == -ENOENT ? "vanished" : "cannot open");
	posix_fadvise(l.fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	direct_init(&l.direct, l.fd);
	err = attr_stat(l.fd, "", AT_EMPTY_PATH, &st);
	if (err < 0)
		err = drop(&l, err, "cannot read attributes");
	else if (!S_ISREG(st.stx_mode))
		err = drop(&l, 0, "changed while being read");
	else
		err = st.stx_nlink > 1 ? read_linked(&l, &st) : read_open(&l, &st);
	close(l.fd);
	return err;
}

int large_stream(struct producer *p, int fd, const struct tree_entry *e)
{
	struct large l = { .p = p, .e = *e, .change = '+', .fd = fd, .cap = p->s->piece };
	int err = producer_submit(p);

	if (err == 0)
		err = read_up_to(&l, UINT64_MAX);
	if (err == 0)
		err = l.source_err;
	if (err < 0)
		return err;
	l.e.size = l.e.data_bytes = l.data;
	return finish(&l);
}
