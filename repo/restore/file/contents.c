/*
 * Contents of regular files.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "repo/restore/file/contents.h"

#define BLOCK 4096u               /* what is made a hole, with option sparse */
#define HOLE_READ (256u * 1024)   /* bytes compared with zero at a time */

static int fail_repo(struct trouble *t, int err)
{
	*t = (struct trouble){ .err = err, .repo = true, .what = "its contents are" };
	return -1;
}

static int fail_target(struct trouble *t, int err, const char *what)
{
	*t = (struct trouble){ .err = err, .what = what };
	return -1;
}

static int read_chunk(struct worker *w, const struct span *s)
{
	int rc;

	buf_clear(&w->chunk);
	rc = object_read(w->rs->repo->reader, PACK_DATA, &s->id, s->len, &w->chunk);
	return rc == 0 && w->chunk.len != s->len ? -EBADMSG : rc;
}

static int write_at(int fd, const uint8_t *p, size_t len, uint64_t off)
{
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, p, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		p += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static bool is_zero(const uint8_t *p, size_t len)
{
	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

/* Bytes at ${p} up to the end of the file's block in which ${off} is. */
static size_t block_len(size_t len, uint64_t off)
{
	size_t n = BLOCK - (size_t)(off % BLOCK);

	return n < len ? n : len;
}

/* Write what is not zero. */
static int write_sparse(int fd, const uint8_t *p, size_t len, uint64_t off)
{
	size_t n, run;
	int rc = 0;

	for (; len > 0 && rc == 0; p += run, off += run, len -= run) {
		for (run = 0; run < len; run += n) {
			n = block_len(len - run, off + run);
			if (is_zero(p + run, n))
				break;
		}
		if (run > 0)
			rc = write_at(fd, p, run, off);
		else
			run = block_len(len, off);
	}
	return rc;
}

/* Read ${len} bytes at ${off} to ${w->check}.  Return whether there are so many. */
static bool read_back(struct worker *w, int fd, uint64_t off, size_t len)
{
	size_t have = 0;
	ssize_t n = 1;

	buf_clear(&w->check);
	if (buf_reserve(&w->check, len) < 0)
		return false;
	while (have < len && n != 0) {
		n = pread(fd, w->check.data + have, len - have, (off_t)(off + have));
		if (n < 0 && errno != EINTR)
			return false;
		have += n > 0 ? (size_t)n : 0;
	}
	return have == len;
}

/* Is the chunk in its place in the file?  Without the key its bytes must be had from the repository. */
static bool span_there(struct worker *w, int fd, const struct span *s)
{
	const struct hash_key *key = w->rs->repo->object_id;
	struct id id;

	if (!read_back(w, fd, s->off, s->len))
		return false;
	if (key == NULL)
		return read_chunk(w, s) == 0 && memcmp(w->chunk.data, w->check.data, s->len) == 0;
	crypt_object_id(key, w->check.data, s->len, &id);
	return id_equal(&id, &s->id);
}

static int write_span(struct worker *w, int fd, const struct span *s, const uint8_t *data, struct trouble *t)
{
	const struct restore_options *opts = w->rs->opts;
	int rc = opts->sparse ? write_sparse(fd, data, s->len, s->off) : write_at(fd, data, s->len, s->off);

	if (rc < 0)
		return fail_target(t, rc, "cannot write");
	restore_bytes(w->rs, s->len);
	return 0;
}

/* Where the end of a chunk is a hole now, the file ends before. */
static int verify_span(struct worker *w, int fd, const struct span *s, struct trouble *t)
{
	const struct restore_options *opts = w->rs->opts;

	if (opts->verify && !opts->sparse && !span_there(w, fd, s))
		return fail_target(t, 0, "reads back otherwise than it was written");
	return 0;
}

static int write_chunk(struct worker *w, int fd, const struct span *s, struct trouble *t)
{
	int rc = read_chunk(w, s);

	if (rc < 0)
		return fail_repo(t, rc);
	rc = write_span(w, fd, s, w->chunk.data, t);
	return rc == 0 ? verify_span(w, fd, s, t) : rc;
}

int contents_write_spans(struct worker *w, int fd, const struct span *s, unsigned n, struct trouble *t)
{
	struct object_wanted wanted[OBJECT_READ_MAX] = { { .id = NULL } };
	size_t at = 0;
	int rc;

	for (unsigned i = 0; i < n && i < OBJECT_READ_MAX; i++)
		wanted[i] = (struct object_wanted){ .id = &s[i].id, .len = s[i].len };
	buf_clear(&w->chunk);
	rc = object_read_many(w->rs->repo->reader, wanted, n, &w->chunk);
	if (rc < 0)
		return fail_repo(t, rc);
	for (unsigned i = 0; i < n && rc == 0; at += s[i++].len)
		rc = write_span(w, fd, &s[i], w->chunk.data + at, t);
	/* Reading back without the key uses the same memory. */
	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = verify_span(w, fd, &s[i], t);
	return rc;
}

int contents_write(struct worker *w, const struct tree_entry *e, int fd, struct trouble *t)
{
	uint64_t end = 0;
	struct span s;
	int more;

	while ((more = tree_span(w->rs->repo->tree, e, end, &s)) == 1) {
		if (restore_stopped(w->rs))
			return fail_target(t, -EINTR, NULL);
		if (write_chunk(w, fd, &s, t) < 0)
			return -1;
		end = s.off + s.len;
	}
	if (more < 0)
		return fail_repo(t, more);
	if ((end < e->size || w->rs->opts->sparse) && ftruncate(fd, (off_t)e->size) < 0)
		return fail_target(t, -errno, "cannot set the size");
	if (w->rs->opts->verify && w->rs->opts->sparse && !contents_check(w, e, fd))
		return fail_target(t, 0, "reads back otherwise than it was written");
	return 0;
}

/* Does [${from}, ${to}) hold zeros?  Holes are not read. */
static bool zeros_there(struct worker *w, int fd, uint64_t from, uint64_t to)
{
	uint64_t len;
	off_t data;

	while (from < to) {
		data = lseek(fd, (off_t)from, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO;
		if ((uint64_t)data >= to)
			return true;
		from = (uint64_t)data;
		len = to - from < HOLE_READ ? to - from : HOLE_READ;
		if (!read_back(w, fd, from, (size_t)len) || !is_zero(w->check.data, (size_t)len))
			return false;
		from += len;
	}
	return true;
}

bool contents_check(struct worker *w, const struct tree_entry *e, int fd)
{
	uint64_t end = 0;
	struct span s;
	int more;

	while ((more = tree_span(w->rs->repo->tree, e, end, &s)) == 1) {
		if (restore_stopped(w->rs))
			return false;
		if (s.off > end && !zeros_there(w, fd, end, s.off))
			return false;
		if (!span_there(w, fd, &s))
			return false;
		end = s.off + s.len;
	}
	return more == 0 && zeros_there(w, fd, end, e->size);
}
