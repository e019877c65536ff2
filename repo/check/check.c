/*
 * Check: its steps and its private parts.
 */
#include "repo/check/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "repo/check/check_impl.h"

#define SEGMENT_CACHE_BYTES (32u * 1024 * 1024)
#define TREE_CACHE_BYTES (16u * 1024 * 1024)

const char *check_kind_name(enum check_kind kind)
{
	static const char *const names[] = { "config", "keyslot", "snapshot", "run", "tree", "pack", "chunk",
		"revocation", "doomed", "generation" };

	return names[kind];
}

/* What the parts log becomes the words of findings, and is told only to who wants details. */
static void take_message(void *arg, enum log_level level, const char *message)
{
	struct check *c = arg;

	if (level <= LOG_LEVEL_WARNING) {
		pthread_mutex_lock(&c->message_lock);
		snprintf(c->message, sizeof(c->message), "%s", message);
		pthread_mutex_unlock(&c->message_lock);
	}
	if (c->r != NULL)
		log_debug(c->r->log, "%s", message);
}

void check_begin(struct check *c, struct repo *r, struct store *store, const struct check_options *opts,
    struct check_result *out)
{
	*out = (struct check_result){ .findings = 0 };
	*c = (struct check){ .r = r, .store = store };
	c->o = opts;
	c->out = out;
	c->log = (struct log){ .write = take_message, .arg = c, .max = LOG_LEVEL_DEBUG };
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->message_lock, NULL);
}

void check_end(struct check *c)
{
	for (uint32_t i = 0; i < c->nfindings; i++)
		free(c->findings[i].object);
	free(c->findings);
	hash_map_free(&c->damage);
	hash_map_free(&c->seen);
	free(c->packs);
	doomed_set_destroy(&c->doomed);
	free(c->by_number);
	free(c->objects_of);
	catalog_free(c->catalog);
	tree_free(c->tree);
	object_reader_free(c->reader);
	index_close(c->index);
	pthread_mutex_destroy(&c->message_lock);
	pthread_mutex_destroy(&c->lock);
}

static int open_index(struct check *c)
{
	const struct repo *r = c->r;
	struct index_options io = {
		.store = r->store,
		.metadata = r->metadata,
		.cache_dir = NULL,
		.repo_id = r->config.repo_id,
		.segment_size = r->config.segment_size,
		.log = &c->log,
	};

	return index_open(&io, &c->index);
}

static int open_parts(struct check *c)
{
	const struct repo *r = c->r;
	struct object_reader_options ro = {
		.store = r->store,
		.data = r->data,
		.metadata = r->metadata,
		.object_id = r->object_id,
		.tree_id = r->tree_id,
		.segment_size = r->config.segment_size,
		.cache_bytes = SEGMENT_CACHE_BYTES,
		.log = &c->log,
	};
	struct catalog_options co = repo_catalog_options(r);
	int rc = open_index(c);

	if (rc < 0)
		return rc;
	ro.index = co.index = c->index;
	co.log = &c->log;
	rc = object_reader_new(&ro, &c->reader);
	if (rc == 0)
		rc = tree_new(c->reader, TREE_CACHE_BYTES, &c->log, &c->tree);
	return rc == 0 ? catalog_load(&co, &c->catalog) : rc;
}

typedef int check_step(struct check *c);

/* A level: its steps, and NULL. */
static check_step *const signatures[] = { check_config, check_keyslots, check_generations, check_revocations,
	open_parts, check_trees, NULL };
static check_step *const trees[] = { check_config, check_keyslots, check_generations, check_revocations, check_doomed,
	open_parts, check_runs, check_packs, check_data, check_vanished, check_trees, check_affected, NULL };
static check_step *const locked[] = { check_config, check_keyslots, NULL };
static check_step *const names[] = { check_config, check_keyslots, check_generations, check_revocations, check_names,
	list_packs, check_data, NULL };

int check_steps(struct check *c)
{
	check_step *const *step = c->r == NULL ? (c->o->read_data ? names : locked) :
	    c->o->signatures_only ? signatures : trees;
	int rc = 0;

	for (; *step != NULL && rc == 0; step++)
		rc = (*step)(c);
	return rc;
}

int check_run(struct repo *r, const struct check_options *opts, struct check_result *out)
{
	struct index_stats stats;
	struct check c;
	int rc;

	check_begin(&c, r, r->store, opts, out);
	rc = check_steps(&c);
	if (rc == 0)
		rc = index_stats(c.index, &stats);
	if (rc == 0 && stats.objects > c.referenced)
		out->unreferenced_objects = stats.objects - c.referenced;
	check_end(&c);
	return rc == -ECANCELED ? -EINTR : rc;
}

static int tell_unopened(void *arg, const char *name, uint64_t size)
{
	struct check *c = arg;
	struct finding *f = &c->findings[0];
	struct id id;

	(void)size;
	if (snapshot_object_parse(name, &id) == 0 && f->paths++ < check_paths_told(c))
		tell_snapshot(c, f->kind, f->object, &id);
	return 0;
}

/* Without config, or any keyslot, nobody reads any of them. */
static void tell_all_snapshots(struct check *c)
{
	const struct finding *f = c->findings;
	struct check_finding more = { 0 };

	if (c->nfindings == 0 || (f->kind == CHECK_KEYSLOT && c->out->keyslots > 0))
		return;
	/* It is no more than an addition. */
	(void)store_list_names(c->store, "snapshots/", tell_unopened, c);
	if (f->paths <= check_paths_told(c))
		return;
	more.kind = f->kind;
	more.object = f->object;
	more.more = f->paths - check_paths_told(c);
	c->o->found(c->o->arg, &more);
}

int check_locked(struct store *store, const struct check_options *opts, struct check_result *out)
{
	struct check c;
	int rc;

	check_begin(&c, NULL, store, opts, out);
	rc = check_steps(&c);
	if (rc == 0 && out->findings > 0 && !opts->read_data)
		tell_all_snapshots(&c);
	check_end(&c);
	return rc == -ECANCELED ? -EINTR : rc;
}
