/*
 * Writing a pack: boxes go to the store as they come, the table is gathered in memory.
 *
 * Invariants: ${len} counts the bytes that the store and the hash have taken.  After the first failure nothing more is
 * written, and a commit returns that failure.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/pack/pack_impl.h"
#include "repo/util/bytes/le.h"

/* Up to here boxes may reach, so that the longest table and the trailer still have 32-bit offsets. */
#define BOXES_END ((uint64_t)UINT32_MAX - PACK_TABLE_MAX - CRYPT_BLOB_OVERHEAD - PACK_TRAILER_LEN)

struct pack_writer {
	struct hasher hash;
	struct store_put *put;
	const struct seal_domain *domain, *metadata;
	struct aead_key key;
	enum pack_kind kind;
	uint8_t header[PACK_HEADER_LEN];
	uint64_t len;
	struct buf table;
	int rc; /* of the first write that failed */
};

static int write_bytes(struct pack_writer *w, const void *data, size_t len)
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

static struct pack_writer *new_writer(void)
{
	size_t align = _Alignof(struct pack_writer);
	struct pack_writer *w = aligned_alloc(align, (sizeof(*w) + align - 1) / align * align);

	if (w)
		memset(w, 0, sizeof(*w));
	return w;
}

static void free_writer(struct pack_writer *w)
{
	crypt_wipe(&w->key, sizeof(w->key));
	buf_free(&w->table);
	free(w);
}

int pack_begin(struct store *store, enum pack_kind kind, const struct seal_domain *domain,
    const struct seal_domain *metadata, struct pack_writer **out)
{
	struct pack_writer *w;
	int rc;

	if (!domain->can_seal || !metadata->can_seal)
		return -EACCES;
	w = new_writer();
	if (!w)
		return -ENOMEM;
	w->kind = kind;
	w->domain = domain;
	w->metadata = metadata;
	rc = store_put_begin(store, &w->put);
	if (rc < 0)
		goto fail;
	if (kind == PACK_TREE)
		store_put_keep(w->put);
	hasher_init(&w->hash);
	pack_fixed(kind, domain->cipher, w->header);
	seal_new_key(domain, &w->key, w->header + PACK_FIXED_LEN);
	rc = write_bytes(w, w->header, sizeof(w->header));
	if (rc < 0)
		goto fail;
	*out = w;
	return 0;
fail:
	store_put_abort(w->put);
	free_writer(w);
	return rc;
}

int pack_append(struct pack_writer *w, uint8_t *segment, size_t len, uint32_t *offset, uint32_t *box)
{
	uint8_t ad[PACK_BOX_AD_LEN];
	uint64_t at = w->len;
	int rc;

	if (len > BOXES_END - CRYPT_TAG_LEN || at > BOXES_END - CRYPT_TAG_LEN - len)
		return -EFBIG;
	pack_box_ad(w->header, at, ad);
	crypt_seal(w->domain->cipher, &w->key, at, ad, sizeof(ad), segment, len, segment);
	rc = write_bytes(w, segment, len + CRYPT_TAG_LEN);
	if (rc == 0) {
		*offset = (uint32_t)at;
		*box = (uint32_t)(len + CRYPT_TAG_LEN);
	}
	return rc;
}

int pack_enter(struct pack_writer *w, const struct id *id, const struct place *place)
{
	int rc;

	if (w->table.len > PACK_TABLE_MAX - ID_LEN - PLACE_RECORD_MAX)
		return -EFBIG;
	rc = buf_reserve(&w->table, ID_LEN + PLACE_RECORD_MAX);
	if (rc < 0)
		return rc;
	rc = buf_append(&w->table, id->b, ID_LEN);
	return rc < 0 ? rc : place_encode(place, &w->table);
}

uint64_t pack_length(const struct pack_writer *w)
{
	return w->len;
}

static int write_table(struct pack_writer *w)
{
	uint8_t ad[PACK_TABLE_AD_LEN], trailer[PACK_TRAILER_LEN];
	size_t len = w->table.len + CRYPT_BLOB_OVERHEAD;
	uint8_t *blob = malloc(len);
	int rc;

	if (!blob)
		return -ENOMEM;
	pack_table_ad(w->header, ad);
	seal_blob(w->metadata, ad, sizeof(ad), w->table.data, w->table.len, blob);
	le32enc(trailer, (uint32_t)w->len);
	le32enc(trailer + 4, (uint32_t)len);
	memcpy(trailer + 8, PACK_END_MAGIC, 8);
	rc = write_bytes(w, blob, len);
	if (rc == 0)
		rc = write_bytes(w, trailer, sizeof(trailer));
	free(blob);
	return rc;
}

int pack_commit(struct pack_writer *w, struct pack_info *out)
{
	char name[PACK_NAME_SIZE];
	struct pack_info info;
	int rc;

	rc = write_table(w);
	if (rc < 0) {
		pack_abort(w);
		return rc;
	}
	info.kind = w->kind;
	info.size = (uint32_t)w->len;
	memcpy(info.wrapped, w->header + PACK_FIXED_LEN, sizeof(info.wrapped));
	hasher_final(&w->hash, &info.id);
	rc = store_put_commit(w->put, pack_name(info.kind, &info.id, name), 0);
	if (rc == 0)
		*out = info;
	free_writer(w);
	return rc;
}

void pack_abort(struct pack_writer *w)
{
	if (!w)
		return;
	store_put_abort(w->put);
	free_writer(w);
}
