/*
 * Repack: packs that keep little are copied, what is live of them, so that they can be doomed.
 *
 * A segment of which everything is live goes into the new pack as it is, without being decompressed: only its box is
 * opened and sealed again, as a pack has one key and positions of its own.  Of others the live objects are taken out
 * and grouped anew.  The copies are durable, and named by a run, before the old packs are doomed; until those are
 * deleted, a grace later, there are both.
 *
 * A pack that cannot be copied stays as it is, and does not keep others from being copied or doomed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/doomed/watch.h"
#include "repo/object/writer.h"
#include "repo/retention/prune/prune_impl.h"

#define NS 1000000000LL
#define WINDOW (4u * 1024 * 1024)

/* An object of the pack at hand. */
struct held {
	struct id id;
	struct place place;
	bool live;
};

struct repack {
	struct prune *p;
	struct doom_watch *watch;
	struct object_writer *w;
	struct segment_builder *builder[2]; /* by enum pack_kind - 1 */
	struct held *held;                  /* in pack order */
	size_t nheld, cap_held;
	struct pack_info info;              /* of the pack at hand */
	struct aead_key key;
	uint8_t *window;
	uint64_t window_off;
	size_t window_len;
	int unreadable;                     /* why the pack at hand cannot be read; 0: it can */
};

/* --- Copying ------------------------------------------------------------------------------------------------------ */

static int hold(void *arg, const struct id *id, const struct place *place)
{
	struct repack *r = arg;
	struct held *grown;

	if (r->nheld == r->cap_held) {
		grown = realloc(r->held, (2 * r->cap_held + 256) * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		r->held = grown;
		r->cap_held = 2 * r->cap_held + 256;
	}
	r->held[r->nheld++] = (struct held){ .id = *id, .place = *place, .live = live_has(r->p->live, id) };
	return 0;
}

/* The pack at hand gave ${rc}: that is its own fault, and not one of what is written. */
static int from_source(struct repack *r, int rc)
{
	if (rc < 0)
		r->unreadable = rc;
	return rc;
}

/* Sealed bytes of the pack at hand, read in large pieces. */
static int get(struct repack *r, const char *name, uint64_t off, size_t len, uint8_t *out)
{
	uint64_t left = r->info.size > off ? r->info.size - off : 0;
	int rc = 0;

	if (len > WINDOW || len > left)
		return store_get(r->p->r->store, name, off, len, out);
	if (off < r->window_off || off + len > r->window_off + r->window_len) {
		r->window_off = off;
		r->window_len = left < WINDOW ? (size_t)left : WINDOW;
		rc = store_get(r->p->r->store, name, off, r->window_len, r->window);
		if (rc < 0)
			r->window_len = 0;
	}
	if (rc == 0)
		memcpy(out, r->window + (off - r->window_off), len);
	return rc;
}

/* Fetch and open the boxes of one segment, or of an object's own ones, to the form in which a writer takes them. */
static int open_boxes(struct repack *r, const struct place *place, struct segment_out *s)
{
	enum cipher cipher = (r->info.kind == PACK_DATA ? r->p->r->data : r->p->r->metadata)->cipher;
	char name[PACK_NAME_SIZE];
	size_t len = 0, pos = 0;
	int rc;

	for (unsigned i = 0; i < place_nsegments(place); i++)
		len += place->box[i];
	rc = buf_reserve(&s->bytes, len);
	if (rc == 0)
		rc = from_source(r, get(r, pack_name(r->info.kind, &r->info.id, name), place->offset, len,
		    s->bytes.data));
	s->bytes.len = len;
	s->nboxes = place_nsegments(place);
	for (unsigned i = 0; i < s->nboxes && rc == 0; i++) {
		s->box_len[i] = place->box[i] - CRYPT_TAG_LEN;
		rc = from_source(r, pack_open_segment(cipher, r->info.kind, &r->key, place->offset + (uint32_t)pos,
		    s->bytes.data + pos, place->box[i], s->bytes.data + pos));
		if (rc < 0)
			log_error(r->p->r->log, "%s: open %u bytes at %llu: %s", name, place->box[i],
			    (unsigned long long)place->offset + pos, ERR(rc));
		pos += place->box[i];
	}
	return rc;
}

/* ${n} objects, at least one, that are all that is in their segment. */
static int copy_segment(struct repack *r, const struct held *h, size_t n)
{
	struct segment_out *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (s == NULL)
		return rc;
	s->objects = calloc(n > 0 ? n : 1, sizeof(*s->objects));
	if (s->objects != NULL)
		rc = open_boxes(r, &h->place, s);
	if (rc < 0) {
		segment_out_free(s);
		return rc;
	}
	s->kind = r->info.kind;
	s->own = h->place.nown > 0;
	s->plain_len = s->own ? h->place.len : h->place.shared_len;
	s->nobjects = (unsigned)n;
	for (size_t i = 0; i < n; i++)
		s->objects[i] = (struct segment_object){ .id = h[i].id, .skip = s->own ? 0 : h[i].place.shared_skip,
			.len = h[i].place.len };
	r->p->out->verbatim_bytes += s->bytes.len;
	return object_writer_add_segment(r->w, s);
}

static int add_list(struct repack *r, struct segment_out *list)
{
	struct segment_out *next;
	int rc = 0, err;

	for (; list != NULL; list = next) {
		next = list->next;
		list->next = NULL;
		err = object_writer_add_segment(r->w, list);
		rc = rc < 0 ? rc : err;
	}
	return rc;
}

/* A live object out of a segment that is not live as a whole. */
static int copy_object(struct repack *r, const struct held *h, uint32_t number)
{
	struct place place = h->place;
	struct segment_out *list = NULL;
	struct segment *segment;
	uint32_t skip, take, off;
	int rc, err;

	place.pack = number;
	rc = object_segment(r->p->r->reader, r->info.kind, &place, 0, &segment, &skip, &take, &off);
	if (rc < 0)
		return from_source(r, rc == -ESTALE ? -ENOENT : rc);
	rc = segment_builder_add(r->builder[r->info.kind - 1], &h->id, segment->data + skip, take, &list);
	segment_put(r->p->r->reader, segment);
	err = add_list(r, list);
	return rc < 0 ? rc : err;
}

/* Objects that share a segment: how many from ${at} on, and are they all of it, and live? */
static size_t group_at(const struct repack *r, size_t at, bool *whole)
{
	const struct held *h = r->held + at;
	uint64_t covered = 0;
	size_t n = 0;

	*whole = true;
	if (h->place.nown > 0) {
		*whole = h->live;
		return 1;
	}
	for (; at + n < r->nheld && h[n].place.nown == 0 && h[n].place.offset == h->place.offset; n++) {
		*whole = *whole && h[n].live;
		covered += h[n].place.len;
	}
	*whole = *whole && covered == h->place.shared_len;
	return n;
}

static int copy_held(struct repack *r, uint32_t number)
{
	size_t n;
	bool whole;
	int rc = 0;

	for (size_t at = 0; at < r->nheld && rc == 0; at += n) {
		n = group_at(r, at, &whole);
		if (prune_cancelled(r->p))
			return -EINTR;
		if (whole) {
			rc = copy_segment(r, r->held + at, n);
			continue;
		}
		for (size_t i = 0; i < n && rc == 0; i++)
			if (r->held[at + i].live && r->held[at + i].place.nown == 0)
				rc = copy_object(r, &r->held[at + i], number);
	}
	return rc;
}

/*
 * What could not be read.  A pack that is gone was repacked and swept by another prune, or is missing, which the next
 * one tells; one that is damaged may be made whole.  Return 0 if others can be copied all the same.
 */
static int leave_out(struct repack *r, struct prune_pack *pack, int rc)
{
	char name[PACK_NAME_SIZE];

	if (rc != r->unreadable || (rc != -ENOENT && rc != -EBADMSG && rc != -EPROTONOSUPPORT))
		return rc;
	pack_name((enum pack_kind)pack->kind, &pack->id, name);
	if (rc == -ENOENT) {
		log_debug(r->p->r->log, "%s: has gone meanwhile", name);
		pack->flags |= PACK_GONE;
		return 0;
	}
	log_error(r->p->r->log, "%s: cannot be repacked; see \"varve repair\"", name);
	r->p->failed = rc;
	return 0;
}

/* Return 1; 0 if it cannot be read and was left out; or an error. */
static int copy_pack(struct repack *r, struct prune_pack *pack)
{
	const struct repo *repo = r->p->r;
	int rc;

	r->nheld = r->window_len = 0;
	r->unreadable = 0;
	rc = from_source(r, pack_read_table(repo->store, (enum pack_kind)pack->kind, &pack->id, repo->metadata,
	    repo->config.segment_size, &r->info, hold, r));
	if (rc == 0)
		rc = from_source(r, seal_open_key(pack->kind == PACK_DATA ? repo->data : repo->metadata,
		    r->info.wrapped, &r->key));
	if (rc == 0)
		rc = copy_held(r, pack->number);
	crypt_wipe(&r->key, sizeof(r->key));
	return rc < 0 ? leave_out(r, pack, rc) : 1;
}

/* --- All of it ---------------------------------------------------------------------------------------------------- */

static int begin(struct repack *r)
{
	struct repo *repo = r->p->r;
	const struct doom_watch_options wo = { .at = r->p->at, .index = repo->index,
		.grace_s = config_grace_s(&repo->config), .clock = r->p->o->clock };
	struct object_writer_options o = {
		.store = repo->store, .index = repo->index, .data = repo->data, .metadata = repo->metadata,
		.object_id = repo->object_id, .tree_id = repo->tree_id, .segment_size = repo->config.segment_size,
		.pack_size = repo->config.pack_size, .level = COMPRESS_LEVEL_DEFAULT, .log = repo->log,
	};
	int rc = doom_watch_open(&wo, &r->watch);

	if (rc == 0)
		rc = doom_watch_map(r->watch);
	o.watch = r->watch;
	if (rc == 0)
		rc = object_writer_open(&o, &r->w);
	for (int kind = PACK_DATA; kind <= PACK_TREE && rc == 0; kind++) {
		r->builder[kind - 1] = segment_builder_new((enum pack_kind)kind, o.segment_size, o.level);
		rc = r->builder[kind - 1] != NULL ? 0 : -ENOMEM;
	}
	r->window = malloc(WINDOW);
	return rc == 0 && r->window == NULL ? -ENOMEM : rc;
}

static int finish(struct repack *r)
{
	struct segment_out *list = NULL;
	int rc = 0;

	for (unsigned i = 0; i < 2 && rc == 0; i++) {
		rc = segment_builder_flush(r->builder[i], &list);
		if (rc == 0)
			rc = add_list(r, list);
		list = NULL;
	}
	return rc == 0 ? object_writer_finish(r->w) : rc;
}

static void end(struct repack *r)
{
	for (unsigned i = 0; i < 2; i++)
		segment_builder_free(r->builder[i]);
	object_writer_close(r->w);
	doom_watch_end(r->watch);
	doom_watch_close(r->watch);
	free(r->held);
	free(r->window);
}

/* Is there time for another one? */
static bool has_time(const struct prune *p)
{
	struct clock_reading now;

	clock_read(p->o->clock, &now);
	return p->o->max_seconds == 0 || clock_at_most(&p->start, &now) < (int64_t)p->o->max_seconds * NS;
}

static int repack_all(struct prune *p, struct prune_pack **list, size_t n)
{
	struct object_writer_counters counters;
	struct repack r = { .p = p };
	size_t done = 0;
	int rc = begin(&r);

	for (size_t i = 0; i < n && rc == 0 && has_time(p); i++) {
		rc = copy_pack(&r, list[i]);
		if (rc == 1)
			list[done++] = list[i];
		if (rc >= 0)
			rc = object_writer_tick(r.w);
		if (p->o->progress != NULL)
			p->o->progress->packs++;
	}
	if (rc == 0)
		rc = finish(&r);
	if (rc == 0) {
		object_writer_counters(r.w, &counters);
		p->out->repacked_packs = done;
		p->out->copied_bytes = counters.stored_bytes;
		for (size_t i = 0; i < done; i++)
			list[i]->flags |= PACK_COPIED;
	}
	end(&r);
	return rc;
}

int prune_repack(struct prune *p)
{
	struct prune_pack **list = NULL;
	size_t n = 0;
	int rc;

	/* Beside a damaged record nobody stores. */
	if (p->o->no_repack || p->set.ndamaged > 0)
		return 0;
	rc = prune_choose(p, &list, &n);
	if (rc == 0 && n > 0 && p->o->dry_run) {
		p->out->repacked_packs = n;
		for (size_t i = 0; i < n; i++) {
			p->out->copied_bytes += prune_used_bytes(list[i]);
			list[i]->flags |= PACK_COPIED;
		}
	} else if (rc == 0 && n > 0) {
		if (p->o->progress != NULL)
			p->o->progress->total_packs += n;
		rc = repack_all(p, list, n);
	}
	free(list);
	return rc;
}
