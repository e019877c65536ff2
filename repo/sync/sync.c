/*
 * Sync: the order of things.  See sync.h.
 */
#include <errno.h>
#include <string.h>

#include "repo/crypt/config.h"
#include "repo/crypt/crypt.h"
#include "repo/doomed/doomed.h"
#include "repo/sync/copy.h"

#define ROUNDS_MAX 5 /* in which the source may change while it is copied */

struct sync {
	const struct sync_options *o;
	struct sync_result *result;
	struct inventory from[SYNC_KINDS], to[SYNC_KINDS];
	uint32_t grace_s;           /* the repository's */
	struct clock_reading since; /* before what is doomed in the target was read */
};

/* --- The same repository? ----------------------------------------------------------------------------------------- */

static int any_object(void *arg, const char *name, uint64_t size)
{
	(void)arg;
	(void)name;
	(void)size;
	return 1;
}

/* The target has no config: make it a repository if there is nothing else in it. */
static int begin_target(const struct sync_options *o, const struct buf *config)
{
	int rc = store_list_names(o->to, "", any_object, NULL);

	if (rc == -ENOENT && o->dry_run)
		rc = 0;
	if (rc > 0) {
		log_error(o->log, "%s: neither empty nor a repository", store_url(o->to));
		return -ENOTEMPTY;
	}
	if (rc == 0 && !o->dry_run)
		rc = store_put(o->to, "config", config->data, config->len, STORE_EXCL);
	if (rc == -EEXIST)
		log_error(o->log, "%s: somebody else has just made a repository here", store_url(o->to));
	return rc;
}

static int compare_configs(struct sync *s)
{
	const struct sync_options *o = s->o;
	struct buf from = BUF_INIT, to = BUF_INIT;
	struct config config;
	int rc;

	rc = store_get_all(o->from, "config", CONFIG_MAX, &from);
	if (rc == -ENOENT)
		log_error(o->log, "%s: not a varve repository (it has no config)", store_url(o->from));
	if (rc < 0 || o->to == NULL)
		goto out;
	s->grace_s = config_decode(from.data, from.len, &config) == 0 ? config_grace_s(&config) : GRACE_DEFAULT;
	rc = store_get_all(o->to, "config", CONFIG_MAX, &to);
	if (rc == -ENOENT) {
		rc = begin_target(o, &from);
	} else if (rc == 0 && (from.len != to.len || memcmp(from.data, to.data, from.len) != 0)) {
		log_error(o->log, "%s: another repository than %s; nothing is copied", store_url(o->to),
		    store_url(o->from));
		rc = -EXDEV;
	}
out:
	buf_free(&from);
	buf_free(&to);
	return rc;
}

/* --- Doomed packs ------------------------------------------------------------------------------------------------- */

/*
 * The target's own prune may be about to delete packs that the source has.  As they have the same names there, they
 * cannot be stored anew: nothing is copied then that may refer to them.
 */
static int heed_doomed(const struct sync *s, const struct doomed_set *set)
{
	for (int kind = SYNC_PACKS; kind <= SYNC_TREES; kind++) {
		for (size_t i = 0; set->nblocked > 0 && i < s->from[kind].n; i++) {
			if (!doomed_blocks(set, &s->from[kind].entries[i].id))
				continue;
			log_error(s->o->log, "%s: a prune is about to delete packs there that %s has: prune that "
			    "instead, and let sync delete", store_url(s->o->to), store_url(s->o->from));
			return -EBUSY;
		}
	}
	return 0;
}

/* Is it not too long ago that this was looked at?  As for all writers, see docs/design.md. */
static bool in_time(const struct sync *s)
{
	struct clock_reading now;

	clock_read(NULL, &now);
	return clock_at_most(&s->since, &now) < s->grace_s * INT64_C(1000000000) / 2;
}

/* --- Lists -------------------------------------------------------------------------------------------------------- */

/*
 * The target first: what it has then and the source has not later, the source has lost.  The source from the snapshots
 * down: what a snapshot relies on was there before it.
 */
static int list_all(struct sync *s)
{
	const struct doomed_place target = { .store = s->o->to, .log = s->o->log };
	struct doomed_set doomed = { .record = NULL };
	int rc = 0;

	clock_read(NULL, &s->since);
	if (s->o->to != NULL)
		rc = doomed_load(&target, &doomed);
	for (int kind = SYNC_KINDS - 1; kind >= 0 && rc == 0 && s->o->to != NULL; kind--)
		rc = inventory_load(s->o->to, (enum sync_kind)kind, &s->to[kind]);
	for (int kind = SYNC_KINDS - 1; kind >= 0 && rc == 0; kind--)
		rc = inventory_load(s->o->from, (enum sync_kind)kind, &s->from[kind]);
	if (rc == 0)
		rc = heed_doomed(s, &doomed);
	doomed_set_destroy(&doomed);
	return rc;
}

/* --- Copying ------------------------------------------------------------------------------------------------------ */

/* Of each kind, what the target lacks.  Return 0 or -ENOMEM (logged). */
static int find_lacking(const struct sync *s, struct inventory lacking[SYNC_KINDS])
{
	struct sync_progress *p = s->o->progress;
	uint64_t objects = 0, bytes = 0;
	int rc = 0;

	s->result->present = 0;
	for (int kind = 0; kind < SYNC_KINDS && rc == 0; kind++) {
		rc = inventory_difference(&s->from[kind], &s->to[kind], true, &lacking[kind]);
		objects += lacking[kind].n;
		bytes += inventory_bytes(&lacking[kind]);
		s->result->present += s->from[kind].n - lacking[kind].n;
	}
	if (rc < 0)
		log_error(s->o->log, "comparing lists: out of memory");
	if (p != NULL) {
		p->total_objects = p->objects + objects;
		p->total_bytes = p->bytes + bytes;
	}
	return rc;
}

/*
 * Copy everything that is lacking, up to the kind of which something has gone meanwhile.  Return 0; 1 if it has taken
 * so long that everything must be listed anew before what names packs is copied; an error.
 */
static int copy_lacking(struct sync *s, const struct inventory lacking[SYNC_KINDS], struct copy_result *c)
{
	int rc = 0;

	for (int kind = 0; kind < SYNC_KINDS && rc == 0 && c->gone == 0; kind++) {
		if (s->o->dry_run) {
			c->copied += lacking[kind].n;
			c->bytes += inventory_bytes(&lacking[kind]);
		} else if (kind > SYNC_TREES && !in_time(s)) {
			rc = 1;
		} else {
			rc = copy_objects(s->o, (enum sync_kind)kind, &lacking[kind], c);
		}
	}
	return rc;
}

/* One round.  Return 0; 1 if something had gone, so that everything is to be listed anew; an error. */
static int copy_round(struct sync *s)
{
	struct inventory lacking[SYNC_KINDS] = { { .n = 0 } };
	struct copy_result c = { 0 };
	int rc = list_all(s);

	if (rc == 0)
		rc = find_lacking(s, lacking);
	if (rc == 0)
		rc = copy_lacking(s, lacking, &c);
	for (int kind = 0; kind < SYNC_KINDS; kind++)
		inventory_free(&lacking[kind]);
	s->result->copied += c.copied;
	s->result->copied_bytes += c.bytes;
	s->result->damaged = c.damaged;
	return rc == 0 && c.gone > 0 ? 1 : rc;
}

/* --- Deleting ----------------------------------------------------------------------------------------------------- */

/* Is it safe to take the source's lists for all that there should be? */
static bool may_remove(const struct sync *s)
{
	const char *why = NULL;

	if (s->result->damaged > 0)
		why = "there is damage";
	else if (s->from[SYNC_SNAPSHOTS].n == 0 && s->to[SYNC_SNAPSHOTS].n > 0)
		why = "the source has no snapshots";
	else if (s->from[SYNC_KEYS].n == 0)
		why = "the source has no keyslots";
	if (why != NULL)
		log_error(s->o->log, "%s: nothing is deleted: %s", store_url(s->o->to), why);
	return why == NULL;
}

/*
 * Delete of one kind what the source does not have; but a key that was revoked stays so, and secrets with which
 * something may have been sealed stay there.
 */
static int remove_kind(struct sync *s, enum sync_kind kind)
{
	char name[SYNC_NAME_SIZE];
	struct inventory extra;
	int rc;

	if (kind == SYNC_REVOKED || kind == SYNC_GENERATIONS)
		return 0;
	rc = inventory_difference(&s->to[kind], &s->from[kind], false, &extra);
	for (size_t i = 0; i < extra.n && rc == 0; i++) {
		if (s->o->cancel != NULL && atomic_load(s->o->cancel) != 0)
			rc = -EINTR;
		else if (!s->o->dry_run)
			rc = store_delete(s->o->to, sync_name(kind, &extra.entries[i].id, name));
		s->result->removed += rc == 0;
		s->result->removed_bytes += rc == 0 ? extra.entries[i].size : 0;
	}
	inventory_free(&extra);
	return rc;
}

/* Snapshots first: what they rely on is there as long as they are. */
static int remove_extra(struct sync *s)
{
	int rc = 0;

	s->result->kept = !may_remove(s);
	for (int kind = SYNC_KINDS - 1; kind >= 0 && rc == 0 && !s->result->kept; kind--)
		rc = remove_kind(s, (enum sync_kind)kind);
	return rc;
}

int sync_run(const struct sync_options *o, struct sync_result *out)
{
	struct sync s = { .o = o, .result = out };
	int rc;

	*out = (struct sync_result){ 0 };
	rc = crypt_init();
	if (rc == 0)
		rc = compare_configs(&s);
	for (int round = 0; rc == 0 && (rc = copy_round(&s)) > 0 && round < ROUNDS_MAX; round++)
		rc = 0;
	if (rc > 0) {
		log_error(o->log, "%s: changes faster than it can be copied", store_url(o->from));
		rc = -EAGAIN;
	}
	if (rc == 0 && o->remove && o->to != NULL)
		rc = remove_extra(&s);
	for (int kind = 0; kind < SYNC_KINDS; kind++) {
		inventory_free(&s.from[kind]);
		inventory_free(&s.to[kind]);
	}
	return rc == -ECANCELED ? -EINTR : rc;
}
