/*
 * Parsers of the opened boxes of an index run: footer, object blocks, pack blocks.  See run.h for their form.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/run/run_impl.h"
#include "repo/util/bytes/le.h"

static int check_block(const struct run_block *b, uint64_t run_len)
{
	if (b->box <= CRYPT_TAG_LEN || b->box > RUN_BLOCK_MAX + CRYPT_TAG_LEN || b->nrecords == 0 ||
	    b->offset < RUN_FIXED_LEN || b->offset > run_len || b->box > run_len - b->offset)
		return -EBADMSG;
	return 0;
}

static int parse_object_blocks(struct rd *r, uint64_t run_len, struct run_footer *f)
{
	uint64_t nobjects = 0;
	const uint8_t *p;
	int rc;

	for (uint32_t i = 0; i < f->nobject_blocks; i++) {
		struct run_block *b = &f->object_block[i];

		rc = rd_take(r, RUN_OBJECT_BLOCK_ENTRY_LEN, &p);
		if (rc < 0)
			return rc;
		memcpy(b->prefix, p, RUN_PREFIX_LEN);
		b->offset = le64dec(p + 16);
		b->box = le32dec(p + 24);
		b->nrecords = le32dec(p + 28);
		nobjects += b->nrecords;
		if (i > 0 && memcmp(b->prefix, b[-1].prefix, RUN_PREFIX_LEN) < 0)
			return -EBADMSG;
		rc = check_block(b, run_len);
		if (rc < 0)
			return rc;
	}
	return nobjects == f->nobjects ? 0 : -EBADMSG;
}

static int parse_pack_blocks(struct rd *r, uint64_t run_len, struct run_footer *f)
{
	uint32_t left = f->npacks, want;
	const uint8_t *p;
	int rc;

	for (uint32_t i = 0; i < f->npack_blocks; i++, left -= want) {
		struct run_block *b = &f->pack_block[i];

		rc = rd_take(r, RUN_PACK_BLOCK_ENTRY_LEN, &p);
		if (rc < 0)
			return rc;
		b->offset = le64dec(p);
		b->box = le32dec(p + 8);
		b->nrecords = le32dec(p + 12);
		want = left < RUN_PACKS_PER_BLOCK ? left : RUN_PACKS_PER_BLOCK;
		rc = check_block(b, run_len);
		if (rc < 0)
			return rc;
		if (b->nrecords != want || b->box != want * RUN_PACK_RECORD_LEN + CRYPT_TAG_LEN)
			return -EBADMSG;
	}
	return left == 0 ? 0 : -EBADMSG;
}

static int parse_replaced(struct rd *r, struct run_footer *f)
{
	const uint8_t *p;
	int rc;

	for (uint32_t i = 0; i < f->nreplaced; i++) {
		rc = rd_take(r, ID_LEN, &p);
		if (rc < 0)
			return rc;
		memcpy(f->replaced[i].b, p, ID_LEN);
	}
	return r->len == 0 ? 0 : -EBADMSG;
}

/* The counts are bounded by the footer's own length before anything is allocated for them. */
static int parse_head(struct rd *r, struct run_footer *f)
{
	uint64_t need;
	int rc;

	if ((rc = rd_le64(r, &f->nobjects)) < 0 || (rc = rd_le32(r, &f->npacks)) < 0 ||
	    (rc = rd_le32(r, &f->nobject_blocks)) < 0 || (rc = rd_le32(r, &f->npack_blocks)) < 0 ||
	    (rc = rd_le32(r, &f->nreplaced)) < 0)
		return rc;
	need = (uint64_t)f->nobject_blocks * RUN_OBJECT_BLOCK_ENTRY_LEN +
	    (uint64_t)f->npack_blocks * RUN_PACK_BLOCK_ENTRY_LEN + (uint64_t)f->nreplaced * ID_LEN;
	if (need != r->len)
		return -EBADMSG;
	f->object_block = calloc(f->nobject_blocks + (size_t)1, sizeof(*f->object_block));
	f->pack_block = calloc(f->npack_blocks + (size_t)1, sizeof(*f->pack_block));
	f->replaced = calloc(f->nreplaced + (size_t)1, sizeof(*f->replaced));
	return f->object_block && f->pack_block && f->replaced ? 0 : -ENOMEM;
}

int run_parse_footer(const void *data, size_t len, uint64_t run_len, struct run_footer **out)
{
	struct rd r = rd_init(data, len);
	struct run_footer *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return -ENOMEM;
	rc = parse_head(&r, f);
	if (rc == 0)
		rc = parse_object_blocks(&r, run_len, f);
	if (rc == 0)
		rc = parse_pack_blocks(&r, run_len, f);
	if (rc == 0)
		rc = parse_replaced(&r, f);
	if (rc == 0)
		*out = f;
	else
		run_footer_free(f);
	return rc;
}

void run_footer_free(struct run_footer *f)
{
	if (!f)
		return;
	free(f->object_block);
	free(f->pack_block);
	free(f->replaced);
	free(f);
}

int run_next_object(struct rd *r, uint32_t segment_size, struct id *id, struct place *place)
{
	const uint8_t *p;
	int rc;

	if (r->len == 0)
		return 0;
	if ((rc = rd_take(r, ID_LEN, &p)) < 0 || (rc = rd_le32(r, &place->pack)) < 0 ||
	    (rc = place_decode(r, segment_size, place)) < 0)
		return rc;
	memcpy(id->b, p, ID_LEN);
	return 1;
}

int run_parse_objects(const void *data, size_t len, uint32_t segment_size, run_object_fn *fn, void *arg)
{
	struct rd r = rd_init(data, len);
	struct place place = { 0 };
	struct id id, last;
	bool first = true;
	int rc;

	while ((rc = run_next_object(&r, segment_size, &id, &place)) > 0) {
		if (!first && id_compare(&id, &last) <= 0)
			return -EBADMSG;
		first = false;
		last = id;
		rc = fn(arg, &id, &place);
		if (rc != 0)
			return rc;
	}
	return rc;
}

int run_next_pack(struct rd *r, struct pack_info *out)
{
	const uint8_t *p;
	int rc;

	if (r->len == 0)
		return 0;
	rc = rd_take(r, RUN_PACK_RECORD_LEN, &p);
	if (rc < 0)
		return rc;
	if ((p[32] != PACK_DATA && p[32] != PACK_TREE) || (p[33] | p[34] | p[35]) != 0)
		return -EBADMSG;
	memcpy(out->id.b, p, ID_LEN);
	out->kind = p[32] == PACK_DATA ? PACK_DATA : PACK_TREE;
	out->size = le32dec(p + 36);
	memcpy(out->wrapped, p + 40, sizeof(out->wrapped));
	return 1;
}

int run_parse_packs(const void *data, size_t len, uint32_t first, run_pack_fn *fn, void *arg)
{
	struct rd r = rd_init(data, len);
	struct pack_info info;
	int rc;

	for (uint32_t number = first; (rc = run_next_pack(&r, &info)) > 0; number++) {
		rc = fn(arg, number, &info);
		if (rc != 0)
			return rc;
	}
	return rc;
}
