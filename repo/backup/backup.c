/*
 * Backup of source paths.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/backup/walk/roots.h"
#include "repo/backup/run.h"
#include "repo/backup/walk/walk.h"

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
	session_report(arg, NULL, path, strlen(path), err == -EEXIST ? 0 : err,
	    err == -EEXIST ? "another source has its place" : "cannot be backed up");
}

static int produce(struct run *run)
{
	return walk_sources(&run->s, ((struct sources *)run)->top);
}

int backup_paths(struct repo *r, const struct backup_options *opts, const char *const *paths, size_t n,
    struct backup_result *out)
{
	struct sources b = { .run = { .produce = produce } };
	int err;

	*out = (struct backup_result){ 0 };
	err = list_paths(&b.run, paths, n);
	if (err == 0)
		err = run_begin_session(&b.run, r, opts);
	if (err == 0)
		err = roots_build(paths, n, report_source, &b.run.s, &b.top);
	if (err == 0)
		err = run_backup(&b.run, out);
	out->errors = atomic_load(&b.run.s.errors);
	roots_free(b.top);
	run_end_session(&b.run);
	return err;
}
