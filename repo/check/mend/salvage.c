/*
 * Salvage: objects of damaged packs that can still be read are stored again, in their order.
 *
 * They are read as any reader would, by their places in the index, and verified by their ids; grouped, compressed and
 * sealed anew as a backup does it, by the rule for writers (doomed/watch.h): a prune that is at work may doom the new
 * packs, which no run names before the end.  Memory: 40 bytes an object of these packs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/check/mend/mend.h"
#include "repo/doomed/watch.h"
#include "repo/object/packing/run_put.h"

/* An object that is to be read. */
struct wanted {
	struct id id;
	uint32_t pack;   /* which of those that are salvaged */
	uint32_t offset; /* in it */
};

struct salvaging {
	struct check *c;
	struct salvage_pack *packs;
	struct wanted *wanted;
	size_t n, cap;
	struct segment_builder *builder[PACK_TREE]; /* by kind - 1 */
	struct packing *open[PACK_TREE];
	struct packing *done;                       /* durable, and to be named */
	struct buf bytes;
	struct doom_watch *watch;                   /* NULL: none, while nobody dooms */
	bool dry_run;
};

/* --- Which ones --------------------------------------------------------------------------------------------------- */

static int want(struct salvaging *s, const struct wanted *w)
{
	struct wanted *grown;

	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 1024;

		grown = realloc(s->wanted, cap * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		s->wanted = grown;
		s->cap = cap;
	}
	s->wanted[s->n++] = *w;
	return 0;
}

static int take_object(void *arg, const struct id *id, const struct place *place)
{
	struct salvaging *s = arg;
	const struct check_pack *p = pack_of_number(s->c, place->pack);

	if (p == NULL || p->turn == 0)
		return 0;
	if (p->state == PACK_MISSING) {
		s->packs[p->turn - 1].lost++;
		return 0;
	}
	return want(s, &(struct wanted){ .id = *id, .pack = p->turn - 1, .offset = place->offset });
}

static int by_place(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;

	if (x->pack != y->pack)
		return x->pack < y->pack ? -1 : 1;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return id_compare(&x->id, &y->id);
}

static int collect(struct salvaging *s, size_t n)
{
	int rc;

	for (size_t i = 0; i < s->c->npacks; i++)
		s->c->packs[i].turn = 0;
	for (size_t i = 0; i < n; i++)
		s->packs[i].pack->turn = (uint32_t)i + 1;
	rc = index_each_object(s->c->index, take_object, s);
	if (s->n > 1)
		qsort(s->wanted, s->n, sizeof(*s->wanted), by_place);
	return rc;
}

/* --- Storing ------------------------------------------------------------------------------------------------------ */

/* The pack of a kind is full, or it was the last: make it durable. */
static int close_pack(struct salvaging *s, enum pack_kind kind)
{
	struct packing *p = s->open[kind - 1];
	int rc;

	if (p == NULL)
		return 0;
	s->open[kind - 1] = NULL;
	rc = packing_commit(p);
	if (rc < 0) {
		packing_free(p);
		return rc;
	}
	p->next = s->done;
	s->done = p;
	rc = s->watch != NULL ? doom_watch_own(s->watch, &p->info) : 0;
	return rc == 0 && s->watch != NULL ? doom_watch_tell(s->watch) : rc;
}

static int append(struct salvaging *s, struct segment_out *out)
{
	const struct repo *r = s->c->r;
	struct packing **p = &s->open[out->kind - 1];
	int rc = 0;

	if (*p == NULL)
		rc = packing_begin(r->store, out->kind, out->kind == PACK_DATA ? r->data : r->metadata, r->metadata, p);
	if (rc == 0)
		rc = packing_append(*p, out);
	if (rc == 0 && packing_full(*p, r->config.pack_size))
		rc = close_pack(s, out->kind);
	return rc;
}

/* Append all segments of a list and free it. */
static int append_all(struct salvaging *s, struct segment_out *list)
{
	struct segment_out *next;
	int rc = 0;

	for (; list != NULL; list = next) {
		next = list->next;
		if (rc == 0)
			rc = append(s, list);
		segment_out_free(list);
	}
	return rc;
}

static int store_object(struct salvaging *s, enum pack_kind kind, const struct id *id)
{
	struct segment_builder **b = &s->builder[kind - 1];
	struct segment_out *list = NULL;
	int rc, appended;

	if (s->dry_run)
		return 0;
	if (*b == NULL)
		*b = segment_builder_new(kind, s->c->r->config.segment_size, COMPRESS_LEVEL_DEFAULT);
	if (*b == NULL)
		return -ENOMEM;
	rc = segment_builder_add(*b, id, s->bytes.data, (uint32_t)s->bytes.len, &list);
	appended = append_all(s, list);
	return rc < 0 ? rc : appended;
}

static int take_wanted(struct salvaging *s, const struct wanted *w)
{
	struct salvage_pack *p = &s->packs[w->pack];
	int rc;

	if (cancelled(s->c))
		return -EINTR;
	buf_clear(&s->bytes);
	rc = object_read(s->c->reader, p->pack->kind, &w->id, OBJECT_LEN_MAX, &s->bytes);
	if (rc == -ENOMEM || rc == -ECANCELED || store_failed(s->c, rc))
		return rc;
	if (rc == 0)
		rc = store_object(s, p->pack->kind, &w->id);
	else
		rc = 1;
	p->salvaged += rc == 0;
	p->lost += rc == 1;
	return rc < 0 ? rc : 0;
}

/* Everything that was gathered becomes durable, and is named. */
static int finish(struct salvaging *s)
{
	const struct repo *r = s->c->r;
	struct segment_out *list;
	uint64_t size;
	struct id id;
	int rc = 0;

	for (enum pack_kind kind = PACK_DATA; kind <= PACK_TREE && rc == 0; kind++) {
		list = NULL;
		if (s->builder[kind - 1] != NULL)
			rc = segment_builder_flush(s->builder[kind - 1], &list);
		if (rc == 0)
			rc = append_all(s, list);
		if (rc == 0)
			rc = close_pack(s, kind);
	}
	if (rc == 0 && s->watch != NULL)
		rc = doom_watch_look(s->watch);
	if (rc == 0 && s->done != NULL)
		rc = run_put(r->store, r->metadata, r->config.segment_size, s->done, &id, &size);
	return rc;
}

/* While a record is damaged nobody dooms, and what is lost should not wait for that. */
static int begin_watch(struct salvaging *s)
{
	const struct repo *r = s->c->r;
	const struct doom_watch_options o = {
		.at = { .store = r->store, .metadata = r->metadata, .repo_id = r->config.repo_id, .log = r->log },
		.index = s->c->index,
		.grace_s = config_grace_s(&r->config),
	};
	int rc = s->dry_run ? 0 : doom_watch_open(&o, &s->watch);

	return rc == -EBADMSG ? 0 : rc;
}

int salvage(struct check *c, struct salvage_pack *packs, size_t n, bool dry_run)
{
	struct salvaging s = { .c = c, .packs = packs, .dry_run = dry_run };
	int rc = begin_watch(&s);

	if (rc == 0)
		rc = collect(&s, n);
	for (size_t i = 0; i < s.n && rc == 0; i++)
		rc = take_wanted(&s, &s.wanted[i]);
	if (rc == 0)
		rc = finish(&s);
	for (unsigned i = 0; i < PACK_TREE; i++) {
		segment_builder_free(s.builder[i]);
		packing_free(s.open[i]);
	}
	packing_free(s.done);
	doom_watch_end(s.watch);
	doom_watch_close(s.watch);
	buf_free(&s.bytes);
	free(s.wanted);
	return rc;
}
