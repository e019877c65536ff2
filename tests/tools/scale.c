/*
 * Makes repositories large without having the data, and measures what only the library can be asked, for
 * tests/bench/scale.py.
 *
 *   scale snapshots COUNT      publish so many snapshots, each a minute after the newest, with its contents
 *   scale runs COUNT [EACH]    index runs of COUNT objects, as a backup would put them, or of EACH objects in a run
 *   scale load                 bring the local index up to date
 *   scale lookups COUNT READS  look READS of the COUNT objects up, in no order
 *   scale tree COUNT           a snapshot whose files have all of the COUNT objects
 *   scale prune                prune, without repacking
 *
 * Repository and secret come from the environment, as for varve.  What is measured goes to stdout, a "name value" a
 * line.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "repo/access/access.h"
#include "repo/object/writer.h"
#include "repo/repo.h"
#include "repo/retention/prune/prune.h"
#include "repo/tree/dir_build.h"
#include "repo/util/bytes/le.h"
#include "tests/tools/lib/tool.h"

#define RUN_OBJECTS (128u * 1024) /* as repo/object/writer.c has it */
#define PACK_OBJECTS 64           /* 32 MiB in chunks of 512 KiB */
#define PUTTERS 16                /* threads that publish: most of it is waiting for the disk */
#define RUN_MAKERS 4              /* threads that make runs: half of it is computing */
#define MINUTE_NS (60 * INT64_C(1000000000))

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void write_log(void *arg, enum log_level level, const char *message)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "scale: %s\n", message);
}

static const struct log *log_of(void)
{
	static const struct log log = { write_log, NULL, LOG_LEVEL_WARNING };

	return &log;
}

static struct repo *open_repo(void)
{
	struct access access = { .no_prompt = true, .log = log_of() };
	struct repo_options ro = { .credentials = access_credentials, .arg = &access, .log = log_of() };
	char *cache_dir = access_cache_dir(&access);
	struct repo *repo;

	ro.cache_dir = cache_dir;
	if (access_store_options(&access, STORE_DEADLINE_DEFAULT_MS, &ro.store) < 0 || !ro.store.url ||
	    repo_open(&ro, &repo) < 0)
		die("no repository");
	access_destroy(&access);
	free(cache_dir);
	return repo;
}

/* --- Memory ------------------------------------------------------------------------------------------------------- */

/* Anonymous memory, in kB: without what of the index's file is mapped, which the system takes back as it likes. */
static long anonymous_kb(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, "RssAnon:", 8) == 0)
			kb = strtol(line + 8, NULL, 10);
	if (f)
		fclose(f);
	return kb;
}

struct watch {
	pthread_t thread;
	atomic_bool stop;
	long peak_kb;
};

static void *watch_memory(void *arg)
{
	struct watch *w = arg;
	long kb;

	while (!w->stop) {
		kb = anonymous_kb();
		w->peak_kb = kb > w->peak_kb ? kb : w->peak_kb;
		usleep(20000);
	}
	return NULL;
}

static void watch_begin(struct watch *w)
{
	*w = (struct watch){ .peak_kb = anonymous_kb() };
	if (pthread_create(&w->thread, NULL, watch_memory, w) != 0)
		die("no thread");
}

static void watch_end(struct watch *w)
{
	struct rusage u;

	w->stop = true;
	pthread_join(w->thread, NULL);
	getrusage(RUSAGE_SELF, &u);
	printf("anon_peak_kb %ld\nresident_peak_kb %ld\n", w->peak_kb, u.ru_maxrss);
}

/* --- Snapshots ---------------------------------------------------------------------------------------------------- */

struct publish {
	struct repo *repo;
	struct id base;      /* the snapshot that is repeated */
	uint64_t count;
	_Atomic uint64_t next;
};

static void *publish_some(void *arg)
{
	struct publish *p = arg;
	struct catalog_options co = repo_catalog_options(p->repo);
	char name[SNAPSHOT_NAME_SIZE];
	struct buf object = BUF_INIT;
	struct manifest m;
	struct id id;
	uint64_t i;
	int64_t base;

	if (catalog_read_manifest(&co, &p->base, &m) != 0)
		die("the newest snapshot cannot be read");
	base = m.time_ns;
	while ((i = p->next++) < p->count) {
		m.time_ns = base + (int64_t)(i + 1) * MINUTE_NS;
		buf_clear(&object);
		if (manifest_seal(&m, p->repo->secrets, p->repo->metadata, &object, &id) != 0 ||
		    store_put(p->repo->store, snapshot_object_name(&id, name), object.data, object.len, 0) != 0)
			die("cannot publish");
	}
	manifest_destroy(&m);
	buf_free(&object);
	return NULL;
}

static void make_snapshots(struct repo *repo, uint64_t count)
{
	struct publish p = { .repo = repo, .count = count };
	pthread_t thread[PUTTERS];
	struct catalog *c;

	if (repo_catalog(repo, &c) != 0 || catalog_count(c) == 0)
		die("no snapshot to repeat");
	p.base = catalog_at(c, catalog_count(c) - 1)->id;
	catalog_free(c);
	for (unsigned i = 0; i < PUTTERS; i++)
		if (pthread_create(&thread[i], NULL, publish_some, &p) != 0)
			die("no thread");
	for (unsigned i = 0; i < PUTTERS; i++)
		pthread_join(thread[i], NULL);
}

/* --- Index -------------------------------------------------------------------------------------------------------- */

/*
 * The ${n}-th of ${count} ids, in ascending order: the first 8 bytes say which, the rest is noise.  Deduplicating ids
 * are spread like that, as they are hashes.
 */
static void make_id(uint64_t n, uint64_t count, struct id *out)
{
	uint64_t step = UINT64_MAX / count, first;
	struct rng rng;

	rng_init(&rng, n);
	rng_fill(&rng, out->b, sizeof(out->b));
	first = n * step + rng_below(&rng, step);
	for (unsigned i = 0; i < 8; i++)
		out->b[i] = (uint8_t)(first >> (56 - 8 * i));
}

/* A chunk of two segments, at some place in its pack. */
static void make_place(uint64_t n, uint32_t npacks, uint32_t segment_size, struct place *out)
{
	struct rng rng;

	rng_init(&rng, ~n);
	*out = (struct place){ .pack = (uint32_t)rng_below(&rng, npacks), .nown = 2 };
	out->offset = PACK_HEADER_LEN + (uint32_t)rng_below(&rng, 32u << 20);
	out->len = segment_size + 1 + (uint32_t)rng_below(&rng, segment_size - 1);
	out->box[0] = 18 + (uint32_t)rng_below(&rng, segment_size);
	out->box[1] = 18 + (uint32_t)rng_below(&rng, out->len - segment_size);
}

static int add_packs(struct run_writer *w, uint64_t first, uint32_t npacks)
{
	struct pack_info info = { .kind = PACK_DATA, .size = 32u << 20 };
	struct rng rng;
	uint32_t number;
	int rc = 0;

	rng_init(&rng, first);
	for (uint32_t i = 0; i < npacks && rc == 0; i++) {
		rng_fill(&rng, info.id.b, sizeof(info.id.b));
		rng_fill(&rng, info.wrapped, sizeof(info.wrapped));
		rc = run_add_pack(w, &info, &number);
	}
	return rc;
}

/* Run ${r} of ${nruns}: every ${nruns}-th of the objects. */
static void make_run(struct repo *repo, uint64_t r, uint64_t nruns, uint64_t count)
{
	uint32_t npacks = (uint32_t)((count / nruns + PACK_OBJECTS) / PACK_OBJECTS);
	struct run_writer *w;
	struct place place;
	struct id id;
	int rc;

	rc = run_begin(repo->store, repo->metadata, &w);
	if (rc < 0)
		die("cannot begin a run");
	rc = add_packs(w, r, npacks);
	for (uint64_t n = r; n < count && rc == 0; n += nruns) {
		make_id(n, count, &id);
		make_place(n, npacks, repo->config.segment_size, &place);
		rc = run_add(w, &id, &place);
	}
	if (rc < 0 || run_commit(w, &id, NULL) < 0)
		die("cannot write a run");
}

struct making {
	struct repo *repo;
	uint64_t count, nruns;
	_Atomic uint64_t next;
};

static void *make_some_runs(void *arg)
{
	struct making *m = arg;
	uint64_t r;

	while ((r = m->next++) < m->nruns)
		make_run(m->repo, r, m->nruns, m->count);
	return NULL;
}

static void make_runs(struct repo *repo, uint64_t count, uint64_t each)
{
	struct making m = { .repo = repo, .count = count };
	pthread_t thread[RUN_MAKERS];

	if (each == 0)
		die("EACH: 0");
	m.nruns = (count + each - 1) / each;
	for (unsigned i = 0; i < RUN_MAKERS; i++)
		if (pthread_create(&thread[i], NULL, make_some_runs, &m) != 0)
			die("no thread");
	for (unsigned i = 0; i < RUN_MAKERS; i++)
		pthread_join(thread[i], NULL);
}

static void load(struct repo *repo)
{
	struct index_stats s;
	double start = now(), seconds;

	if (index_refresh(repo->index) != 0)
		die("cannot load the index");
	seconds = now() - start;
	if (index_stats(repo->index, &s) != 0)
		die("cannot ask the index");
	printf("seconds %.3f\nobjects %llu\nruns %llu\ndisk_bytes %llu\n", seconds, (unsigned long long)s.objects,
	    (unsigned long long)s.runs, (unsigned long long)s.disk_bytes);
}

static void look_up(struct repo *repo, uint64_t count, uint64_t reads)
{
	double start = now();
	struct place place;
	struct rng rng;
	struct id id;

	rng_init(&rng, (uint64_t)getpid());
	for (uint64_t i = 0; i < reads; i++) {
		make_id(rng_below(&rng, count), count, &id);
		if (index_lookup(repo->index, &id, &place) != 0)
			die("an object is not there");
	}
	printf("seconds %.6f\n", now() - start);
}

/* --- Everything is needed ----------------------------------------------------------------------------------------- */

/* As a backup would open it. */
static struct object_writer *open_writer(struct repo *repo)
{
	const struct object_writer_options o = {
		.store = repo->store, .index = repo->index, .data = repo->data, .metadata = repo->metadata,
		.object_id = repo->object_id, .tree_id = repo->tree_id, .segment_size = repo->config.segment_size,
		.pack_size = repo->config.pack_size, .level = COMPRESS_LEVEL_DEFAULT, .log = log_of(),
	};
	struct object_writer *w;

	if (object_writer_open(&o, &w) < 0)
		die("cannot store");
	return w;
}

static int put_page(void *arg, const void *data, size_t len, struct id *id)
{
	return object_writer_put(arg, data, len, id);
}

/* The file whose contents are the ${n} objects from ${first} of ${count} on. */
static int add_file(struct dir_builder *b, uint64_t first, unsigned n, uint64_t count, uint32_t segment_size)
{
	uint8_t spans[ENTRY_SPANS_INLINE * SPAN_RECORD_LEN];
	struct tree_entry e = { .type = ENTRY_REG, .nlink = 1, .mode = 0644, .spans = spans, .nspans = n };
	struct place place;
	struct span s;
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		make_place(first + i, 1, segment_size, &place);
		make_id(first + i, count, &s.id);
		s.off = e.size;
		s.len = place.len;
		e.size += s.len;
		span_encode(&s, spans + i * SPAN_RECORD_LEN);
	}
	e.data_bytes = e.size;
	e.name = name;
	e.name_len = (uint16_t)snprintf(name, sizeof(name), "%012llu", (unsigned long long)first);
	return dir_builder_add(b, &e);
}

static void publish_root(struct repo *repo, const struct tree_entry *root)
{
	char name[SNAPSHOT_NAME_SIZE];
	struct buf object = BUF_INIT;
	struct manifest m;
	struct id id;

	manifest_init(&m);
	m.host = xstrdup("scale");
	m.time_ns = (int64_t)time(NULL) * 1000000000;
	if (manifest_set_root(&m, root) != 0 ||
	    manifest_seal(&m, repo->secrets, repo->metadata, &object, &id) != 0 ||
	    store_put(repo->store, snapshot_object_name(&id, name), object.data, object.len, 0) != 0)
		die("cannot publish");
	manifest_destroy(&m);
	buf_free(&object);
}

static void make_tree(struct repo *repo, uint64_t count)
{
	struct tree_entry root = { .name = "root", .name_len = 4, .type = ENTRY_DIR, .flags = ENTRY_HAS_CHILD,
		.nlink = 1, .mode = 0755 };
	struct object_writer *w = open_writer(repo);
	struct dir_builder *b;
	uint64_t entries;
	unsigned n;
	int rc = dir_builder_new(put_page, w, &b);

	for (uint64_t i = 0; i < count && rc == 0; i += n) {
		n = count - i < ENTRY_SPANS_INLINE ? (unsigned)(count - i) : ENTRY_SPANS_INLINE;
		rc = add_file(b, i, n, count, repo->config.segment_size);
	}
	if (rc < 0 || dir_builder_finish(b, &root.child, &entries, &root.below) != 1 || object_writer_finish(w) < 0)
		die("cannot write a tree");
	dir_builder_free(b);
	object_writer_close(w);
	publish_root(repo, &root);
}

static void prune(struct repo *repo)
{
	const struct prune_options o = { .no_repack = true };
	struct prune_result r;
	struct rusage u;
	double start = now();

	if (prune_run(repo, &o, &r) != 0)
		die("cannot prune");
	getrusage(RUSAGE_SELF, &u);
	printf("seconds %.3f\ncpu_seconds %.3f\nobjects %llu\nlive_objects %llu\n", now() - start,
	    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
	    (unsigned long long)r.objects, (unsigned long long)r.live_objects);
}

/* --- Commands ----------------------------------------------------------------------------------------------------- */

static bool run_command(struct repo *repo, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[0], "snapshots") == 0)
		make_snapshots(repo, parse_size("COUNT", argv[1]));
	else if (argc == 2 && strcmp(argv[0], "runs") == 0)
		make_runs(repo, parse_size("COUNT", argv[1]), RUN_OBJECTS);
	else if (argc == 3 && strcmp(argv[0], "runs") == 0)
		make_runs(repo, parse_size("COUNT", argv[1]), parse_size("EACH", argv[2]));
	else if (argc == 1 && strcmp(argv[0], "load") == 0)
		load(repo);
	else if (argc == 3 && strcmp(argv[0], "lookups") == 0)
		look_up(repo, parse_size("COUNT", argv[1]), parse_size("READS", argv[2]));
	else if (argc == 2 && strcmp(argv[0], "tree") == 0)
		make_tree(repo, parse_size("COUNT", argv[1]));
	else if (argc == 1 && strcmp(argv[0], "prune") == 0)
		prune(repo);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct repo *repo = open_repo();
	struct watch watch;
	bool known;

	watch_begin(&watch);
	known = run_command(repo, argc - 1, argv + 1);
	watch_end(&watch);
	repo_close(repo);
	if (!known)
		fputs("usage: scale snapshots COUNT | runs COUNT [EACH] | load | lookups COUNT READS | tree COUNT | "
		    "prune\n", stderr);
	return known ? 0 : 2;
}
