/*
 * A repository and a source for tests of backups.  See backup_rig.h.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/tree/xattr.h"
#include "tests/lib/backup_rig.h"

static void add_line(struct rig *g, char *text, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void add_line(struct rig *g, char *text, const char *fmt, ...)
{
	size_t len;
	va_list ap;

	pthread_mutex_lock(&g->lock);
	len = strlen(text);
	va_start(ap, fmt);
	vsnprintf(text + len, RIG_TEXT_SIZE - len, fmt, ap);
	va_end(ap);
	pthread_mutex_unlock(&g->lock);
}

static void on_report(void *arg, const char *path, int err, const char *what)
{
	struct rig *g = arg;

	(void)err;
	add_line(g, g->reports, "%s: %s\n", path, what);
}

static void on_entry(void *arg, char change, const char *path)
{
	struct rig *g = arg;

	add_line(g, g->entries, "%c %s\n", change, path);
	if (g->on_entry)
		g->on_entry(g, path);
}

static int on_finish(void *arg)
{
	return ((struct rig *)arg)->on_finish;
}

/* The parts of the fixture as struct repo has them. */
static void open_repo(struct rig *g)
{
	struct fixture *f = &g->f;

	g->repo = (struct repo){
		.log = f->log, .store = f->store, .config = f->config, .secrets = f->secrets, .data = &f->data,
		.metadata = &f->metadata, .object_id = &f->secrets->object_id, .tree_id = &f->tree_id,
		.index = f->index, .reader = fixture_reader(f),
	};
	assert_int_equal(tree_new(g->repo.reader, 0, f->log, &g->repo.tree), 0);
}

static void close_repo(struct rig *g)
{
	tree_free(g->repo.tree);
	object_reader_free(g->repo.reader);
}

static int setup(void **state, enum fixture_store store)
{
	struct rig *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	pthread_mutex_init(&g->lock, NULL);
	fixture_open(&g->f, store);
	open_repo(g);
	assert_int_equal(mkdir(scratch_path(g->f.scratch, "src", g->src), 0755), 0);
	assert_int_equal(chdir(g->src), 0);
	g->opts = (struct backup_options){ .host = "testhost", .program = "test", .report = on_report,
		.entry = on_entry, .finish = on_finish, .arg = g, .progress = &g->progress };
	*state = g;
	return 0;
}

int rig_setup(void **state)
{
	return setup(state, FIXTURE_MEM);
}

int rig_setup_dir(void **state)
{
	return setup(state, FIXTURE_DIR);
}

int rig_teardown(void **state)
{
	struct rig *g = *state;

	assert_int_equal(chdir("/"), 0);
	close_repo(g);
	fixture_close(&g->f);
	pthread_mutex_destroy(&g->lock);
	free(g);
	return 0;
}

void rig_forget_index(struct rig *g)
{
	close_repo(g);
	fixture_forget_index(&g->f);
	open_repo(g);
}

int rig_backup(struct rig *g, ...)
{
	const char *paths[16];
	size_t n = 0;
	va_list ap;

	va_start(ap, g);
	while ((paths[n] = va_arg(ap, const char *)) != NULL)
		n++;
	va_end(ap);
	g->reports[0] = g->entries[0] = '\0';
	memset(&g->progress, 0, sizeof(g->progress));
	return backup_paths(&g->repo, &g->opts, paths, n, &g->result);
}

bool rig_reported(const struct rig *g, const char *text)
{
	return strstr(g->reports, text) != NULL;
}

bool rig_stored(const struct rig *g, const char *line)
{
	const char *at = g->entries;
	size_t len = strlen(line);

	while ((at = strstr(at, line)) != NULL && at[len] != '\n')
		at += len;
	return at != NULL;
}

size_t rig_snapshots(struct rig *g)
{
	struct catalog *c;
	size_t n;

	assert_int_equal(repo_catalog(&g->repo, &c), 0);
	n = catalog_count(c);
	catalog_free(c);
	return n;
}

void rig_manifest(struct rig *g, struct manifest *out)
{
	struct catalog *c;

	assert_int_equal(repo_catalog(&g->repo, &c), 0);
	assert_true(catalog_count(c) > 0);
	assert_int_equal(catalog_manifest(c, catalog_count(c) - 1, out), 0);
	catalog_free(c);
}

int rig_find(struct rig *g, const char *path, struct tree_hit *hit)
{
	struct manifest m;
	int err;

	rig_manifest(g, &m);
	assert_true(tree_path(g->repo.tree, &m.root, "", 0, hit) == 0);
	err = tree_path(g->repo.tree, &m.root, path, strlen(path), hit);
	/* An entry without a page would point into the manifest. */
	if (err == 0 && !hit->node)
		hit->entry.name = hit->entry.user = hit->entry.group = "";
	manifest_destroy(&m);
	return err;
}

/* --- Comparing --- */

static void same_contents(struct rig *g, const struct tree_entry *e, int fd)
{
	static uint8_t ours[65536], theirs[65536];
	uint64_t off = 0, data = 0;
	struct span span;
	int got;

	while ((got = tree_span(g->repo.tree, e, off, &span)) > 0) {
		assert_true(span.off >= off && span.off + span.len <= e->size);
		/* A hole here must be one there. */
		if (span.off > off)
			assert_true((uint64_t)lseek(fd, (off_t)off, SEEK_DATA) >= span.off);
		for (uint64_t at = span.off; at < span.off + span.len; at += sizeof(ours)) {
			uint64_t left = span.off + span.len - at;
			size_t want = left < sizeof(ours) ? (size_t)left : sizeof(ours);

			assert_int_equal(tree_read(g->repo.tree, e, at, want, ours), want);
			assert_int_equal(pread(fd, theirs, want, (off_t)at), want);
			assert_memory_equal(ours, theirs, want);
		}
		off = span.off + span.len;
		data += span.len;
	}
	assert_int_equal(got, 0);
	if (off < e->size)
		assert_true(lseek(fd, (off_t)off, SEEK_DATA) < 0);
	assert_int_equal(e->data_bytes, data);
}

static void same_xattrs(struct rig *g, const struct tree_entry *e, int dirfd, const char *name)
{
	static char path[512], list[65536], value[65536];
	struct buf b = BUF_INIT;
	struct xattr x;
	ssize_t len, n = 0;
	struct rd r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	len = llistxattr(path, list, sizeof(list));
	for (ssize_t at = 0; at < len; at += (ssize_t)strlen(list + at) + 1)
		n++;
	assert_int_equal(tree_xattrs(g->repo.tree, e, &b), 0);
	for (r = rd_init(b.data, b.len); xattr_next(&r, &x) > 0; n--) {
		char xname[256];

		memcpy(xname, x.name, x.name_len);
		xname[x.name_len] = '\0';
		assert_int_equal(lgetxattr(path, xname, value, sizeof(value)), x.value_len);
		assert_memory_equal(value, x.value, x.value_len);
	}
	assert_int_equal(n, 0);
	buf_free(&b);
}

static void same_attributes(const struct tree_entry *e, const struct stat *st)
{
	assert_int_equal(e->type, IFTODT(st->st_mode));
	assert_int_equal(e->mode, st->st_mode & 07777);
	assert_int_equal(e->uid, st->st_uid);
	assert_int_equal(e->gid, st->st_gid);
	assert_int_equal(e->nlink, st->st_nlink);
	assert_int_equal(e->mtime, st->st_mtim.tv_sec);
	assert_int_equal(e->mtime_ns, st->st_mtim.tv_nsec);
	assert_int_equal(e->ctime, st->st_ctim.tv_sec);
	assert_int_equal(e->ctime_ns, st->st_ctim.tv_nsec);
	assert_int_equal(e->ino, st->st_ino);
	assert_int_equal(e->dev, st->st_nlink > 1 && !S_ISDIR(st->st_mode) ? st->st_dev : 0);
	assert_int_equal(e->size, st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		assert_true(makedev(e->rdev_major, e->rdev_minor) == st->st_rdev);
}

static unsigned count_names(int fd)
{
	DIR *d = fdopendir(dup(fd));
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2; /* "." and ".." */
}

static void same_entry(struct rig *g, const struct tree_entry *e, int dirfd, const char *name);

static void same_directory(struct rig *g, const struct tree_entry *e, int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	struct tree_iter it;
	struct tree_entry sub;
	uint64_t below = 0;
	unsigned n = count_names(fd);

	assert_true(fd >= 0);
	assert_int_equal(tree_iter_begin(&it, g->repo.tree, e->flags & ENTRY_HAS_CHILD ? &e->child : NULL, 0), 0);
	while (tree_iter_next(&it, &sub, NULL, NULL) > 0) {
		char sub_name[256];

		memcpy(sub_name, sub.name, sub.name_len);
		sub_name[sub.name_len] = '\0';
		same_entry(g, &sub, fd, sub_name);
		below += 1 + sub.below;
		n--;
	}
	tree_iter_end(&it);
	assert_int_equal(n, 0);
	assert_int_equal(e->below, below);
	close(fd);
}

static void same_entry(struct rig *g, const struct tree_entry *e, int dirfd, const char *name)
{
	char target[4096];
	struct stat st;
	int fd;

	assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	same_attributes(e, &st);
	same_xattrs(g, e, dirfd, name);
	if (S_ISDIR(st.st_mode))
		same_directory(g, e, dirfd, name);
	if (S_ISREG(st.st_mode)) {
		fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW);
		assert_true(fd >= 0);
		same_contents(g, e, fd);
		close(fd);
	}
	if (S_ISLNK(st.st_mode)) {
		assert_int_equal(readlinkat(dirfd, name, target, sizeof(target)), e->target_len);
		assert_memory_equal(target, e->target, e->target_len);
	}
}

void rig_same(struct rig *g, const char *stored, const char *source)
{
	struct manifest m;
	struct tree_hit hit;

	rig_manifest(g, &m);
	assert_int_equal(tree_path(g->repo.tree, &m.root, stored, strlen(stored), &hit), 0);
	same_entry(g, &hit.entry, AT_FDCWD, source);
	tree_hit_release(g->repo.tree, &hit);
	manifest_destroy(&m);
}

/* --- Sources --- */

static int create(const char *path)
{
	char dir[SCRATCH_PATH_SIZE];
	const char *slash;
	int fd;

	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
		assert_true(mkdir(dir, 0755) == 0 || errno == EEXIST);
	}
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	assert_true(fd >= 0);
	return fd;
}

void rig_file(const char *path, uint64_t seed, size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1);
	int fd = create(path);

	fixture_noise(seed, bytes, len);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
	free(bytes);
}

void rig_note(const char *path, const char *text)
{
	int fd = create(path);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}
