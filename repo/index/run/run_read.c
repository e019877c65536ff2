/*
 * Reading index runs: looking up one object, going through all.
 *
 * A lookup keeps the block that it opened last of each kind, opened: neighbours in a directory are not neighbours by
 * id, but a small run has one block only, and packs are few.
 *
 * Locking: ${lock} guards the two kept blocks and the tail; it is not held while the store is read.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/run/run_cursor.h"
#include "repo/index/run/run_impl.h"
#include "repo/util/bytes/le.h"

#define WINDOW_LEN (4u * 1024 * 1024) /* of run_each_object() */

void run_box_ad(enum run_box kind, uint64_t offset, uint8_t out[RUN_BOX_AD_LEN])
{
	memset(out, 0, RUN_FIXED_LEN);
	memcpy(out, RUN_MAGIC, RUN_MAGIC_LEN);
	out[RUN_FIXED_LEN] = (uint8_t)kind;
	le64enc(out + RUN_FIXED_LEN + 1, offset);
}

int run_damaged(const struct run *r, const char *what)
{
	log_error(r->how.log, "%s: %s: %s", r->name, what, ERR(-EBADMSG));
	return -EBADMSG;
}

int run_get(struct run *r, uint64_t off, size_t len, void *out)
{
	bool have;

	pthread_mutex_lock(&r->lock);
	have = r->tail.len == r->size && len <= r->size && off <= r->size - len;
	if (have)
		memcpy(out, r->tail.data + off, len);
	pthread_mutex_unlock(&r->lock);
	return have ? 0 : store_get_in(r->how.store, r->name, r->size, off, len, out);
}

int run_open_box(struct run *r, enum run_box kind, const struct run_block *b, const uint8_t *box, uint8_t *out)
{
	uint8_t ad[RUN_BOX_AD_LEN];
	int rc;

	run_box_ad(kind, b->offset, ad);
	rc = crypt_open(r->how.metadata->cipher, &r->key, b->offset, ad, sizeof(ad), box, b->box, out);
	/* Where another copy may be good, ask once more. */
	if (rc == -EBADMSG && store_distrust(r->how.store, r->name, b->offset, b->box) == 0) {
		rc = store_get_in(r->how.store, r->name, r->size, b->offset, b->box, out);
		if (rc < 0)
			return rc;
		rc = crypt_open(r->how.metadata->cipher, &r->key, b->offset, ad, sizeof(ad), out, b->box, out);
	}
	return rc == -EBADMSG ? run_damaged(r, kind == RUN_OBJECTS ? "an object block" : "a pack block") : rc;
}

const struct run_footer *run_footer_of(const struct run *r)
{
	return r->footer;
}

uint32_t run_segment_size(const struct run *r)
{
	return r->how.segment_size;
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
	struct run_kept_block *kept = kind == RUN_OBJECTS ? &r->objects : &r->packs;
	struct run_kept_block mine = { n, BUF_INIT }, old;
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

	while ((rc = run_next_object(&rd, r->how.segment_size, &id, &place)) > 0) {
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
		return rc == -ENOENT ? -ESTALE : rc;
	*place = found;
	return 0;
}

int run_packs_from(struct run *r, uint32_t number, unsigned n, struct pack_info *out)
{
	uint32_t end = (number / RUN_PACKS_PER_BLOCK + 1) * RUN_PACKS_PER_BLOCK;
	unsigned got = 0;
	int rc = 0;

	if (end > r->footer->npacks)
		end = r->footer->npacks;
	for (; number < end && got < n && rc >= 0; number++) {
		rc = search_block(r, RUN_PACKS, number / RUN_PACKS_PER_BLOCK, search_packs, &number, &out[got]);
		got += rc > 0;
	}
	return rc < 0 ? rc : (int)got;
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
