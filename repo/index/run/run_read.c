/*
 * Reading index runs: opening, looking up one object, going through all.
 *
 * A lookup keeps the block that it opened last of each kind, opened: neighbours in a directory are not neighbours by
 * id, but a small run has one block only, and packs are few.
 *
 * Locking: ${lock} guards the two kept blocks; it is not held while the store is read.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/run/run_cursor.h"
#include "repo/index/run/run_impl.h"
#include "repo/util/le.h"

#define TAIL_LEN (64u * 1024)              /* read at first: holds the footer of a run of some million objects */
#define WINDOW_LEN (4u * 1024 * 1024)      /* of run_each_object() */
#define RUN_MIN (RUN_HEADER_LEN + RUN_FOOTER_HEAD_LEN + CRYPT_TAG_LEN + RUN_TRAILER_LEN)
#define NO_BLOCK UINT32_MAX

/* A block that is kept opened. */
struct kept_block {
	uint32_t n; /* its number, or NO_BLOCK */
	struct buf plain;
};

struct run {
	struct store *store;
	const struct log *log;
	enum cipher cipher;
	uint32_t segment_size;
	uint64_t len;
	char name[RUN_NAME_SIZE];
	uint8_t header[RUN_HEADER_LEN];
	struct aead_key key;
	struct run_footer *footer;
	pthread_mutex_t lock;
	struct kept_block objects, packs;
};

void run_box_ad(enum run_box kind, uint64_t offset, uint8_t out[RUN_BOX_AD_LEN])
{
	memset(out, 0, RUN_FIXED_LEN);
	memcpy(out, RUN_MAGIC, RUN_MAGIC_LEN);
	out[RUN_FIXED_LEN] = (uint8_t)kind;
	le64enc(out + RUN_FIXED_LEN + 1, offset);
}

int run_damaged(const struct run *r, const char *what)
{
	log_error(r->log, "%s: %s: %s", r->name, what, ERR(-EBADMSG));
	return -EBADMSG;
}

int run_get(struct run *r, uint64_t off, size_t len, void *out)
{
	return store_get(r->store, r->name, off, len, out);
}

int run_open_box(struct run *r, enum run_box kind, const struct run_block *b, const uint8_t *box, uint8_t *out)
{
	uint8_t ad[RUN_BOX_AD_LEN];
	int rc;

	run_box_ad(kind, b->offset, ad);
	rc = crypt_open(r->cipher, &r->key, b->offset, ad, sizeof(ad), box, b->box, out);
	return rc == -EBADMSG ? run_damaged(r, kind == RUN_OBJECTS ? "an object block" : "a pack block") : rc;
}

const struct run_footer *run_footer_of(const struct run *r)
{
	return r->footer;
}

uint32_t run_segment_size(const struct run *r)
{
	return r->segment_size;
}

/* Another digit at the end of the magic is another format; anything else is no run. */
static int check_header(const struct run *r)
{
	static const uint8_t zero[RUN_FIXED_LEN - RUN_MAGIC_LEN];

	if (memcmp(r->header, RUN_MAGIC, RUN_MAGIC_LEN - 1) != 0 ||
	    memcmp(r->header + RUN_MAGIC_LEN, zero, sizeof(zero)) != 0)
		return -EBADMSG;
	if (r->header[7] > '1' && r->header[7] <= '9')
		return -EPROTONOSUPPORT;
	return r->header[7] == '1' ? 0 : -EBADMSG;
}

static int open_footer(struct run *r, uint64_t at, uint8_t *box, size_t len)
{
	uint8_t ad[RUN_BOX_AD_LEN];
	int rc;

	run_box_ad(RUN_FOOTER, at, ad);
	rc = crypt_open(r->cipher, &r->key, at, ad, sizeof(ad), box, len, box);
	return rc < 0 ? rc : run_parse_footer(box, len - CRYPT_TAG_LEN, at, &r->footer);
}

/* ${tail} is the end of the run, and holds at least the trailer.  What is missing of the footer is fetched. */
static int read_footer(struct run *r, struct buf *tail)
{
	const uint8_t *end = tail->data + tail->len - RUN_TRAILER_LEN;
	uint64_t at = le64dec(end);
	uint32_t len = le32dec(end + 8);
	int rc;

	if (memcmp(end + 12, RUN_END_MAGIC, 4) != 0 || at < RUN_HEADER_LEN || at > r->len ||
	    len > RUN_FOOTER_MAX + CRYPT_TAG_LEN || at + len + RUN_TRAILER_LEN != r->len)
		return -EBADMSG;
	if (len + RUN_TRAILER_LEN <= tail->len)
		return open_footer(r, at, tail->data + (tail->len - RUN_TRAILER_LEN - len), len);
	buf_clear(tail);
	rc = buf_reserve(tail, len);
	if (rc == 0)
		rc = run_get(r, at, len, tail->data);
	return rc < 0 ? rc : open_footer(r, at, tail->data, len);
}

static int read_ends(struct run *r, const struct seal_domain *metadata)
{
	struct buf tail = BUF_INIT;
	size_t len;
	int rc;

	rc = store_stat(r->store, r->name, &r->len);
	if (rc == 0 && r->len < RUN_MIN)
		rc = -EBADMSG;
	if (rc < 0)
		return rc;
	len = r->len < TAIL_LEN ? (size_t)r->len : TAIL_LEN;
	if ((rc = buf_reserve(&tail, len)) < 0 || (rc = run_get(r, r->len - len, len, tail.data)) < 0)
		goto out;
	tail.len = len;
	if (len == r->len)
		memcpy(r->header, tail.data, sizeof(r->header));
	else
		rc = run_get(r, 0, sizeof(r->header), r->header);
	if (rc == 0)
		rc = check_header(r);
	if (rc == 0)
		rc = seal_open_key(metadata, r->header + RUN_FIXED_LEN, &r->key);
	if (rc == 0)
		rc = read_footer(r, &tail);
out:
	buf_free(&tail);
	return rc;
}

int run_open(struct store *store, const struct id *id, const struct seal_domain *metadata, uint32_t segment_size,
    const struct log *log, struct run **out)
{
	struct run *r;
	int rc;

	if (!metadata->can_open)
		return -EACCES;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->store = store;
	r->log = log;
	r->cipher = metadata->cipher;
	r->segment_size = segment_size;
	r->objects.n = r->packs.n = NO_BLOCK;
	pthread_mutex_init(&r->lock, NULL);
	run_name(id, r->name);
	rc = read_ends(r, metadata);
	if (rc == -EBADMSG || rc == -EPROTONOSUPPORT)
		log_error(log, "%s: footer: %s", r->name, ERR(rc));
	if (rc == 0)
		*out = r;
	else
		run_close(r);
	return rc;
}

void run_close(struct run *r)
{
	if (!r)
		return;
	crypt_wipe(&r->key, sizeof(r->key));
	run_footer_free(r->footer);
	buf_free(&r->objects.plain);
	buf_free(&r->packs.plain);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

uint64_t run_nobjects(const struct run *r)
{
	return r->footer->nobjects;
}

uint32_t run_npacks(const struct run *r)
{
	return r->footer->npacks;
}

const struct id *run_replaced(const struct run *r, size_t *n)
{
	*n = r->footer->nreplaced;
	return r->footer->replaced;
}

/* Fetch and open a block; ${plain} (empty) takes it. */
static int read_block(struct run *r, enum run_box kind, const struct run_block *b, struct buf *plain)
{
	int rc;

	rc = buf_reserve(plain, b->box);
	if (rc == 0)
		rc = run_get(r, b->offset, b->box, plain->data);
	if (rc == 0)
		rc = run_open_box(r, kind, b, plain->data, plain->data);
	if (rc == 0)
		plain->len = b->box - CRYPT_TAG_LEN;
	return rc;
}

/* What is looked for in a block: 1 found, 0 not in it, or an error. */
typedef int search_fn(struct run *r, const struct buf *plain, const void *key, void *out);

/* Search block ${n}, in the kept one if it is that, else in one that is read and then kept. */
static int search_block(struct run *r, enum run_box kind, uint32_t n, search_fn *fn, const void *key, void *out)
{
	struct kept_block *kept = kind == RUN_OBJECTS ? &r->objects : &r->packs;
	struct kept_block mine = { n, BUF_INIT }, old;
	bool hit;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	hit = kept->n == n;
	if (hit)
		rc = fn(r, &kept->plain, key, out);
	pthread_mutex_unlock(&r->lock);
	if (hit)
		return rc;

	rc = read_block(r, kind, kind == RUN_OBJECTS ? &r->footer->object_block[n] : &r->footer->pack_block[n],
	    &mine.plain);
	if (rc == 0)
		rc = fn(r, &mine.plain, key, out);
	if (rc >= 0) {
		pthread_mutex_lock(&r->lock);
		old = *kept;
		*kept = mine;
		pthread_mutex_unlock(&r->lock);
		mine = old;
	}
	buf_free(&mine.plain);
	return rc;
}

static int search_objects(struct run *r, const struct buf *plain, const void *key, void *out)
{
	struct rd rd = rd_init(plain->data, plain->len);
	struct place place = { 0 };
	struct id id;
	int rc, order;

	while ((rc = run_next_object(&rd, r->segment_size, &id, &place)) > 0) {
		order = id_compare(&id, key);
		if (order > 0)
			return 0;
		if (order == 0) {
			if (place.pack >= r->footer->npacks)
				return run_damaged(r, "a record of an object is malformed");
			*(struct place *)out = place;
			return 1;
		}
	}
	return rc < 0 ? run_damaged(r, "a record of an object is malformed") : 0;
}

static int search_packs(struct run *r, const struct buf *plain, const void *key, void *out)
{
	size_t at = (size_t)(*(const uint32_t *)key % RUN_PACKS_PER_BLOCK) * RUN_PACK_RECORD_LEN;
	struct rd rd;
	struct pack_info info;

	if (at >= plain->len)
		return run_damaged(r, "a pack block is short");
	rd = rd_init(plain->data + at, plain->len - at);
	if (run_next_pack(&rd, &info) <= 0)
		return run_damaged(r, "a record of a pack is malformed");
	*(struct pack_info *)out = info;
	return 1;
}

/* The number of blocks whose first id may be ${id} or below it. */
static uint32_t blocks_up_to(const struct run_footer *f, const struct id *id)
{
	uint32_t lo = 0, hi = f->nobject_blocks, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (memcmp(f->object_block[mid].prefix, id->b, RUN_PREFIX_LEN) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int run_lookup(struct run *r, const struct id *id, struct place *place, struct pack_info *pack)
{
	uint32_t n = blocks_up_to(r->footer, id);
	struct place found = { 0 };
	bool tie;
	int rc = 0;

	/* A block whose first id ties with the prefix of ${id} may begin behind it: then it is in the one before. */
	do {
		if (n == 0)
			return -ENOENT;
		n--;
		rc = search_block(r, RUN_OBJECTS, n, search_objects, id, &found);
		tie = memcmp(r->footer->object_block[n].prefix, id->b, RUN_PREFIX_LEN) == 0;
	} while (rc == 0 && tie);
	if (rc == 0)
		return -ENOENT;
	if (rc > 0)
		rc = search_block(r, RUN_PACKS, found.pack / RUN_PACKS_PER_BLOCK, search_packs, &found.pack, pack);
	if (rc < 0)
		return rc;
	*place = found;
	return 0;
}

static int each_pack_of_block(struct run *r, uint32_t block, const struct buf *plain, run_pack_fn *fn, void *arg)
{
	struct rd rd = rd_init(plain->data, plain->len);
	uint32_t number = block * RUN_PACKS_PER_BLOCK;
	struct pack_info info;
	int rc;

	while ((rc = run_next_pack(&rd, &info)) > 0) {
		rc = fn(arg, number++, &info);
		if (rc != 0)
			return rc;
	}
	return rc < 0 ? run_damaged(r, "a record of a pack is malformed") : 0;
}

int run_each_pack(struct run *r, run_pack_fn *fn, void *arg)
{
	struct buf plain = BUF_INIT;
	int rc = 0;

	for (uint32_t i = 0; i < r->footer->npack_blocks && rc == 0; i++) {
		buf_clear(&plain);
		rc = read_block(r, RUN_PACKS, &r->footer->pack_block[i], &plain);
		if (rc == 0)
			rc = each_pack_of_block(r, i, &plain, fn, arg);
	}
	buf_free(&plain);
	return rc;
}

int run_each_object(struct run *r, run_object_fn *fn, void *arg)
{
	struct run_cursor *c;
	struct place place = { 0 };
	struct id id;
	int rc;

	rc = run_cursor_open(r, WINDOW_LEN, &c);
	if (rc < 0)
		return rc;
	while ((rc = run_cursor_next(c, &id, &place)) > 0) {
		rc = fn(arg, &id, &place);
		if (rc != 0)
			break;
	}
	run_cursor_close(c);
	return rc;
}
