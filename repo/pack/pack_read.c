/*
 * Reading packs: a segment, the table, and the hash of the whole.
 *
 * Nothing of a pack is believed before the box that holds it was opened; the trailer only says where to look for one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/pack/pack_impl.h"
#include "repo/util/bytes/le.h"

#define TAIL_LEN (64u * 1024)        /* read at first: holds many tables, and small packs as a whole */
#define KNOWN_TAIL_LEN (256u * 1024) /* where there is nothing else to read: holds nearly all */
#define PIECE_LEN (1024u * 1024)     /* of pack_verify() */
#define PACK_MIN (PACK_HEADER_LEN + CRYPT_BLOB_OVERHEAD + PACK_TRAILER_LEN)

int pack_open_segment(enum cipher cipher, enum pack_kind kind, const struct aead_key *key, uint32_t offset,
    const uint8_t *box, size_t len, uint8_t *out)
{
	uint8_t fixed[PACK_FIXED_LEN], ad[PACK_BOX_AD_LEN];

	pack_fixed(kind, cipher, fixed);
	pack_box_ad(fixed, offset, ad);
	return crypt_open(cipher, key, offset, ad, sizeof(ad), box, len, out);
}

/* A pack whose table is being read. */
struct table_read {
	struct store *store;
	const char *name;
	uint64_t size;
	uint64_t tail_at; /* ${tail} is the pack's bytes from here on */
	struct buf tail;
	uint8_t header[PACK_HEADER_LEN];
	uint32_t table_at, table_len;
	struct buf table; /* opened */
	pack_table_fn *fn;
	void *arg;
	int stopped; /* what ${fn} returned when it ended the reading */
};

/* Copy ${len} bytes at ${off}, which are within the pack; what is before the tail is fetched. */
static int read_part(struct table_read *t, uint64_t off, size_t len, uint8_t *out)
{
	size_t before = off >= t->tail_at ? 0 : t->tail_at - off < len ? (size_t)(t->tail_at - off) : len;

	if (before < len)
		memcpy(out + before, t->tail.data + (off + before - t->tail_at), len - before);
	return before > 0 ? store_get_in(t->store, t->name, t->size, off, before, out) : 0;
}

/* The tail, of ${max} bytes or all; what the size is, unless that is known. */
static int read_tail(struct table_read *t, size_t max)
{
	size_t len;
	int rc = 0;

	if (t->size == 0)
		rc = store_stat(t->store, t->name, &t->size);
	if (rc < 0)
		return rc;
	if (t->size < PACK_MIN || t->size > UINT32_MAX)
		return -EBADMSG;
	len = t->size < max ? (size_t)t->size : max;
	rc = buf_reserve(&t->tail, len);
	if (rc < 0)
		return rc;
	t->tail_at = t->size - len;
	rc = store_get_in(t->store, t->name, t->size, t->tail_at, len, t->tail.data);
	if (rc < 0)
		return rc;
	t->tail.len = len;
	return 0;
}

static int read_ends(struct table_read *t)
{
	int rc = read_tail(t, TAIL_LEN);

	return rc < 0 ? rc : read_part(t, 0, sizeof(t->header), t->header);
}

/* Another digit at the end of the magic is another format; anything else is no pack. */
static int check_magic(const uint8_t *header)
{
	if (memcmp(header, PACK_MAGIC, PACK_MAGIC_LEN) == 0)
		return 0;
	if (memcmp(header, PACK_MAGIC, PACK_MAGIC_LEN - 1) == 0 && header[7] > '1' && header[7] <= '9')
		return -EPROTONOSUPPORT;
	return -EBADMSG;
}

static int find_table(struct table_read *t)
{
	const uint8_t *end = t->tail.data + t->tail.len - PACK_TRAILER_LEN;

	t->table_at = le32dec(end);
	t->table_len = le32dec(end + 4);
	if (memcmp(end + 8, PACK_END_MAGIC, 8) != 0 || t->table_at < PACK_HEADER_LEN ||
	    t->table_len < CRYPT_BLOB_OVERHEAD || t->table_len > PACK_TABLE_MAX + CRYPT_BLOB_OVERHEAD ||
	    (uint64_t)t->table_at + t->table_len + PACK_TRAILER_LEN != t->size)
		return -EBADMSG;
	return 0;
}

static int open_table(struct table_read *t, const struct seal_domain *metadata)
{
	uint8_t ad[PACK_TABLE_AD_LEN];
	struct buf blob = BUF_INIT;
	int rc;

	rc = buf_reserve(&blob, t->table_len);
	if (rc == 0)
		rc = buf_reserve(&t->table, t->table_len);
	if (rc == 0)
		rc = read_part(t, t->table_at, t->table_len, blob.data);
	if (rc < 0)
		goto out;
	pack_table_ad(t->header, ad);
	rc = seal_open_blob(metadata, ad, sizeof(ad), blob.data, t->table_len, t->table.data);
	if (rc == 0)
		t->table.len = t->table_len - CRYPT_BLOB_OVERHEAD;
out:
	buf_free(&blob);
	return rc;
}

/* The header is authentic by now: what is unknown in it is of a newer version, not damage. */
static int check_header(const struct table_read *t, enum pack_kind kind)
{
	static const uint8_t zero[6];
	const uint8_t *h = t->header;

	if (h[8] == 0 || h[8] > PACK_TREE || crypt_cipher_name((enum cipher)h[9]) == NULL ||
	    memcmp(h + 10, zero, sizeof(zero)) != 0)
		return -EPROTONOSUPPORT;
	return h[8] == (uint8_t)kind ? 0 : -EBADMSG;
}

static int check_place(void *arg, const struct id *id, const struct place *place)
{
	struct table_read *t = arg;
	uint64_t end = place->offset;

	for (unsigned i = 0; i < place_nsegments(place); i++)
		end += place->box[i];
	if (place->offset < PACK_HEADER_LEN || end > t->table_at)
		return -EBADMSG;
	t->stopped = t->fn(t->arg, id, place);
	return t->stopped;
}

static int read_table_once(struct table_read *t, const struct seal_domain *metadata)
{
	int rc;

	buf_clear(&t->tail);
	if ((rc = read_ends(t)) < 0 || (rc = check_magic(t->header)) < 0 || (rc = find_table(t)) < 0)
		return rc;
	return open_table(t, metadata);
}

/* Where another copy may be good, ask once more for what does not open. */
static int read_table(struct table_read *t, enum pack_kind kind, const struct seal_domain *metadata)
{
	int rc = read_table_once(t, metadata), again;

	if (rc == -EBADMSG && t->tail.len > 0) {
		again = store_distrust(t->store, t->name, 0, sizeof(t->header));
		if (store_distrust(t->store, t->name, t->tail_at, t->tail.len) == 0 || again == 0)
			rc = read_table_once(t, metadata);
	}
	return rc < 0 ? rc : check_header(t, kind);
}

static int parse_table(struct table_read *t, uint32_t segment_size)
{
	int rc = pack_parse_table(t->table.data, t->table.len, segment_size, check_place, t);

	if (rc == -EBADMSG && t->stopped == 0)
		log_error(store_log(t->store), "%s: table: a record is malformed", t->name);
	return rc;
}

int pack_read_table(struct store *store, enum pack_kind kind, const struct id *id, const struct seal_domain *metadata,
    uint32_t segment_size, struct pack_info *info, pack_table_fn *fn, void *arg)
{
	char name[PACK_NAME_SIZE];
	struct table_read t = { .store = store, .name = pack_name(kind, id, name), .fn = fn, .arg = arg };
	int rc;

	if (!metadata->can_open)
		return -EACCES;
	rc = read_table(&t, kind, metadata);
	if (rc == -EBADMSG || rc == -EPROTONOSUPPORT)
		log_error(store_log(store), "%s: table: %s", name, ERR(rc));
	if (rc < 0)
		goto out;
	info->id = *id;
	info->kind = kind;
	info->size = (uint32_t)t.size;
	memcpy(info->wrapped, t.header + PACK_FIXED_LEN, sizeof(info->wrapped));
	rc = parse_table(&t, segment_size);
out:
	buf_free(&t.tail);
	buf_free(&t.table);
	return rc;
}

int pack_read_known_table(struct store *store, struct pack_info *info, const struct seal_domain *metadata,
    uint32_t segment_size, pack_table_fn *fn, void *arg)
{
	char name[PACK_NAME_SIZE];
	struct table_read t = { .store = store, .name = pack_name(info->kind, &info->id, name), .size = info->size,
		.fn = fn, .arg = arg };
	int rc;

	if (!metadata->can_open)
		return -EACCES;
	/* The header as it must be, and as the table is bound to it. */
	pack_fixed(info->kind, metadata->cipher, t.header);
	memcpy(t.header + PACK_FIXED_LEN, info->wrapped, sizeof(info->wrapped));
	if ((rc = read_tail(&t, KNOWN_TAIL_LEN)) == 0 && (rc = find_table(&t)) == 0)
		rc = open_table(&t, metadata);
	if (rc == -EBADMSG)
		log_error(store_log(store), "%s: table: %s", name, ERR(rc));
	if (rc == 0) {
		info->size = (uint32_t)t.size;
		rc = parse_table(&t, segment_size);
	}
	buf_free(&t.tail);
	buf_free(&t.table);
	return rc;
}

static int hash_object(struct store *store, const char *name, uint64_t size, uint8_t *piece, struct id *out)
{
	struct hasher h;
	size_t n;
	int rc;

	hasher_init(&h);
	for (uint64_t at = 0; at < size; at += n) {
		n = size - at < PIECE_LEN ? (size_t)(size - at) : PIECE_LEN;
		rc = store_get(store, name, at, n, piece);
		if (rc < 0)
			return rc;
		hasher_update(&h, piece, n);
	}
	hasher_final(&h, out);
	return 0;
}

int pack_verify(struct store *store, enum pack_kind kind, const struct id *id)
{
	char name[PACK_NAME_SIZE];
	uint8_t *piece = NULL;
	struct id found;
	uint64_t size;
	int rc;

	rc = store_stat(store, pack_name(kind, id, name), &size);
	if (rc < 0)
		return rc;
	if (size > UINT32_MAX) {
		log_error(store_log(store), "%s: larger than a pack can be", name);
		return -EBADMSG;
	}
	piece = malloc(PIECE_LEN);
	if (!piece)
		return -ENOMEM;
	rc = hash_object(store, name, size, piece, &found);
	if (rc == 0 && !id_equal(&found, id)) {
		log_error(store_log(store), "%s: its bytes do not hash to its name", name);
		rc = -EBADMSG;
	}
	free(piece);
	return rc;
}
