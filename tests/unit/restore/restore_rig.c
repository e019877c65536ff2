/*
 * Rig for tests of restore.  See restore_rig.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/tree/dir_build.h"
#include "repo/tree/xattr.h"
#include "tests/unit/restore/restore_rig.h"

#define CHUNK_LEN (64u * 1024)

static void note_line(struct outrig *r, struct buf *b, const char *path, const char *what)
{
	size_t len = strlen(r->target);
	bool inside = strncmp(path, r->target, len) == 0;

	pthread_mutex_lock(&r->lock);
	assert_int_equal(buf_printf(b, "\n%s%s%s%s\n", inside ? "T" : "", inside ? path + len : path, what ? ": " : "",
			     what ? what : ""), 0);
	pthread_mutex_unlock(&r->lock);
}

static void note_report(void *arg, const char *path, int err, const char *what)
{
	struct outrig *r = arg;

	(void)err;
	note_line(r, &r->reports, path, what);
}

static void note_entry(void *arg, const char *path)
{
	struct outrig *r = arg;
	unsigned n = (unsigned)(r->progress.entries + 1);

	note_line(r, &r->entries, path, NULL);
	if (r->cancel_after > 0 && n >= r->cancel_after)
		r->cancel = 2;
}

int outrig_setup(void **state)
{
	struct outrig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	fixture_open(&r->f, FIXTURE_MEM);
	r->writer = fixture_writer(&r->f);
	pthread_mutex_init(&r->lock, NULL);
	scratch_path(r->f.scratch, "out", r->target);
	r->opts = (struct restore_options){
		.threads = 3,
		.progress = &r->progress,
		.cancel = &r->cancel,
		.report = note_report,
		.entry = note_entry,
		.arg = r,
	};
	*state = r;
	return 0;
}

int outrig_teardown(void **state)
{
	struct outrig *r = *state;

	object_writer_close(r->writer);
	tree_free(r->repo.tree);
	object_reader_free(r->repo.reader);
	for (unsigned i = 0; i < r->nkept; i++)
		free(r->kept[i]);
	buf_free(&r->reports);
	buf_free(&r->entries);
	pthread_mutex_destroy(&r->lock);
	fixture_close(&r->f);
	free(r);
	return 0;
}

static void *keep(struct outrig *r, void *p)
{
	assert_non_null(p);
	assert_true(r->nkept < OUTRIG_KEEP_MAX);
	r->kept[r->nkept++] = p;
	return p;
}

struct tree_entry outrig_entry(const char *name, uint8_t type)
{
	return (struct tree_entry){
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.type = type,
		.mode = type == ENTRY_DIR ? 0755 : type == ENTRY_LNK ? 0777 : 0644,
		.uid = geteuid(),
		.gid = getegid(),
		.nlink = 1,
		.mtime = OUTRIG_MTIME,
		.mtime_ns = 123456789,
	};
}

struct tree_entry outrig_symlink(const char *name, const char *target)
{
	struct tree_entry e = outrig_entry(name, ENTRY_LNK);

	e.target = target;
	e.target_len = (uint16_t)strlen(target);
	e.size = e.target_len;
	return e;
}

static int put_page(void *arg, const void *data, size_t len, struct id *id)
{
	struct outrig *r = arg;

	return object_writer_put(r->writer, data, len, id);
}

static void add_chunk(struct outrig *r, struct span_builder *b, uint64_t off, const uint8_t *data, uint32_t len)
{
	struct span s = { .off = off, .len = len };

	assert_int_equal(fixture_store_chunks(&r->f, r->writer, data, len, 1, &s.id), 0);
	assert_int_equal(span_builder_add(b, &s), 0);
}

static void end_file(struct outrig *r, struct span_builder *b, struct tree_entry *e)
{
	assert_int_equal(span_builder_finish(b, e), 0);
	if (e->nspans > 0) {
		void *copy = keep(r, malloc((size_t)e->nspans * SPAN_RECORD_LEN));

		memcpy(copy, e->spans, (size_t)e->nspans * SPAN_RECORD_LEN);
		e->spans = copy;
	}
	span_builder_free(b);
}

struct tree_entry outrig_file(struct outrig *r, const char *name, const void *data, size_t len)
{
	struct tree_entry e = outrig_entry(name, ENTRY_REG);
	const uint8_t *p = data;
	struct span_builder *b;
	size_t n;

	e.size = len;
	assert_int_equal(span_builder_new(put_page, r, &b), 0);
	for (size_t off = 0; off < len; off += n) {
		n = len - off < CHUNK_LEN ? len - off : CHUNK_LEN;
		add_chunk(r, b, off, p + off, (uint32_t)n);
	}
	end_file(r, b, &e);
	return e;
}

struct tree_entry outrig_text(struct outrig *r, const char *name, const char *text)
{
	return outrig_file(r, name, text, strlen(text));
}

struct tree_entry outrig_sparse(struct outrig *r, const char *name, uint64_t size, unsigned n, const uint64_t *off,
    const char *const *data)
{
	struct tree_entry e = outrig_entry(name, ENTRY_REG);
	struct span_builder *b;

	e.size = size;
	assert_int_equal(span_builder_new(put_page, r, &b), 0);
	for (unsigned i = 0; i < n; i++)
		add_chunk(r, b, off[i], (const uint8_t *)data[i], (uint32_t)strlen(data[i]));
	end_file(r, b, &e);
	return e;
}

struct tree_entry outrig_lost(const char *name, uint8_t type)
{
	struct tree_entry e = outrig_entry(name, type);

	e.flags |= ENTRY_HAS_CHILD;
	memset(&e.child, 0x5a, sizeof(e.child));
	if (type == ENTRY_DIR)
		e.below = 3;
	else
		e.size = e.data_bytes = 100;
	return e;
}

struct tree_entry outrig_dir(struct outrig *r, const char *name, const struct tree_entry *entries, unsigned n)
{
	struct tree_entry e = outrig_entry(name, ENTRY_DIR);
	struct dir_builder *b;
	uint64_t count;
	int rc;

	assert_int_equal(dir_builder_new(put_page, r, &b), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(dir_builder_add(b, &entries[i]), 0);
	rc = dir_builder_finish(b, &e.child, &count, &e.below);
	assert_true(rc >= 0);
	if (rc > 0)
		e.flags |= ENTRY_HAS_CHILD;
	dir_builder_free(b);
	return e;
}

void outrig_xattr(struct outrig *r, struct tree_entry *e, const char *name, const char *value)
{
	struct xattr x = {
		.name = name,
		.name_len = (uint16_t)strlen(name),
		.value = (const uint8_t *)value,
		.value_len = (uint32_t)strlen(value),
	};
	struct buf b = BUF_INIT;

	assert_int_equal(buf_append(&b, e->xattrs, e->xattrs_len), 0);
	assert_int_equal(xattr_encode(&b, &x), 0);
	e->xattrs = keep(r, b.data);
	e->xattrs_len = (uint32_t)b.len;
}

/* Everything is stored: make what a restore wants of a repository. */
static void open_repo(struct outrig *r)
{
	if (r->writer == NULL)
		return;
	assert_int_equal(object_writer_finish(r->writer), 0);
	object_writer_close(r->writer);
	r->writer = NULL;
	r->repo.log = r->f.log;
	r->repo.store = r->f.store;
	r->repo.config = r->f.config;
	r->repo.object_id = &r->f.secrets->object_id;
	r->repo.tree_id = &r->f.tree_id;
	r->repo.index = r->f.index;
	r->repo.reader = fixture_reader(&r->f);
	assert_int_equal(tree_new(r->repo.reader, 0, r->f.log, &r->repo.tree), 0);
}

int outrig_restore(struct outrig *r, const struct tree_entry *root, const char *path)
{
	open_repo(r);
	buf_clear(&r->reports);
	buf_clear(&r->entries);
	memset(&r->progress, 0, sizeof(r->progress));
	memset(&r->result, 0, sizeof(r->result));
	return restore_tree(&r->repo, root, path, r->target, &r->opts, &r->result);
}

const char *outrig_path(struct outrig *r, const char *name)
{
	static char ring[8][4096];
	static unsigned next;
	char *out = ring[next++ % 8];

	snprintf(out, sizeof(ring[0]), "%s%s%s", r->target, *name ? "/" : "", name);
	return out;
}

static bool has_line(struct buf *b, const char *line)
{
	size_t len = strlen(line) + 2;
	char *want = malloc(len + 1);
	bool found;

	assert_non_null(want);
	snprintf(want, len + 1, "\n%s\n", line);
	found = b->len > 0 && memmem(b->data, b->len, want, len) != NULL;
	free(want);
	return found;
}

bool outrig_told(struct outrig *r, const char *line)
{
	bool told = has_line(&r->reports, line);

	if (!told)
		print_message("told was: %.*s", (int)r->reports.len, (const char *)r->reports.data);
	return told;
}

bool outrig_named(struct outrig *r, const char *name)
{
	return has_line(&r->entries, name);
}

void outrig_plant(struct outrig *r, const char *name, const char *text)
{
	char path[4096], *p;
	int fd;

	snprintf(path, sizeof(path), "%s", outrig_path(r, name));
	for (p = path + strlen(r->target); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(path, 0755);
		*p = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

void outrig_assert_text(struct outrig *r, const char *name, const char *text)
{
	char have[4096];
	int fd = open(outrig_path(r, name), O_RDONLY | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		fail_msg("%s: %s", name, strerror(errno));
	n = read(fd, have, sizeof(have) - 1);
	close(fd);
	assert_true(n >= 0);
	have[n] = '\0';
	assert_string_equal(have, text);
}

void outrig_assert_absent(struct outrig *r, const char *name)
{
	struct stat st;

	if (lstat(outrig_path(r, name), &st) == 0)
		fail_msg("%s is there", name);
	assert_int_equal(errno, ENOENT);
}

unsigned outrig_count(struct outrig *r, const char *name)
{
	DIR *dir = opendir(outrig_path(r, name));
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n - 2;
}

struct stat outrig_stat(struct outrig *r, const char *name)
{
	struct stat st;

	if (lstat(outrig_path(r, name), &st) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}
