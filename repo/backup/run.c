/*
 * A backup from begin to end: prepare the session, run producer, workers and committer, make all durable, then
 * publish.
 *
 * Order of durability: packs, then the index runs that name them (object_writer_finish()), then the manifest.
 * Whatever ends a backup before the manifest leaves objects that no snapshot names, and a rerun finds those again
 * that a run names.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "repo/backup/entitled.h"
#include "repo/backup/job/commit.h"
#include "repo/backup/publish.h"
#include "repo/backup/run.h"
#include "repo/backup/job/worker.h"
#include "repo/util/process/harden.h"
#include "repo/util/text/when.h"

#define MEMORY_BASE ((size_t)8 * 1024 * 1024) /* in flight by default: this, and for each worker a job and what waits */
#define MEMORY_WORKER ((size_t)4 * 1024 * 1024)
#define LINKS_BYTES (12u * 1024 * 1024)
#define THREADS_MAX 256
#define DIRS_MIN 48    /* open directories: more than the walker keeps for itself */
#define DIRS_MAX 512
#define PIECE_MIN (1024u * 1024)
#define AHEAD_MAX 32   /* files that a worker opens ahead */

/* Take as many descriptors as we may; return how many that is. */
static unsigned raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 1024;
	if (l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
		getrlimit(RLIMIT_NOFILE, &l);
	}
	return l.rlim_cur > 1u << 20 ? 1u << 20 : (unsigned)l.rlim_cur;
}

static unsigned clamp(unsigned v, unsigned low, unsigned high)
{
	return v < low ? low : v > high ? high : v;
}

static int64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_SEC + t.tv_nsec;
}

/* Sizes, by what the machine has. */
static void size_session(struct session *s)
{
	unsigned nofile = raise_descriptors(), threads = s->opts->threads;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	/* Beyond the processors, so that some may wait for the disk. */
	if (threads == 0)
		threads = (unsigned)(cpus > 0 ? cpus : 1) + 2;
	s->threads = clamp(threads, 1, THREADS_MAX);
	s->ahead = clamp(nofile / 4 / s->threads, 1, AHEAD_MAX);
	s->dirs = dir_pool_new(clamp(nofile / 4, DIRS_MIN, DIRS_MAX), NULL, NULL);
	s->queue = queue_new(s->opts->memory_bytes ? s->opts->memory_bytes : MEMORY_BASE + s->threads * MEMORY_WORKER);
	s->links = links_new(LINKS_BYTES);
	s->any_owner = geteuid() == 0;
	s->owner = geteuid();
}

static int open_writer(struct session *s, struct doom_watch *watch)
{
	struct repo *r = s->repo;
	struct object_writer_options o = {
		.store = r->store, .index = r->index, .data = r->data, .metadata = r->metadata,
		.object_id = r->object_id, .tree_id = r->tree_id, .segment_size = r->config.segment_size,
		.pack_size = r->config.pack_size, .level = s->opts->level ? s->opts->level : COMPRESS_LEVEL_DEFAULT,
		.watch = watch, .dry_run = s->opts->dry_run, .log = r->log,
	};

	return object_writer_open(&o, &s->writer);
}

/* The manifest of the parent that was asked for, or that suits best; without one nothing is compared. */
static void find_parent(struct run *run, const struct catalog *c)
{
	struct session *s = &run->s;
	const struct backup_options *o = s->opts;
	ssize_t i;

	if (o->no_parent || run->npaths == 0)
		return;
	i = o->parent ? catalog_find(c, o->parent) :
			catalog_newest(c, o->host, run->paths, (uint32_t)run->npaths);
	if (i < 0 && o->parent)
		log_warn(s->repo->log, "the parent snapshot is not there: everything will be read");
	if (i < 0)
		return;
	if (catalog_manifest(c, (size_t)i, &run->parent) < 0) {
		log_warn(s->repo->log, "the parent snapshot cannot be read: everything will be read");
		return;
	}
	run->parent_loaded = true;
	s->has_parent = true;
	s->parent = catalog_at(c, (size_t)i)->id;
	s->root = run->parent.root;
	atomic_store(&s->progress->scan_items, run->parent.files + run->parent.dirs + run->parent.others);
	atomic_store(&s->progress->scan_bytes, run->parent.bytes);
}

/* What snapshots there are: the parent, and the one before in the chain of this host. */
static int look_back(struct run *run)
{
	struct catalog *c = NULL;
	int err = repo_catalog(run->s.repo, &c);
	ssize_t i;

	if (err == 0)
		err = not_revoked(run->s.repo);
	if (err < 0)
		goto out;
	i = catalog_newest(c, run->s.opts->host, NULL, 0);
	if (i >= 0) {
		run->pub.has_previous = true;
		run->pub.previous = catalog_at(c, (size_t)i)->id;
	}
	find_parent(run, c);
out:
	catalog_free(c);
	return err;
}

/* What is doomed must be known before the runs are read (doomed/watch.h). */
static int read_index(struct run *run)
{
	struct repo *r = run->s.repo;
	const struct doom_watch_options o = {
		.at = { .store = r->store, .metadata = r->metadata, .repo_id = r->config.repo_id, .log = r->log },
		.index = r->index,
		.grace_s = config_grace_s(&r->config),
		.clock = run->s.opts->clock,
	};
	int rc = doom_watch_open(&o, &run->watch);

	if (rc == 0)
		rc = index_refresh(r->index);
	if (rc > 0)
		log_warn(r->log, "%d index runs cannot be read: what they name is stored again", rc);
	return rc >= 0 ? doom_watch_map(run->watch) : rc;
}

int run_begin_session(struct run *run, struct repo *r, const struct backup_options *opts)
{
	struct session *s = &run->s;
	int err;

	run->started_ns = monotonic_ns();
	s->repo = r;
	s->opts = opts;
	s->progress = opts->progress ? opts->progress : &s->own_progress;
	run->pub.time_ns = opts->time_ns ? opts->time_ns : when_now_ns();
	if (!opts->host)
		return -EINVAL;
	err = entitled(r, opts, run->pub.time_ns);
	if (err < 0)
		return err;
	size_session(s);
	if (!s->dirs || !s->queue || !s->links)
		return -ENOMEM;
	chunker_init(&s->chunker, r->object_id, r->config.chunk_avg);
	s->piece = s->chunker.max * 3 / 2 > PIECE_MIN ? s->chunker.max * 3 / 2 : PIECE_MIN;
	err = read_index(run);
	if (err == 0)
		err = look_back(run);
	return err < 0 ? err : open_writer(s, run->watch);
}

void run_end_session(struct run *run)
{
	struct session *s = &run->s;

	queue_free(s->queue);
	object_writer_close(s->writer);
	doom_watch_end(run->watch);
	doom_watch_close(run->watch);
	links_free(s->links);
	dir_pool_free(s->dirs);
	if (run->parent_loaded)
		manifest_destroy(&run->parent);
	while (run->npaths > 0)
		free(run->paths[--run->npaths]);
	free(run->paths);
}

static void *produce(void *arg)
{
	struct run *run = arg;
	int err = run->produce(run);

	if (err < 0)
		queue_fail(run->s.queue, err);
	else
		queue_end(run->s.queue);
	return NULL;
}

/* Start the threads: workers, then the producer.  Signals stay with the threads that the program has. */
static int start(struct run *run, pthread_t *threads, unsigned *n)
{
	sigset_t before;
	int err = 0;

	harden_block_signals(&before);
	for (*n = 0; *n < run->s.threads && err == 0;) {
		err = -pthread_create(&threads[*n], NULL, worker_run, &run->s);
		*n += err == 0;
	}
	if (*n > 0)
		err = 0; /* fewer workers do it too */
	if (err == 0)
		err = -pthread_create(&threads[*n], NULL, produce, run);
	*n += err == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

/* Run all threads to their end, with this one as the committer. */
static int run_pipeline(struct run *run, struct commit *c)
{
	pthread_t threads[THREADS_MAX + 1];
	unsigned n = 0, i;
	int err = start(run, threads, &n);

	if (err < 0)
		queue_fail(run->s.queue, err);
	err = commit_run(c);
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	if (err == 0)
		err = queue_error(run->s.queue);
	return err == 0 ? commit_left(c) : err;
}

static void add_figures(struct run *run, struct backup_result *out)
{
	struct object_writer_counters n;

	object_writer_counters(run->s.writer, &n);
	out->data_added = n.data_bytes;
	out->tree_added = n.tree_bytes;
	out->stored_bytes = n.stored_bytes;
	out->errors = atomic_load(&run->s.errors);
	out->duration_ns = monotonic_ns() - run->started_ns;
}

static int is_doomed(void *arg, const struct id *pack)
{
	return doom_watch_blocks(arg, pack);
}

static int may_put(void *arg)
{
	return doom_watch_is_recent(arg) ? 0 : -ETIME;
}

/*
 * Keep the number of runs small, now that there is one more.  The snapshot is there, whatever becomes of this; if there
 * is not the time for it, the next backup does it.
 */
static void merge_runs(struct session *s, struct doom_watch *watch)
{
	const struct index_merging how = { .is_doomed = is_doomed, .may_put = may_put, .arg = watch };
	struct object_writer_counters n;
	int rc;

	object_writer_counters(s->writer, &n);
	if (n.runs == 0)
		return;
	rc = index_merge_runs(s->repo->index, &how);
	if (rc < 0 && rc != -ENOENT && rc != -ETIME && !session_cancelled(s))
		log_warn(s->repo->log, "index runs could not be merged: %s", ERR(rc));
}

int run_backup(struct run *run, struct backup_result *out)
{
	struct session *s = &run->s;
	struct commit *c = commit_new(s);
	int err = c ? run_pipeline(run, c) : -ENOMEM;

	if (err == 0 && run->finish)
		err = run->finish(s->opts->arg);
	if (err == 0)
		err = commit_result(c, &run->pub.root, out);
	if (err == 0)
		err = object_writer_finish(s->writer);
	/* What was stored until then shall be found again. */
	if (err == -EINTR && !s->opts->dry_run)
		object_writer_finish(s->writer);
	add_figures(run, out);
	run->pub.paths = (const char *const *)run->paths;
	run->pub.npaths = run->npaths;
	if (err == 0 && session_cancelled(s))
		err = -EINTR;
	if (err == 0 && !s->opts->dry_run)
		err = publish(s, &run->pub, run->watch, out);
	if (err == 0 && !s->opts->dry_run)
		merge_runs(s, run->watch);
	commit_free(c);
	return err;
}
