/*
 * Store in a local directory: listing.  See store_dir.h.
 *
 * The tree is walked with one open directory for each component that a name may have, and no deeper.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "repo/store/dir/store_dir_impl.h"

/* A listing under way: directories that are open, one inside the other. */
struct walk {
	struct store_dir *d;
	bool names_only;               /* what the directory says is a file is one, of whatever size */
	char name[STORE_NAME_MAX + 2]; /* what is looked at; a directory's ends at a "/" */
	unsigned depth;                /* open directories */
	DIR *dirs[STORE_NAME_DEPTH];
	size_t lens[STORE_NAME_DEPTH]; /* of their names, with the "/" */
};

/* Descend into the directory ${w->name[0..len)}.  One that is not there is one without entries. */
static int walk_enter(struct walk *w, size_t len)
{
	int fd, rc;

	w->name[len] = '\0';
	fd = openat(w->d->root, len == 0 ? "." : w->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT)
			return store_dir_fail(w->d, w->name, "open to list it");
		rc = store_dir_absent(w->d, w->name);
		return rc == -ENOENT ? 0 : rc;
	}
	w->dirs[w->depth] = fdopendir(fd);
	if (w->dirs[w->depth] == NULL) {
		rc = store_dir_fail(w->d, w->name, "open to list it");
		close(fd);
		return rc;
	}
	w->lens[w->depth++] = len;
	return 0;
}

static int walk_entry(struct walk *w, const struct dirent *entry, store_list_fn *fn, void *arg)
{
	size_t at = w->lens[w->depth - 1], len = strlen(entry->d_name);
	struct stat st;

	if (at + len > STORE_NAME_MAX)
		return 0;
	memcpy(w->name + at, entry->d_name, len + 1);
	if (!store_name_valid(w->name))
		return 0;
	if (w->names_only && entry->d_type == DT_REG)
		return fn(arg, w->name, 0);
	if (fstatat(w->d->root, w->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : store_dir_fail(w->d, w->name, "stat");
	if (S_ISREG(st.st_mode))
		return fn(arg, w->name, (uint64_t)st.st_size);

	if (S_ISLNK(st.st_mode) && fstatat(w->d->root, w->name, &st, 0) < 0)
		return errno == ENOENT ? 0 : store_dir_fail(w->d, w->name, "stat");
	if (!S_ISDIR(st.st_mode) || w->depth == STORE_NAME_DEPTH)
		return 0;
	w->name[at + len] = '/';
	return walk_enter(w, at + len + 1);
}

static int list(struct store *s, const char *prefix, bool names_only, store_list_fn *fn, void *arg)
{
	struct walk w = { .d = store_dir_of(s), .names_only = names_only };
	struct dirent *entry;
	int rc;

	memcpy(w.name, prefix, strlen(prefix) + 1);
	rc = walk_enter(&w, strlen(prefix));
	while (rc == 0 && w.depth > 0) {
		errno = 0;
		entry = readdir(w.dirs[w.depth - 1]);
		if (entry != NULL) {
			rc = walk_entry(&w, entry, fn, arg);
		} else if (errno != 0) {
			w.name[w.lens[w.depth - 1]] = '\0';
			rc = store_dir_fail(w.d, w.name, "list");
		} else {
			closedir(w.dirs[--w.depth]);
		}
	}
	while (w.depth > 0)
		closedir(w.dirs[--w.depth]);

	/* A directory that has been removed reads as an empty one. */
	if (rc == 0) {
		rc = store_dir_absent(w.d, prefix);
		rc = rc == -ENOENT ? 0 : rc;
	}
	return rc;
}

int store_dir_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, false, fn, arg);
}

int store_dir_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	return list(s, prefix, true, fn, arg);
}
