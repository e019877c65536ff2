/*
 * Object reader.  See reader.h.
 *
 * Id to place is the index's work, place to plaintext that of segment_open.c, sharing that of segment_cache.c; here
 * they are put together, and what was read is verified.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/object/segment/segment_cache.h"
#include "repo/object/segment/segment_open.h"

#define CACHE_MIN (4u * 1024 * 1024)
#define ATTEMPTS 3 /* at an object that is damaged where it is said to be */

struct object_reader {
	struct object_reader_options o;
	struct segment_cache *cache;
	struct segment_opener *opener;
};

int object_reader_new(const struct object_reader_options *opts, struct object_reader **out)
{
	struct object_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->o = *opts;
	r->cache = segment_cache_new(opts->cache_bytes < CACHE_MIN ? CACHE_MIN : opts->cache_bytes, opts->segment_size);
	r->opener = segment_opener_new(opts);
	if (r->cache == NULL || r->opener == NULL) {
		object_reader_free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void object_reader_free(struct object_reader *r)
{
	if (r == NULL)
		return;
	segment_opener_free(r->opener);
	segment_cache_free(r->cache);
	free(r);
}

static const char *kind_word(enum pack_kind kind)
{
	return kind == PACK_DATA ? "chunk" : "tree object";
}

static int complain(struct object_reader *r, enum pack_kind kind, const struct id *id, const struct place *place,
    int rc, const char *cause)
{
	char name[PACK_NAME_SIZE], hex[ID_HEX_SIZE];

	log_error(r->o.log, "%s %.8s..: in %s at %u: %s", kind_word(kind), id_hex(id, hex),
	    segment_pack_name(r->opener, place->pack, name), place->offset, cause);
	return rc;
}

int object_place(struct object_reader *r, enum pack_kind kind, const struct id *id, struct place *out)
{
	char hex[ID_HEX_SIZE];
	int rc = index_find(r->o.index, id, out);

	if (rc != -ENOENT)
		return rc;
	rc = index_resolve(r->o.index, kind, id, out);
	if (rc == 0)
		return 0;
	if (rc == -EBADMSG) {
		log_error(r->o.log, "%s %.8s..: in no index run that can be read", kind_word(kind), id_hex(id, hex));
		return rc;
	}
	if (rc != -ENOENT) {
		log_error(r->o.log, "%s %.8s..: not in the index, which cannot be refreshed: %s", kind_word(kind),
		    id_hex(id, hex), ERR(rc));
		return rc;
	}
	log_error(r->o.log, "%s %.8s..: in no index run", kind_word(kind), id_hex(id, hex));
	return -EBADMSG;
}

/*
 * Finding and reading an object, to be tried again where the place was wrong: a prune may have moved it since this
 * process learned where it is, or loaded that.
 */
struct attempt {
	struct object_reader *r;
	enum pack_kind kind;
	const struct id *id;
	struct place place;
	bool found; /* ${place} is set */
	unsigned n;
};

/* Where it is, by what is known now. */
static int attempt_place(struct attempt *a)
{
	int rc = object_place(a->r, a->kind, a->id, &a->place);

	a->found = rc == 0;
	return rc;
}

static bool is_doubtful(struct object_reader *r, const struct id *id, const struct place *place, bool gone)
{
	if (index_doubt(r->o.index, id, place, gone) != 0)
		return false;
	segment_pack_doubt(r->opener, place->pack);
	return true;
}

bool object_moved(struct object_reader *r, const struct id *id, const struct place *place)
{
	return is_doubtful(r, id, place, true);
}

/* The attempt ended with ${*rc}: is it worth another one?  If not, ${*rc} is what the caller returns. */
static bool attempt_again(struct attempt *a, int *rc)
{
	bool gone = *rc == -ESTALE;

	if (!a->found || (*rc != -EBADMSG && !gone))
		return false;
	if (++a->n < (gone ? OBJECT_MOVES_MAX : ATTEMPTS) && is_doubtful(a->r, a->id, &a->place, gone))
		return true;
	if (gone)
		*rc = segment_pack_missing(a->r->opener, a->place.pack);
	return false;
}

/* What the cache needs to load a segment. */
struct load {
	struct object_reader *reader;
	enum pack_kind kind;
	struct segment_place place;
};

static int load_segment(void *arg, uint8_t *out)
{
	const struct load *l = arg;

	return segment_open(l->reader->opener, l->kind, &l->place, out);
}

/* How the ${n}-th segment of an object is loaded, and by what it is known. */
static struct segment_key prepare(struct load *l, const struct place *place, unsigned n, uint32_t *skip, uint32_t *take,
    uint32_t *off)
{
	place_segment(place, n, l->reader->o.segment_size, &l->place, off, skip, take);
	return (struct segment_key){
		.pack = l->place.pack,
		.offset = l->place.offset,
		.len = l->place.len,
		.kind = l->kind,
	};
}

int object_segment(struct object_reader *r, enum pack_kind kind, const struct place *place, unsigned n,
    struct segment **out, uint32_t *skip, uint32_t *take, uint32_t *off)
{
	struct load load = { .reader = r, .kind = kind };
	struct segment_key key = prepare(&load, place, n, skip, take, off);

	return segment_cache_get(r->cache, &key, load_segment, &load, out);
}

void segment_put(struct object_reader *r, struct segment *s)
{
	segment_cache_put(r->cache, s);
}

/* Do ${len} bytes hash to ${id}?  Without the key nobody can tell, and it passes. */
static int verify(struct object_reader *r, enum pack_kind kind, const struct id *id, const struct place *place,
    const uint8_t *data)
{
	const struct hash_key *key = kind == PACK_DATA ? r->o.object_id : r->o.tree_id;
	struct id found;

	if (key == NULL)
		return 0;
	crypt_object_id(key, data, place->len, &found);
	return id_equal(&found, id) ? 0 : complain(r, kind, id, place, -EBADMSG, "its bytes are not those of its id");
}

/* Verify an object that lies in one segment as a whole, once as long as the segment stays in the cache. */
static int verify_in(struct object_reader *r, enum pack_kind kind, const struct id *id, const struct place *place,
    struct segment *s, uint32_t skip)
{
	int rc;

	if (segment_verified(s, id, skip, place->len))
		return 0;
	rc = verify(r, kind, id, place, s->data + skip);
	if (rc == 0)
		segment_set_verified(s, id, skip, place->len);
	return rc;
}

/* The bytes [${off}, ${off} + ${len}) of an object, which has them. */
static int read_range(struct object_reader *r, enum pack_kind kind, const struct id *id, const struct place *place,
    uint32_t off, uint32_t len, uint8_t *out)
{
	bool single = place_nsegments(place) == 1;
	uint32_t skip, take, begin, from, n, done = 0;
	struct segment *s;
	int rc = 0;

	for (unsigned i = single ? 0 : off / r->o.segment_size; done < len && rc == 0; i++) {
		rc = object_segment(r, kind, place, i, &s, &skip, &take, &begin);
		if (rc < 0)
			break;
		if (single)
			rc = verify_in(r, kind, id, place, s, skip);
		if (rc == 0) {
			from = off + done - begin;
			n = take - from < len - done ? take - from : len - done;
			memcpy(out + done, s->data + skip + from, n);
			done += n;
		}
		segment_put(r, s);
	}
	if (rc == 0 && !single && len == place->len)
		rc = verify(r, kind, id, place, out);
	return rc;
}

/*
 * All of an object that has segments of its own; not verified.  They are opened into ${out}, past the cache: who reads
 * a whole chunk does not come back to it, and the copy would be made from memory that the processor's caches have
 * forgotten.
 */
static int open_own(struct object_reader *r, enum pack_kind kind, const struct place *place, uint8_t *out)
{
	struct load load = { .reader = r, .kind = kind };
	uint32_t skip, take, off;
	struct segment_key key;
	int rc = 0;

	for (unsigned n = 0; n < place->nown && rc == 0; n++) {
		key = prepare(&load, place, n, &skip, &take, &off);
		rc = segment_cache_read(r->cache, &key, load_segment, &load, out + off);
	}
	return rc;
}

static int read_object(struct attempt *a, size_t max, struct buf *out)
{
	struct object_reader *r = a->r;
	const struct place *place = &a->place;
	int rc = attempt_place(a);

	if (rc < 0)
		return rc;
	if (place->len > max)
		return complain(r, a->kind, a->id, place, -EBADMSG, "it is longer than its kind may be");
	rc = buf_reserve(out, place->len);
	if (rc == 0 && place->nown > 1) {
		rc = open_own(r, a->kind, place, out->data + out->len);
		if (rc == 0)
			rc = verify(r, a->kind, a->id, place, out->data + out->len);
	} else if (rc == 0) {
		rc = read_range(r, a->kind, a->id, place, 0, place->len, out->data + out->len);
	}
	if (rc == 0)
		out->len += place->len;
	return rc;
}

int object_read(struct object_reader *r, enum pack_kind kind, const struct id *id, size_t max, struct buf *out)
{
	struct attempt a = { .r = r, .kind = kind, .id = id };
	int rc;

	do
		rc = read_object(&a, max, out);
	while (attempt_again(&a, &rc));
	return rc;
}

/* Who cuts a file says how long each chunk is: nobody reads a part of one as if it were all of it. */
static int check_length(struct attempt *a, uint32_t wanted)
{
	if (a->place.len == wanted)
		return 0;
	return complain(a->r, a->kind, a->id, &a->place, -EBADMSG, "it is not as long as the file's tree says");
}

/* A chunk of several that are read, and what is to be verified of it. */
struct reading {
	struct attempt a;
	struct id found;
	bool unverified;
};

/* Read one to ${to}; it is verified now only if it shares its segment, which the cache remembers. */
static int read_one_of_many(struct reading *g, const struct object_wanted *w, uint8_t *to)
{
	struct object_reader *r = g->a.r;
	const struct place *place = &g->a.place;
	int rc = attempt_place(&g->a);

	g->unverified = false;
	if (rc == 0)
		rc = check_length(&g->a, w->len);
	if (rc < 0)
		return rc;
	if (place->nown == 0)
		return read_range(r, PACK_DATA, w->id, place, 0, w->len, to);
	g->unverified = r->o.object_id != NULL;
	return open_own(r, PACK_DATA, place, to);
}

int object_read_many(struct object_reader *r, const struct object_wanted *wanted, unsigned n, struct buf *out)
{
	struct reading g[OBJECT_READ_MAX];
	struct hash_job jobs[OBJECT_READ_MAX];
	size_t len = 0, at = 0, njobs = 0;
	int rc;

	if (n > OBJECT_READ_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++) {
		g[i] = (struct reading){ .a = { .r = r, .kind = PACK_DATA, .id = wanted[i].id } };
		len += wanted[i].len;
	}
	rc = buf_reserve(out, len);
	for (unsigned i = 0; i < n && rc == 0; at += wanted[i++].len) {
		do
			rc = read_one_of_many(&g[i], &wanted[i], out->data + out->len + at);
		while (attempt_again(&g[i].a, &rc));
		if (g[i].unverified)
			jobs[njobs++] = (struct hash_job){ out->data + out->len + at, wanted[i].len, &g[i].found };
	}
	if (rc == 0 && njobs > 0)
		crypt_object_ids(r->o.object_id, jobs, njobs);
	for (unsigned i = 0; i < n && rc == 0; i++) {
		if (g[i].unverified && !id_equal(&g[i].found, wanted[i].id))
			rc = complain(r, PACK_DATA, wanted[i].id, &g[i].a.place, -EBADMSG,
			    "its bytes are not those of its id");
	}
	if (rc == 0)
		out->len += len;
	return rc;
}

static int read_object_range(struct attempt *a, uint32_t wanted, uint32_t off, uint32_t len, uint8_t *out)
{
	const struct place *place = &a->place;
	int rc = attempt_place(a);

	if (rc == 0)
		rc = check_length(a, wanted);
	if (rc < 0)
		return rc;
	if (off > place->len || len > place->len - off)
		return complain(a->r, a->kind, a->id, place, -EBADMSG, "it ends before what is read of it");
	return read_range(a->r, a->kind, a->id, place, off, len, out);
}

int object_read_range(struct object_reader *r, const struct object_wanted *w, uint32_t off, uint32_t len,
    uint8_t *out)
{
	struct attempt a = { .r = r, .kind = PACK_DATA, .id = w->id };
	int rc;

	do
		rc = read_object_range(&a, w->len, off, len, out);
	while (attempt_again(&a, &rc));
	return rc;
}

/* A chunk that is being prefetched. */
struct prefetch {
	const struct id *id;
	struct place place;
	struct segment *segment; /* held: to be verified in it; NULL: nothing to do */
	uint32_t skip;
	struct id found;
};

/* Hold the segment of a chunk that lies in one and is not known to be good; of others only open them. */
static void prefetch_open(struct object_reader *r, struct prefetch *p)
{
	uint32_t take, off;
	struct segment *s;

	if (index_find(r->o.index, p->id, &p->place) != 0)
		return;
	for (unsigned i = 0; i < place_nsegments(&p->place); i++) {
		if (object_segment(r, PACK_DATA, &p->place, i, &s, &p->skip, &take, &off) != 0)
			return;
		if (i == 0 && place_nsegments(&p->place) == 1 && r->o.object_id != NULL &&
		    !segment_verified(s, p->id, p->skip, p->place.len))
			p->segment = s;
		else
			segment_put(r, s);
	}
}

void object_prefetch(struct object_reader *r, const struct id *ids, unsigned n)
{
	struct prefetch p[OBJECT_PREFETCH_MAX] = { { .id = NULL } };
	struct hash_job jobs[OBJECT_PREFETCH_MAX];
	unsigned njobs = 0;

	for (unsigned i = 0; i < n && i < OBJECT_PREFETCH_MAX; i++) {
		p[i].id = &ids[i];
		prefetch_open(r, &p[i]);
		if (p[i].segment != NULL)
			jobs[njobs++] = (struct hash_job){
				.data = p[i].segment->data + p[i].skip,
				.len = p[i].place.len,
				.out = &p[i].found,
			};
	}
	if (njobs > 0)
		crypt_object_ids(r->o.object_id, jobs, njobs);
	for (unsigned i = 0; i < n && i < OBJECT_PREFETCH_MAX; i++) {
		if (p[i].segment == NULL)
			continue;
		if (id_equal(&p[i].found, p[i].id))
			segment_set_verified(p[i].segment, p[i].id, p[i].skip, p[i].place.len);
		segment_put(r, p[i].segment);
	}
}

void object_reader_counters(struct object_reader *r, struct object_reader_counters *out)
{
	segment_cache_counters(r->cache, out);
}
