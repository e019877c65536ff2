/*
 * Backup of source paths.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "repo/backup/walk/roots.h"
#include "repo/backup/run.h"
#include "repo/backup/walk/walk.h"
#include "repo/util/files/inside.h"

#define AGAIN_MAX 3 /* times that a backup begins anew because of prunes */

struct sources {
	struct run run; /* first: what run_backup() hands back */
	struct root *top;
};

static int compare_paths(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

/*
 * The paths for the manifest: absolute, each once, in one order, so that the same sources are known again as the
 * same.
 */
static int list_paths(struct run *run, const char *const *paths, size_t n)
{
	size_t i, kept = 0;

	run->paths = calloc(n ? n : 1, sizeof(char *));
	if (!run->paths)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		run->paths[i] = roots_absolute(paths[i]);
		if (!run->paths[i])
			return -errno;
		run->npaths++;
	}
	qsort(run->paths, n, sizeof(char *), compare_paths);
	for (i = 0; i < n; i++) {
		if (kept > 0 && strcmp(run->paths[kept - 1], run->paths[i]) == 0)
			free(run->paths[i]);
		else
			run->paths[kept++] = run->paths[i];
	}
	run->npaths = kept;
	return 0;
}

static void report_source(void *arg, const char *path, int err)
{
	session_report(arg, NULL, path, strlen(path), err == -EEXIST || err == -ELOOP ? 0 : err,
	    err == -EEXIST ? "another source has its place" : err == -ELOOP ? "lies in the repository or its index" :
	    "cannot be backed up");
}

/*
 * Does the source lie in ${dir}, one of our own?  The walk leaves out what it comes by, and so the directory itself,
 * but it would not come by it from in there; and each backup would store what the one before has added.
 */
static bool lies_in(const char *path, const char *dir)
{
	struct stat st;

	/* A symlink is stored as such, wherever it leads. */
	if (dir == NULL || lstat(path, &st) < 0 || S_ISLNK(st.st_mode))
		return false;
	return path_inside(path, dir) && !path_inside(dir, path);
}

/* Build the tree of sources from those that do not lie in directories of ours. */
static int build_roots(struct sources *b, const char *const *paths, size_t n)
{
	struct session *s = &b->run.s;
	const char **kept = calloc(n ? n : 1, sizeof(*kept));
	size_t nkept = 0;
	int err;

	if (!kept)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (lies_in(paths[i], store_local_path(s->repo->store)) ||
		    lies_in(paths[i], index_path(s->repo->index)))
			report_source(s, paths[i], -ELOOP);
		else
			kept[nkept++] = paths[i];
	}
	err = roots_build(kept, nkept, report_source, s, &b->top);
	free(kept);
	return err;
}

static int produce(struct run *run)
{
	return walk_sources(&run->s, ((struct sources *)run)->top);
}

static int back_up(struct repo *r, const struct backup_options *opts, const char *const *paths, size_t n,
    struct backup_result *out)
{
	struct sources b = { .run = { .produce = produce } };
	int err;

	*out = (struct backup_result){ 0 };
	err = list_paths(&b.run, paths, n);
	if (err == 0)
		err = run_begin_session(&b.run, r, opts);
	if (err == 0)
		err = build_roots(&b, paths, n);
	if (err == 0)
		err = run_backup(&b.run, out);
	/* What could not be read was reported, but not what comes of it. */
	if (err == -ENOENT)
		log_error(r->log, "no snapshot was made: nothing of what was named could be backed up");
	out->errors = atomic_load(&b.run.s.errors);
	roots_free(b.top);
	run_end_session(&b.run);
	return err;
}

/* What was stored the first time, and is not doomed, is found again the next. */
int backup_paths(struct repo *r, const struct backup_options *opts, const char *const *paths, size_t n,
    struct backup_result *out)
{
	int err = back_up(r, opts, paths, n, out);

	for (unsigned i = 0; err == -ESTALE && i < AGAIN_MAX; i++) {
		log_warn(r->log, "a prune has gone on meanwhile: the backup begins anew with what it needs once more");
		err = back_up(r, opts, paths, n, out);
	}
	if (err == -ESTALE)
		log_error(r->log, "no snapshot was made: prunes doom what backups store before they can end");
	return err;
}
