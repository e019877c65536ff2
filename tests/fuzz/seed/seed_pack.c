/*
 * Writes the seed corpora of the fuzz targets pack_table, run_footer, run_objects, run_packs and doomed below the
 * directory given: what a pack's and a run's boxes hold once they are opened, whole, cut, and with one field wrong.
 */
#include <stdio.h>

#include "repo/index/run/run_impl.h"
#include "repo/util/bytes/le.h"
#include "tests/fuzz/seed/seed.h"

/* Put ${b}, then the same without its last byte, and with a bit of its last byte inverted. */
static void put_all(const char *dir, const char *target, const char *name, struct buf *b)
{
	char variant[64];

	seed_put(dir, target, name, b->data, b->len);
	if (b->len == 0)
		return;
	snprintf(variant, sizeof(variant), "%s-changed", name);
	b->data[b->len - 1] ^= 0x40;
	seed_put(dir, target, variant, b->data, b->len);
	b->len--;
	snprintf(variant, sizeof(variant), "%s-cut", name);
	seed_put(dir, target, variant, b->data, b->len);
	buf_clear(b);
}

static void put_id(struct buf *b, unsigned n)
{
	struct id id = { { 0 } };

	le32enc(id.b, n * 0x01010101);
	id.b[ID_LEN - 1] = (uint8_t)n;
	seed_need(buf_append(b, id.b, ID_LEN));
}

static const struct place shared = { .pack = 1, .offset = 96, .len = 700, .box = { 500 }, .shared_len = 900,
	.shared_skip = 100 };
static const struct place own = { .pack = 0, .offset = 5000, .len = 600 * 1024, .nown = 3,
	.box = { 262161, 100000, 18 } };

static void seed_tables(const char *dir)
{
	struct buf b = BUF_INIT;

	seed_need(buf_u8(&b, 8)); /* segments of 256 KiB */
	put_all(dir, "pack_table", "empty", &b);
	seed_need(buf_u8(&b, 8));
	for (unsigned i = 0; i < 4; i++) {
		put_id(&b, i);
		seed_need(place_encode(i % 2 ? &own : &shared, &b));
	}
	put_all(dir, "pack_table", "mixed", &b);
	buf_free(&b);
}

static void seed_objects(const char *dir)
{
	struct buf b = BUF_INIT;

	seed_put(dir, "run_objects", "empty", b.data, b.len);
	for (unsigned i = 0; i < 5; i++) {
		put_id(&b, i);
		seed_need(buf_le32(&b, i));
		seed_need(place_encode(i % 2 ? &own : &shared, &b));
	}
	put_all(dir, "run_objects", "ascending", &b);
	for (unsigned i = 2; i > 0; i--) {
		put_id(&b, i);
		seed_need(buf_le32(&b, 0));
		seed_need(place_encode(&shared, &b));
	}
	put_all(dir, "run_objects", "descending", &b);
	buf_free(&b);
}

static void seed_packs(const char *dir)
{
	uint8_t rest[RUN_PACK_RECORD_LEN - ID_LEN] = { 0 };
	struct buf b = BUF_INIT;

	seed_put(dir, "run_packs", "empty", b.data, b.len);
	for (uint8_t kind = 1; kind <= 3; kind++) {
		put_id(&b, kind);
		rest[0] = kind;
		le32enc(rest + 4, 32u << 20);
		seed_need(buf_append(&b, rest, sizeof(rest)));
		if (kind == 2)
			seed_put(dir, "run_packs", "two", b.data, b.len);
	}
	put_all(dir, "run_packs", "unknown-kind", &b);
	buf_free(&b);
}

static void put_head(struct buf *b, uint32_t objects, uint32_t packs, uint32_t object_blocks, uint32_t pack_blocks,
    uint32_t replaced)
{
	seed_need(buf_le32(b, 1000000)); /* length of the run */
	seed_need(buf_le64(b, objects));
	seed_need(buf_le32(b, packs));
	seed_need(buf_le32(b, object_blocks));
	seed_need(buf_le32(b, pack_blocks));
	seed_need(buf_le32(b, replaced));
}

static void put_object_block(struct buf *b, uint8_t prefix, uint64_t offset)
{
	uint8_t first[RUN_PREFIX_LEN] = { prefix };

	seed_need(buf_append(b, first, sizeof(first)));
	seed_need(buf_le64(b, offset));
	seed_need(buf_le32(b, 65536));
	seed_need(buf_le32(b, 1000));
}

static void put_pack_block(struct buf *b, uint64_t offset, uint32_t packs)
{
	seed_need(buf_le64(b, offset));
	seed_need(buf_le32(b, packs * RUN_PACK_RECORD_LEN + CRYPT_TAG_LEN));
	seed_need(buf_le32(b, packs));
}

static void seed_footers(const char *dir)
{
	struct buf b = BUF_INIT;

	put_head(&b, 0, 0, 0, 0, 0);
	put_all(dir, "run_footer", "empty", &b);
	put_head(&b, 2000, 600, 2, 2, 1);
	put_object_block(&b, 0, 96);
	put_object_block(&b, 128, 96 + 65536);
	put_pack_block(&b, 200000, 512);
	put_pack_block(&b, 300000, 88);
	put_id(&b, 7);
	put_all(dir, "run_footer", "all", &b);
	put_head(&b, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX);
	put_all(dir, "run_footer", "large-counts", &b);
	put_head(&b, 1000, 0, 1, 0, 0);
	put_object_block(&b, 0, UINT64_MAX - 100);
	put_all(dir, "run_footer", "far-offset", &b);
	buf_free(&b);
}

/* As doomed.h has it; nothing can tell without a key that the seal is none. */
static void seed_doomed(const char *dir)
{
	static const uint8_t seal[CRYPT_BLOB_OVERHEAD], zero[40];
	struct buf b = BUF_INIT;

	for (unsigned stage = 1; stage <= 4; stage++) {
		const char *const names[] = { "doomed", "spent", "needed", "newer" };

		seed_need(buf_append(&b, "VARVEDM1", 8));
		seed_need(buf_le32(&b, stage));
		seed_need(buf_le32(&b, 86400));
		seed_need(buf_append(&b, zero, sizeof(zero)));
		seed_need(buf_le32(&b, 2));
		seed_need(buf_le32(&b, 0));
		put_id(&b, 1);
		put_id(&b, 2);
		seed_need(buf_append(&b, seal, sizeof(seal)));
		put_all(dir, "doomed", names[stage - 1], &b);
	}
	buf_free(&b);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: seed_pack DIRECTORY\n");
		return 2;
	}
	seed_tables(argv[1]);
	seed_objects(argv[1]);
	seed_packs(argv[1]);
	seed_footers(argv[1]);
	seed_doomed(argv[1]);
	return 0;
}
