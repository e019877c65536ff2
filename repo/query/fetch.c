/*
 * Fetching what is sealed.  See fetch.h.
 */
#include "repo/query/fetch.h"

#include <errno.h>

#include "repo/query/walk.h"
#include "repo/store/cache/store_cache.h"

struct fetching {
	struct repo *r;
	const atomic_int *cancel;
	struct fetch_progress *p;
	uint64_t *damaged;
	uint32_t pack, offset; /* of the box that was fetched last: small files share it */
	struct pack_info info; /* of ${pack} */
	bool any;
	struct buf xattrs;
};

/* Does ${rc} concern one object, so that the others may still be had? */
static bool is_damage(int rc)
{
	return rc == -EBADMSG || rc == -ENOENT || rc == -EPROTONOSUPPORT;
}

/* Name and size of the pack that ${place} is in, to ${f->info}. */
static int know_pack(struct fetching *f, const struct place *place, char name[PACK_NAME_SIZE])
{
	uint64_t size;
	int rc = 0;

	if (!f->any || f->pack != place->pack)
		rc = index_pack(f->r->index, place->pack, &f->info);
	if (rc < 0)
		return rc;
	pack_name(f->info.kind, &f->info.id, name);
	if (f->info.size == 0) {
		rc = store_stat(f->r->store, name, &size);
		if (rc == 0)
			f->info.size = size <= UINT32_MAX ? (uint32_t)size : 0;
	}
	return rc;
}

static int fetch_place(struct fetching *f, const struct place *place)
{
	char name[PACK_NAME_SIZE];
	uint64_t len = 0;
	int rc = know_pack(f, place, name);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < place_nsegments(place); i++)
		len += place->box[i];
	rc = store_cache_fetch(f->r->store, name, f->info.size, place->offset, (size_t)len);
	f->pack = place->pack;
	f->offset = place->offset;
	f->any = rc == 0;
	if (rc == 0)
		f->p->bytes += len;
	return rc;
}

/* A prune may have moved it since its place became known. */
static int fetch_chunk(struct fetching *f, const struct id *id)
{
	struct place place;
	int rc = -ENOENT;

	for (unsigned i = 0; i < OBJECT_MOVES_MAX && rc == -ENOENT; i++) {
		rc = object_place(f->r->reader, PACK_DATA, id, &place);
		if (rc < 0 || (f->any && f->pack == place.pack && f->offset == place.offset))
			return rc;
		rc = fetch_place(f, &place);
		if (rc == -ENOENT && !object_moved(f->r->reader, id, &place))
			break;
	}
	return rc;
}

/* Count what cannot be had of one entry; pass on what ends it all. */
static int judge(struct fetching *f, int rc)
{
	if (!is_damage(rc))
		return rc;
	++*f->damaged;
	return 0;
}

static int fetch_file(struct fetching *f, const struct tree_entry *e)
{
	struct span s;
	uint64_t off = 0;
	int rc;

	while ((rc = tree_span(f->r->tree, e, off, &s)) == 1) {
		rc = fetch_chunk(f, &s.id);
		if (rc < 0)
			return rc;
		if (*f->cancel != 0)
			return -EINTR;
		off = s.off + s.len;
	}
	return rc;
}

static int fetch_entry(struct fetching *f, const struct tree_entry *e)
{
	int rc = 0;

	if (*f->cancel != 0)
		return -EINTR;
	buf_clear(&f->xattrs);
	if (e->flags & ENTRY_XATTRS_BY_ID)
		rc = judge(f, tree_xattrs(f->r->tree, e, &f->xattrs));
	if (rc == 0 && e->type == ENTRY_REG)
		rc = judge(f, fetch_file(f, e));
	f->p->items++;
	return rc;
}

int fetch_subtree(struct repo *r, const struct tree_entry *root, const atomic_int *cancel, struct fetch_progress *p,
    uint64_t *damaged)
{
	struct fetching f = { .r = r, .cancel = cancel, .p = p, .damaged = damaged };
	struct walk_item item;
	struct tree_walk *w;
	int rc;

	rc = tree_walk_begin(r->tree, root, &w);
	if (rc < 0)
		return rc;
	while ((rc = tree_walk_next(w, &item)) == 1) {
		rc = 0;
		if (item.event == WALK_DAMAGED)
			rc = judge(&f, item.err);
		else if (item.event == WALK_ENTRY)
			rc = fetch_entry(&f, item.entry);
		if (rc < 0)
			break;
	}
	tree_walk_end(w);
	buf_free(&f.xattrs);
	return rc;
}
