/*
 * Restore: setting it up, and what comes of it.
 *
 *   feeder (the caller's thread: walk, filters, directories) -> batches in order -> workers (files, links, nodes)
 *
 * A directory gets its attributes from whoever ends the last thing in it (outdir.h).  Nothing is synced: like cp, a
 * restore can be run again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "repo/restore/output/attrs.h"
#include "repo/restore/feed.h"
#include "repo/restore/work/linkset.h"
#include "repo/restore/work/work.h"
#include "repo/util/files/inside.h"

#define MEMORY_DEFAULT (32u * 1024 * 1024)
#define THREADS_MIN 2
#define THREADS_MAX 256
#define SLOTS_MIN 4
#define SLOTS_MAX 64
#define FILES_WANTED 4096 /* descriptors */
#define DIRS_MIN 64       /* descriptors of directories */
#define DIRS_MAX 256

/* Make room for descriptors.  Return how many of them may be directories. */
static unsigned raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return DIRS_MIN;
	if (l.rlim_cur < FILES_WANTED && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max < FILES_WANTED ? l.rlim_max : FILES_WANTED;
		setrlimit(RLIMIT_NOFILE, &l);
		getrlimit(RLIMIT_NOFILE, &l);
	}
	return l.rlim_cur / 4 > DIRS_MAX ? DIRS_MAX : l.rlim_cur / 4 < DIRS_MIN ? DIRS_MIN : (unsigned)(l.rlim_cur / 4);
}

/* The process's umask, which cannot be asked for without changing it but in /proc; 07777 if it is not known. */
static mode_t read_umask(void)
{
	char *line = NULL;
	size_t cap = 0;
	unsigned mask = 07777;
	FILE *f = fopen("/proc/self/status", "re");

	if (f == NULL)
		return mask;
	while (getline(&line, &cap, f) > 0)
		if (sscanf(line, "Umask: %o", &mask) == 1)
			break;
	free(line);
	fclose(f);
	return mask & 07777;
}

/* As many as the machine has processors, but none without memory for a chunk. */
static unsigned choose_threads(const struct restore *rs)
{
	size_t chunk = (size_t)rs->repo->config.chunk_avg * 4, each;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = rs->opts->threads;

	each = (chunk > OBJECT_LEN_MAX ? OBJECT_LEN_MAX : chunk) * (rs->opts->verify ? 2 : 1);
	if (n == 0)
		n = cpus < THREADS_MIN ? THREADS_MIN : (unsigned)cpus;
	if (n > THREADS_MAX)
		n = THREADS_MAX;
	while (n > 1 && n * each > rs->memory / 2)
		n--;
	return n;
}

/* Append ${path} in its one form: "" or "/a/b". */
static int append_path(struct buf *b, const char *path)
{
	size_t len;
	int rc = 0;

	for (; *path != '\0' && rc == 0; path += len) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (len > 0 && (rc = buf_u8(b, '/')) == 0)
			rc = buf_append(b, path, len);
	}
	return rc == 0 ? buf_u8(b, '\0') : rc;
}

/* Path in the snapshot of what becomes the target: of the entry, or, if that is no directory, of its directory. */
static int set_prefix(struct restore *rs, const char *path, const struct tree_entry *e)
{
	struct buf b = BUF_INIT;
	char *last;

	if (append_path(&b, path) < 0) {
		buf_free(&b);
		return -ENOMEM;
	}
	rs->prefix = (char *)b.data;
	last = strrchr(rs->prefix, '/');
	if (e->type != ENTRY_DIR && last != NULL)
		*last = '\0';
	return 0;
}

static int setup(struct restore *rs, const char *path, const struct tree_entry *e)
{
	size_t slots;

	rs->memory = rs->opts->memory_bytes ? rs->opts->memory_bytes : MEMORY_DEFAULT;
	slots = rs->memory / 4 / sizeof(struct batch);
	rs->progress = rs->opts->progress != NULL ? rs->opts->progress : &rs->own_progress;
	rs->progress->total_entries = 1 + (e->type == ENTRY_DIR ? e->below : 0);
	rs->uid = geteuid();
	rs->gid = getegid();
	rs->umask = read_umask();
	rs->threads = choose_threads(rs);
	rs->queue = batch_queue_new(slots < SLOTS_MIN ? SLOTS_MIN : slots > SLOTS_MAX ? SLOTS_MAX : (unsigned)slots);
	rs->dirs = outdir_pool_new(raise_limit(), attrs_finish_dir, rs);
	if (rs->queue == NULL || rs->dirs == NULL)
		return -ENOMEM;
	return set_prefix(rs, path, e);
}

static void teardown(struct restore *rs)
{
	linkset_free(rs->links);
	batch_queue_free(rs->queue);
	outdir_pool_free(rs->dirs);
	free(rs->prefix);
}

/* Start as many as there can be.  Return how many, or a negative errno. */
static int start_workers(struct restore *rs, struct worker *workers)
{
	int rc = 0;
	unsigned n;

	for (n = 0; n < rs->threads && rc == 0; n++) {
		workers[n].rs = rs;
		rc = -pthread_create(&workers[n].thread, NULL, worker_thread, &workers[n]);
	}
	if (rc == 0)
		return (int)n;
	return n > 1 ? (int)n - 1 : rc;
}

static int run(struct restore *rs, const struct tree_entry *e, struct outdir *target)
{
	struct worker *workers = calloc(rs->threads, sizeof(*workers));
	int n;

	rs->links = workers == NULL ? NULL : linkset_new(target->base.fd, rs->memory / 4);
	n = rs->links == NULL ? -ENOMEM : 0;
	if (n == 0 && rs->opts->opened != NULL)
		n = rs->opts->opened(rs->opts->arg, target->base.fd);
	if (n == 0)
		n = start_workers(rs, workers);
	if (n < 0) {
		target->keep = true;
		outdir_leave(target);
	} else {
		feed(rs, e, target);
		batch_queue_end(rs->queue);
	}
	for (int i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
	return n < 0 ? n : rs->stop;
}

static void give_result(const struct restore *rs, struct restore_result *out)
{
	*out = (struct restore_result){
		.files = rs->n.files,
		.dirs = rs->n.dirs,
		.others = rs->n.others,
		.bytes = rs->n.bytes,
		.skipped = rs->n.skipped,
		.errors = rs->n.errors,
		.damaged = rs->n.damaged,
		.no_owner = rs->n.no_owner,
		.no_xattr = rs->n.no_xattr,
		.no_device = rs->n.no_device,
	};
}

/* What is put among our own files would be taken for one of them, or be backed up for ever. */
static int check_target(const struct repo *r, const char *target)
{
	const char *store = store_local_path(r->store), *where = NULL;

	if (store != NULL && path_inside(target, store))
		where = "the repository";
	else if (r->cache_dir != NULL && path_inside(target, r->cache_dir))
		where = "the directory of local indexes";
	if (where == NULL)
		return 0;
	log_error(r->log, "%s: lies in %s: restore to another place", target, where);
	return -ELOOP;
}

int restore_tree(struct repo *r, const struct tree_entry *root, const char *path, const char *target,
    const struct restore_options *opts, struct restore_result *out)
{
	struct restore rs = { .repo = r, .opts = opts, .target = target };
	struct tree_hit hit = { .node = NULL };
	struct outdir *dir;
	int rc;

	rc = check_target(r, target);
	if (rc == 0)
		rc = tree_path(r->tree, root, path, strlen(path), &hit);
	if (rc < 0)
		return rc == -ENOTDIR ? -ENOENT : rc;
	rc = setup(&rs, path, &hit.entry);
	if (rc == 0)
		rc = outdir_open_target(&rs, &hit.entry, &dir);
	if (rc == 0)
		rc = run(&rs, &hit.entry, dir);
	give_result(&rs, out);
	teardown(&rs);
	tree_hit_release(r->tree, &hit);
	return rc;
}
