/*
 * The changes that mutate makes: of bytes, of names, of whole files and directories, of attributes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/tools/mktree/mutate.h"

/* --- Bytes --- */

static char *read_file(struct mutation *m, const struct victim *v)
{
	char *data = xmalloc((size_t)v->st.st_size);
	int fd = openat(m->root, v->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, data, (size_t)v->st.st_size, 0);

	if (fd >= 0)
		close(fd);
	if (n == v->st.st_size)
		return data;
	free(data);
	return NULL;
}

/* Open for writing what may be read-only, and leave its mode as it was. */
static int open_for_writing(struct mutation *m, const struct victim *v)
{
	return openat(m->root, v->path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
}

static bool do_append(struct mutation *m)
{
	struct victim v;
	int fd = mutation_pick_file(m, &v, false) ? open_for_writing(m, &v) : -1;
	uint64_t seed = rng_next(&m->rng);

	if (fd < 0)
		return false;
	gen_write(fd, CONTENT_TEXT, seed, v.st.st_size, 1 + seed % 100000);
	close(fd);
	return mutation_tell(m, "append", v.path, true);
}

static bool do_insert(struct mutation *m)
{
	struct victim v;
	char *data = mutation_pick_file(m, &v, true) ? read_file(m, &v) : NULL;
	int fd = data ? open_for_writing(m, &v) : -1;
	uint64_t extra = 1 + rng_below(&m->rng, 5000);
	off_t at;
	size_t behind;
	bool done = false;

	if (fd < 0)
		goto out;
	at = v.st.st_size / 2;
	behind = (size_t)(v.st.st_size - at);
	gen_write(fd, CONTENT_RANDOM, rng_next(&m->rng), at, extra);
	done = pwrite(fd, data + at, behind, at + (off_t)extra) == (ssize_t)behind;
	close(fd);
out:
	free(data);
	return mutation_tell(m, "insert", v.path, done);
}

static bool do_truncate(struct mutation *m)
{
	struct victim v;
	int fd = mutation_pick_file(m, &v, true) ? open_for_writing(m, &v) : -1;
	bool done;

	if (fd < 0)
		return false;
	done = ftruncate(fd, (off_t)rng_below(&m->rng, (uint64_t)v.st.st_size)) == 0;
	close(fd);
	return mutation_tell(m, "truncate", v.path, done);
}

static bool do_extend(struct mutation *m)
{
	struct victim v;
	int fd = mutation_pick_file(m, &v, false) ? open_for_writing(m, &v) : -1;
	bool done;

	if (fd < 0)
		return false;
	done = ftruncate(fd, v.st.st_size + 1 + (off_t)rng_below(&m->rng, 1 << 20)) == 0;
	close(fd);
	return mutation_tell(m, "extend by a hole", v.path, done);
}

static void overwrite(struct mutation *m, int fd, off_t size)
{
	uint64_t at = rng_below(&m->rng, (uint64_t)size), len = 1 + rng_below(&m->rng, 4096);

	if (len > (uint64_t)size - at)
		len = (uint64_t)size - at;
	gen_write(fd, CONTENT_RANDOM, rng_next(&m->rng), (off_t)at, len);
}

static bool do_overwrite(struct mutation *m)
{
	struct victim v;
	int fd = mutation_pick_file(m, &v, true) ? open_for_writing(m, &v) : -1;

	if (fd < 0)
		return false;
	overwrite(m, fd, v.st.st_size);
	close(fd);
	return mutation_tell(m, "overwrite", v.path, true);
}

static bool do_sneak(struct mutation *m)
{
	struct victim v;
	int fd = mutation_pick_file(m, &v, true) ? open_for_writing(m, &v) : -1;
	bool done;

	if (fd < 0)
		return false;
	overwrite(m, fd, v.st.st_size);
	done = futimens(fd, (struct timespec[]){ { .tv_nsec = UTIME_OMIT }, v.st.st_mtim }) == 0;
	close(fd);
	return mutation_tell(m, "overwrite and set mtime back", v.path, done);
}

/* --- Names --- */

static bool rename_to(struct mutation *m, const char *what, const char *from, char *to)
{
	bool done = renameat2(m->root, from, m->root, to, RENAME_NOREPLACE) == 0;

	done = mutation_tell(m, what, from, done);
	if (done)
		mutation_add(m, to);
	else
		free(to);
	return done;
}

static bool do_rename(struct mutation *m)
{
	struct victim v;

	return mutation_pick(m, 0, &v) && rename_to(m, "rename", v.path, mutation_sibling_path(m, v.path, "renamed"));
}

static bool do_move(struct mutation *m)
{
	struct victim v;

	return mutation_pick(m, 0, &v) && rename_to(m, "move", v.path, mutation_new_path(m, "moved"));
}

static bool do_swap(struct mutation *m)
{
	struct victim a, b;

	if (!mutation_pick(m, S_IFREG, &a) || !mutation_pick(m, S_IFREG, &b) || strcmp(a.path, b.path) == 0)
		return false;
	return mutation_tell(m, "swap", a.path, renameat2(m->root, a.path, m->root, b.path, RENAME_EXCHANGE) == 0);
}

static bool do_delete(struct mutation *m)
{
	struct victim v;

	if (!mutation_pick(m, 0, &v) || S_ISDIR(v.st.st_mode))
		return false;
	return mutation_tell(m, "delete", v.path, unlinkat(m->root, v.path, 0) == 0);
}

static bool do_link(struct mutation *m)
{
	struct victim v;
	char *to;
	bool done;

	if (!mutation_pick(m, 0, &v) || S_ISDIR(v.st.st_mode))
		return false;
	to = mutation_new_path(m, "linked");
	done = mutation_tell(m, "link", v.path, linkat(m->root, v.path, m->root, to, 0) == 0);
	if (done)
		mutation_add(m, to);
	else
		free(to);
	return done;
}

/* --- Whole files and directories --- */

static bool make_file(struct mutation *m, const char *path, uint64_t len)
{
	int fd = openat(m->root, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	uint64_t seed = rng_next(&m->rng);

	if (fd < 0)
		return false;
	gen_write(fd, seed % 2 ? CONTENT_TEXT : CONTENT_RANDOM, seed, 0, len);
	close(fd);
	return true;
}

static bool do_new_file(struct mutation *m)
{
	char *path = mutation_new_path(m, "new file");
	bool done = mutation_tell(m, "new file", path, make_file(m, path, rng_below(&m->rng, 300000)));

	if (done)
		mutation_add(m, path);
	else
		free(path);
	return done;
}

static bool make_directory(struct mutation *m, const char *path)
{
	char name[32];

	if (mkdirat(m->root, path, 0750) < 0)
		return false;
	for (int i = 0; i < 3; i++) {
		char *file;

		snprintf(name, sizeof(name), "file %d", i);
		file = mutation_join(path, name);
		if (make_file(m, file, rng_below(&m->rng, 3000)))
			mutation_add(m, file);
		else
			free(file);
	}
	return true;
}

static bool do_new_directory(struct mutation *m)
{
	char *path = mutation_new_path(m, "new directory");
	bool done = mutation_tell(m, "new directory", path, make_directory(m, path));

	if (done)
		mutation_add(m, path);
	else
		free(path);
	return done;
}

static bool do_file_to_directory(struct mutation *m)
{
	struct victim v;

	if (!mutation_pick(m, S_IFREG, &v) || unlinkat(m->root, v.path, 0) < 0)
		return false;
	return mutation_tell(m, "replace file by directory", v.path, make_directory(m, v.path));
}

/* Remove a directory that has only files, and few of them. */
static bool remove_directory(struct mutation *m, const char *path)
{
	int fd = openat(m->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct names n;
	struct stat st;
	bool fit;

	if (fd < 0)
		return false;
	if (names_read(fd, &n) < 0) {
		close(fd);
		return false;
	}
	fit = n.count < 20;
	for (size_t i = 0; fit && i < n.count; i++)
		fit = fstatat(fd, names_get(&n, i), &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode);
	for (size_t i = 0; fit && i < n.count; i++)
		fit = unlinkat(fd, names_get(&n, i), 0) == 0;
	names_free(&n);
	close(fd);
	return fit && unlinkat(m->root, path, AT_REMOVEDIR) == 0;
}

static bool do_delete_directory(struct mutation *m)
{
	struct victim v;

	if (!mutation_pick(m, S_IFDIR, &v))
		return false;
	return mutation_tell(m, "delete directory", v.path, remove_directory(m, v.path));
}

static bool do_directory_to_file(struct mutation *m)
{
	struct victim v;

	if (!mutation_pick(m, S_IFDIR, &v) || !remove_directory(m, v.path))
		return false;
	return mutation_tell(m, "replace directory by file", v.path, make_file(m, v.path, rng_below(&m->rng, 5000)));
}

static bool do_file_to_symlink(struct mutation *m)
{
	struct victim v;

	if (!mutation_pick(m, S_IFREG, &v) || unlinkat(m->root, v.path, 0) < 0)
		return false;
	return mutation_tell(m, "replace file by symlink", v.path, symlinkat("some/where else", m->root, v.path) == 0);
}

/* The same name and bytes, another inode: as an editor saves. */
static bool do_replace(struct mutation *m)
{
	struct victim v;
	char *data = mutation_pick_file(m, &v, true) ? read_file(m, &v) : NULL;
	bool done;
	int fd;

	if (!data || unlinkat(m->root, v.path, 0) < 0) {
		free(data);
		return false;
	}
	fd = openat(m->root, v.path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, v.st.st_mode & 07777);
	done = fd >= 0 && write(fd, data, (size_t)v.st.st_size) == v.st.st_size;
	if (fd >= 0)
		close(fd);
	free(data);
	return mutation_tell(m, "replace by a copy", v.path, done);
}

/* --- Attributes --- */

static bool do_chmod(struct mutation *m)
{
	static const mode_t modes[] = { 0600, 0644, 0755, 0444, 04755, 0777, 0700, 01777 };
	struct victim v;

	if (!mutation_pick(m, 0, &v) || S_ISLNK(v.st.st_mode))
		return false;
	return mutation_tell(m, "chmod", v.path, fchmodat(m->root, v.path, modes[rng_below(&m->rng, 8)], 0) == 0);
}

static bool do_chown(struct mutation *m)
{
	struct victim v;
	uid_t uid = (uid_t)rng_below(&m->rng, 200000);

	if (!mutation_pick(m, 0, &v))
		return false;
	return mutation_tell(m, "chown", v.path, fchownat(m->root, v.path, uid, uid / 2, AT_SYMLINK_NOFOLLOW) == 0);
}

static bool do_touch(struct mutation *m)
{
	struct timespec t[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = (time_t)rng_below(&m->rng, 2000000000) } };
	struct victim v;

	t[1].tv_nsec = (long)rng_below(&m->rng, 1000000000);
	if (!mutation_pick(m, 0, &v))
		return false;
	return mutation_tell(m, "touch", v.path, utimensat(m->root, v.path, t, AT_SYMLINK_NOFOLLOW) == 0);
}

static bool do_xattr(struct mutation *m)
{
	struct victim v;
	char value[32];
	int n = snprintf(value, sizeof(value), "changed %" PRIu64, m->number++);

	if (!mutation_pick(m, 0, &v) || (!S_ISREG(v.st.st_mode) && !S_ISDIR(v.st.st_mode)))
		return false;
	return mutation_tell(m, "xattr", v.path, gen_try_xattr(m->root, v.path, "user.mutated", value, (size_t)n));
}

/* Take away the first attribute of something that has one. */
static bool do_remove_xattr(struct mutation *m)
{
	struct victim v;
	char *path = NULL, list[4096];
	bool done = false;

	if (!mutation_pick(m, 0, &v))
		return false;
	if (asprintf(&path, "/proc/self/fd/%d/%s", m->root, v.path) < 0)
		die("out of memory");
	if (llistxattr(path, list, sizeof(list)) > 0)
		done = lremovexattr(path, list) == 0;
	free(path);
	return mutation_tell(m, "remove xattr", v.path, done);
}

const change_fn mutations_usual[] = {
	do_append, do_insert, do_truncate, do_extend, do_overwrite, do_rename, do_move, do_swap, do_delete,
	do_link, do_new_file, do_new_directory, do_file_to_directory, do_delete_directory, do_directory_to_file,
	do_file_to_symlink, do_replace, do_chmod, do_chown, do_touch, do_xattr, do_remove_xattr, NULL,
};

const change_fn mutations_sneaky[] = { do_sneak, NULL };
