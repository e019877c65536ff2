/*
 * Writing an index run: blocks go to the store as they are full; what grows in memory is the footer.
 *
 * Invariants: ${len} counts the bytes that the store and the hash have taken.  After the first failure nothing more is
 * written, and a commit returns that failure.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/run/run_impl.h"
#include "repo/util/bytes/le.h"

struct run_writer {
	struct hasher hash;
	struct store_put *put;
	const struct seal_domain *metadata;
	struct aead_key key;
	uint8_t wrapped[CRYPT_WRAPPED_LEN];
	uint64_t len;
	uint64_t nobjects;
	uint32_t npacks;
	struct id first, last;      /* of the object block that is open; of all objects */
	uint32_t nrecords, npending; /* in the object block that is open; in the pack block */
	struct buf objects, packs;   /* the open blocks */
	struct buf object_blocks, pack_blocks, replaced; /* parts of the footer */
	int rc; /* of the first write that failed */
};

char *run_name(const struct id *id, char out[RUN_NAME_SIZE])
{
	char hex[ID_HEX_SIZE];

	snprintf(out, RUN_NAME_SIZE, "index/%s", id_hex(id, hex));
	return out;
}

static int write_bytes(struct run_writer *w, const void *data, size_t len)
{
	if (w->rc < 0)
		return w->rc;
	w->rc = store_put_append(w->put, data, len);
	if (w->rc == 0) {
		hasher_update(&w->hash, data, len);
		w->len += len;
	}
	return w->rc;
}

/* Seal what ${b} holds, write it, and empty ${b}. */
static int write_box(struct run_writer *w, enum run_box kind, struct buf *b)
{
	uint8_t ad[RUN_BOX_AD_LEN];
	int rc;

	if (w->rc < 0)
		return w->rc;
	rc = buf_reserve(b, CRYPT_TAG_LEN);
	if (rc < 0)
		return w->rc = rc;
	run_box_ad(kind, w->len, ad);
	crypt_seal(w->metadata->cipher, &w->key, w->len, ad, sizeof(ad), b->data, b->len, b->data);
	rc = write_bytes(w, b->data, b->len + CRYPT_TAG_LEN);
	buf_clear(b);
	return rc;
}

static int begin(struct store *store, const struct seal_domain *metadata, bool keep, struct run_writer **out)
{
	size_t align = _Alignof(struct run_writer);
	uint8_t fixed[RUN_FIXED_LEN] = RUN_MAGIC;
	struct run_writer *w;
	int rc;

	if (!metadata->can_seal)
		return -EACCES;
	w = aligned_alloc(align, (sizeof(*w) + align - 1) / align * align);
	if (!w)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	w->metadata = metadata;
	rc = store_put_begin(store, &w->put);
	if (rc == 0) {
		if (keep)
			store_put_keep(w->put);
		hasher_init(&w->hash);
		seal_new_key(metadata, &w->key, w->wrapped);
		rc = write_bytes(w, fixed, sizeof(fixed));
	}
	if (rc == 0)
		*out = w;
	else
		run_abort(w);
	return rc;
}

int run_begin(struct store *store, const struct seal_domain *metadata, struct run_writer **out)
{
	return begin(store, metadata, false, out);
}

int run_begin_kept(struct store *store, const struct seal_domain *metadata, struct run_writer **out)
{
	return begin(store, metadata, true, out);
}

static int flush_packs(struct run_writer *w)
{
	uint8_t entry[RUN_PACK_BLOCK_ENTRY_LEN];
	int rc;

	if (w->npending == 0)
		return 0;
	le64enc(entry, w->len);
	le32enc(entry + 8, (uint32_t)w->packs.len + CRYPT_TAG_LEN);
	le32enc(entry + 12, w->npending);
	rc = write_box(w, RUN_PACKS, &w->packs);
	if (rc == 0)
		rc = w->rc = buf_append(&w->pack_blocks, entry, sizeof(entry));
	w->npending = 0;
	return rc;
}

static int flush_objects(struct run_writer *w)
{
	uint8_t entry[RUN_OBJECT_BLOCK_ENTRY_LEN];
	int rc;

	if (w->nrecords == 0)
		return 0;
	memcpy(entry, w->first.b, RUN_PREFIX_LEN);
	le64enc(entry + 16, w->len);
	le32enc(entry + 24, (uint32_t)w->objects.len + CRYPT_TAG_LEN);
	le32enc(entry + 28, w->nrecords);
	rc = write_box(w, RUN_OBJECTS, &w->objects);
	if (rc == 0)
		rc = w->rc = buf_append(&w->object_blocks, entry, sizeof(entry));
	w->nrecords = 0;
	return rc;
}

int run_add_pack(struct run_writer *w, const struct pack_info *info, uint32_t *number)
{
	uint8_t rec[RUN_PACK_RECORD_LEN] = { 0 };
	int rc;

	memcpy(rec, info->id.b, ID_LEN);
	rec[32] = (uint8_t)info->kind;
	le32enc(rec + 36, info->size);
	memcpy(rec + 40, info->wrapped, sizeof(info->wrapped));
	rc = w->rc < 0 ? w->rc : buf_append(&w->packs, rec, sizeof(rec));
	if (rc == 0 && ++w->npending == RUN_PACKS_PER_BLOCK)
		rc = flush_packs(w);
	if (rc == 0)
		*number = w->npacks++;
	return rc;
}

int run_add(struct run_writer *w, const struct id *id, const struct place *place)
{
	int rc;

	if (place->pack >= w->npacks || (w->nobjects > 0 && id_compare(id, &w->last) <= 0))
		return -EINVAL;
	rc = w->rc < 0 ? w->rc : buf_reserve(&w->objects, ID_LEN + 4 + PLACE_RECORD_MAX);
	if (rc < 0)
		return rc;
	buf_append(&w->objects, id->b, ID_LEN);
	buf_le32(&w->objects, place->pack);
	place_encode(place, &w->objects);
	if (w->nrecords++ == 0)
		w->first = *id;
	w->last = *id;
	w->nobjects++;
	return w->objects.len >= RUN_BLOCK_LEN ? flush_objects(w) : 0;
}

int run_replaces(struct run_writer *w, const struct id *id)
{
	return buf_append(&w->replaced, id->b, ID_LEN);
}

static int write_footer(struct run_writer *w)
{
	uint8_t trailer[RUN_TRAILER_LEN];
	struct buf b = BUF_INIT;
	size_t len = RUN_FOOTER_HEAD_LEN + w->object_blocks.len + w->pack_blocks.len + w->replaced.len;
	int rc;

	if (len > RUN_FOOTER_MAX)
		return -EFBIG;
	rc = buf_reserve(&b, len + CRYPT_TAG_LEN);
	if (rc < 0)
		return rc;
	buf_le64(&b, w->nobjects);
	buf_le32(&b, w->npacks);
	buf_le32(&b, (uint32_t)(w->object_blocks.len / RUN_OBJECT_BLOCK_ENTRY_LEN));
	buf_le32(&b, (uint32_t)(w->pack_blocks.len / RUN_PACK_BLOCK_ENTRY_LEN));
	buf_le32(&b, (uint32_t)(w->replaced.len / ID_LEN));
	buf_append(&b, w->object_blocks.data, w->object_blocks.len);
	buf_append(&b, w->pack_blocks.data, w->pack_blocks.len);
	buf_append(&b, w->replaced.data, w->replaced.len);
	memcpy(trailer, w->wrapped, CRYPT_WRAPPED_LEN);
	le64enc(trailer + CRYPT_WRAPPED_LEN, w->len);
	le32enc(trailer + CRYPT_WRAPPED_LEN + 8, (uint32_t)b.len + CRYPT_TAG_LEN);
	memcpy(trailer + CRYPT_WRAPPED_LEN + 12, RUN_END_MAGIC, 4);
	rc = write_box(w, RUN_FOOTER, &b);
	if (rc == 0)
		rc = write_bytes(w, trailer, sizeof(trailer));
	buf_free(&b);
	return rc;
}

static void free_writer(struct run_writer *w)
{
	crypt_wipe(&w->key, sizeof(w->key));
	buf_free(&w->objects);
	buf_free(&w->packs);
	buf_free(&w->object_blocks);
	buf_free(&w->pack_blocks);
	buf_free(&w->replaced);
	free(w);
}

int run_commit(struct run_writer *w, struct id *id, uint64_t *size)
{
	char name[RUN_NAME_SIZE];
	struct id hash;
	int rc;

	if ((rc = w->rc) < 0 || (rc = flush_packs(w)) < 0 || (rc = flush_objects(w)) < 0 ||
	    (rc = write_footer(w)) < 0) {
		run_abort(w);
		return rc;
	}
	hasher_final(&w->hash, &hash);
	rc = store_put_commit(w->put, run_name(&hash, name), 0);
	if (rc == 0)
		*id = hash;
	if (rc == 0 && size != NULL)
		*size = w->len;
	free_writer(w);
	return rc;
}

void run_abort(struct run_writer *w)
{
	if (!w)
		return;
	store_put_abort(w->put);
	free_writer(w);
}
