/*
 * Object writer.  See writer.h.
 *
 * The way of an object, and what makes the order safe:
 *
 *   claimed     object_claim(): in the set of claims, so that nobody stores it again
 *   appended    add_segment(): in the open pack of its kind, with its record
 *   committed   the pack is full and was made durable by the commit queue; its records wait
 *   named       enough objects wait: a run of them is put, loaded into the index, and the claims are dropped
 *
 * So a run names durable packs only, and at each moment an object is claimed or in the index, never neither.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "repo/object/packing/claims.h"
#include "repo/object/packing/commit_queue.h"
#include "repo/object/packing/run_put.h"
#include "repo/object/writer.h"

#define RUN_OBJECTS_DEFAULT (128u * 1024)
#define DRY_CLAIMS (4u * 1024 * 1024) /* ids that a dry run remembers */

struct object_writer {
	struct object_writer_options o;
	struct claims *claims;
	bool retains;                 /* the store retains objects: it matters what is relied on */
	struct numset relied;
	struct segment_builder *trees;
	struct packing *open[2];      /* by enum pack_kind - 1 */
	struct commit_queue *queue;   /* NULL in a dry run */
	struct packing *waiting;      /* committed, in no run yet, in the order in which they were begun */
	uint64_t nbegun;
	_Atomic int broken;           /* the error after which nothing more is stored */
	struct {
		_Atomic uint64_t data_objects, data_bytes, tree_objects, tree_bytes, stored_bytes, packs, runs;
	} count;
};

static const struct seal_domain *domain_of(const struct object_writer *w, enum pack_kind kind)
{
	return kind == PACK_DATA ? w->o.data : w->o.metadata;
}

static bool can_write(const struct object_writer_options *o)
{
	return o->data->can_seal && o->metadata->can_seal && o->object_id != NULL && o->tree_id != NULL;
}

int object_writer_open(const struct object_writer_options *opts, struct object_writer **out)
{
	struct object_writer *w;

	if (!can_write(opts)) {
		log_error(opts->log, "this key may not add to the repository");
		return -EACCES;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->o = *opts;
	if (w->o.run_objects == 0)
		w->o.run_objects = RUN_OBJECTS_DEFAULT;
	numset_init(&w->relied);
	w->retains = store_retain_days(opts->store) > 0;
	w->claims = claims_new(opts->dry_run ? DRY_CLAIMS : 0);
	w->trees = segment_builder_new(PACK_TREE, opts->segment_size, opts->level);
	w->queue = opts->dry_run ? NULL : commit_queue_new(store_parallel_puts(opts->store));
	if (w->claims == NULL || w->trees == NULL || (w->queue == NULL && !opts->dry_run)) {
		object_writer_close(w);
		return -ENOMEM;
	}
	*out = w;
	return 0;
}

void object_writer_close(struct object_writer *w)
{
	if (w == NULL)
		return;
	commit_queue_free(w->queue);
	for (unsigned i = 0; i < 2; i++)
		packing_free(w->open[i]);
	packing_free(w->waiting);
	segment_builder_free(w->trees);
	claims_free(w->claims);
	numset_destroy(&w->relied);
	free(w);
}

/* Nothing more is stored after the first error. */
static int break_off(struct object_writer *w, int rc)
{
	int none = 0;

	if (rc < 0)
		atomic_compare_exchange_strong(&w->broken, &none, rc);
	return rc;
}

/* 1, 0 or an error. */
static int in_index(struct object_writer *w, const struct id *id)
{
	struct place place;
	int rc = index_lookup(w->o.index, id, &place);

	if (rc == 0 && w->o.watch != NULL) {
		rc = doom_watch_take(w->o.watch, place.pack);
		if (rc <= 0)
			return rc;
		rc = 0;
	}
	if (rc == 0 && w->retains && numset_add(&w->relied, place.pack) < 0)
		return -ENOMEM;
	if (rc == 0)
		return 1;
	return rc == -ENOENT ? 0 : rc;
}

/*
 * First the claim, then the index: the other way round, an object whose run is loaded and whose claim is dropped
 * between the two would be in neither.  If the index fails, somebody may rely on the claim already: nothing may be
 * finished then.
 */
int object_claim_named(struct object_writer *w, const struct id *id)
{
	int rc = claims_add(w->claims, id);

	if (rc < 1)
		return rc;
	rc = in_index(w, id);
	if (rc == 0)
		return 1;
	break_off(w, rc);
	claims_drop(w->claims, id);
	return rc < 0 ? rc : 0;
}

void object_name(struct object_writer *w, enum pack_kind kind, const struct hash_job *jobs, size_t n)
{
	crypt_object_ids(kind == PACK_DATA ? w->o.object_id : w->o.tree_id, jobs, n);
}

int object_claim(struct object_writer *w, enum pack_kind kind, const void *data, size_t len, struct id *id)
{
	crypt_object_id(kind == PACK_DATA ? w->o.object_id : w->o.tree_id, data, len, id);
	return object_claim_named(w, id);
}

int object_known(struct object_writer *w, const struct id *id)
{
	return claims_has(w->claims, id) ? 1 : in_index(w, id);
}

static void count_objects(struct object_writer *w, const struct segment_out *s)
{
	if (s->kind == PACK_DATA) {
		w->count.data_objects += s->nobjects;
		w->count.data_bytes += s->plain_len;
	} else {
		w->count.tree_objects += s->nobjects;
		w->count.tree_bytes += s->plain_len;
	}
}

/*
 * The objects of the run are found in the index from now on; but for those that it still places in a blocked pack,
 * which must not be stored a third time.
 */
static void drop_claims(struct object_writer *w)
{
	struct place place;
	struct id id;
	struct rd r;

	for (const struct packing *p = w->waiting; p != NULL; p = p->next) {
		r = rd_init(p->records.data, p->records.len);
		while (packing_next(&r, w->o.segment_size, &id, &place) > 0)
			if (w->o.watch == NULL || doom_watch_is_idle(w->o.watch) || in_index(w, &id) == 1)
				claims_drop(w->claims, &id);
	}
}

/*
 * Put a run of all that waits.  If the local index cannot load it (it said why), the claims stay: they serve this
 * process as well, and the run is in the store for the next.
 */
static int put_run(struct object_writer *w)
{
	uint64_t size = 0;
	struct id id;
	int rc = w->o.watch != NULL ? doom_watch_look(w->o.watch) : 0;

	if (rc == 0)
		rc = run_put(w->o.store, w->o.metadata, w->o.segment_size, w->waiting, &id, &size);
	if (rc < 0)
		return rc;
	w->count.runs++;
	w->count.stored_bytes += size;
	if (index_add_run(w->o.index, &id, size) == 0)
		drop_claims(w);
	packing_free(w->waiting);
	w->waiting = NULL;
	return 0;
}

/* Enough for a run: many objects, or, with large ones, as many packs as stand in one block of it. */
static bool run_due(const struct object_writer *w)
{
	uint64_t nobjects = 0, npacks = 0;

	for (const struct packing *p = w->waiting; p != NULL; p = p->next) {
		nobjects += p->nobjects;
		npacks++;
	}
	return nobjects >= w->o.run_objects || npacks >= RUN_PACKS_PER_BLOCK;
}

/* A run names packs in their order, which is that of the tree: who reads on goes from one to the next. */
static void add_waiting(struct object_writer *w, struct packing *p)
{
	struct packing **at = &w->waiting;

	while (*at != NULL && (*at)->nth < p->nth)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	w->count.packs++;
	w->count.stored_bytes += p->info.size;
}

/* Take over what the queue has committed; with ${all}, wait for what is on its way and put a run of it. */
static int collect(struct object_writer *w, bool all)
{
	struct packing *done = NULL, *next;
	int rc = commit_queue_take(w->queue, all, &done);
	bool any = done != NULL;

	for (; done != NULL; done = next) {
		next = done->next;
		if (rc == 0 && w->o.watch != NULL)
			rc = doom_watch_own(w->o.watch, &done->info);
		add_waiting(w, done);
	}
	if (rc == 0 && w->waiting != NULL && (all || (any && run_due(w))))
		rc = put_run(w);
	return rc;
}

static void close_pack(struct object_writer *w, enum pack_kind kind)
{
	struct packing *p = w->open[kind - 1];

	w->open[kind - 1] = NULL;
	if (p != NULL)
		commit_queue_add(w->queue, p);
}

static int append(struct object_writer *w, struct segment_out *s)
{
	struct packing **p = &w->open[s->kind - 1];
	int rc = 0;

	if (*p == NULL) {
		rc = packing_begin(w->o.store, s->kind, domain_of(w, s->kind), w->o.metadata, p);
		if (rc == 0)
			(*p)->nth = w->nbegun++;
	}
	if (rc == 0)
		rc = packing_append(*p, s);
	if (rc == 0 && packing_full(*p, w->o.pack_size))
		close_pack(w, s->kind);
	return rc == 0 ? collect(w, false) : rc;
}

int object_writer_add_segment(struct object_writer *w, struct segment_out *s)
{
	int rc = w->broken;

	if (rc == 0 && !w->o.dry_run)
		rc = append(w, s);
	if (rc == 0)
		count_objects(w, s);
	segment_out_free(s);
	return break_off(w, rc);
}

/* Give all segments of the list to the pack; what comes after a failure is freed there. */
static int add_list(struct object_writer *w, struct segment_out *list)
{
	struct segment_out *next;
	int rc = 0;

	for (; list != NULL; list = next) {
		next = list->next;
		rc = object_writer_add_segment(w, list);
	}
	return rc;
}

int object_writer_put(struct object_writer *w, const void *data, size_t len, struct id *id)
{
	struct segment_out *list = NULL;
	struct id mine;
	int rc = w->broken;

	if (rc < 0)
		return rc;
	if (len == 0 || len > OBJECT_LEN_MAX)
		return -EINVAL;
	rc = object_claim(w, PACK_TREE, data, len, &mine);
	if (rc == 1) {
		rc = segment_builder_add(w->trees, &mine, data, (uint32_t)len, &list);
		if (rc < 0)
			claims_drop(w->claims, &mine);
		if (add_list(w, list) < 0)
			rc = w->broken;
	}
	if (rc == 0)
		*id = mine;
	return rc;
}

int object_writer_tick(struct object_writer *w)
{
	int rc = w->broken;

	if (rc == 0 && w->o.watch != NULL && !w->o.dry_run)
		rc = doom_watch_tell(w->o.watch);
	return break_off(w, rc);
}

int object_writer_finish(struct object_writer *w)
{
	struct segment_out *list = NULL;
	int rc = w->broken;

	if (rc == 0)
		rc = segment_builder_flush(w->trees, &list);
	if (rc == 0)
		rc = add_list(w, list);
	if (rc == 0 && !w->o.dry_run) {
		close_pack(w, PACK_DATA);
		close_pack(w, PACK_TREE);
		rc = collect(w, true);
	}
	return break_off(w, rc);
}

const struct numset *object_writer_relied(const struct object_writer *w)
{
	return &w->relied;
}

void object_writer_counters(struct object_writer *w, struct object_writer_counters *out)
{
	*out = (struct object_writer_counters){
		.data_objects = w->count.data_objects,
		.data_bytes = w->count.data_bytes,
		.tree_objects = w->count.tree_objects,
		.tree_bytes = w->count.tree_bytes,
		.stored_bytes = w->count.stored_bytes,
		.packs = w->count.packs,
		.runs = w->count.runs,
	};
}
