/*
 * config.h: comes back as it went in, to the byte of the second implementation; any change is refused; newer versions
 * and fields are told from damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/crypt/config.h"
#include "repo/util/bytes/le.h"
#include "repo/util/bytes/tlv.h"
#include "tests/unit/crypt/crypt_vectors.h"

#define HEADER_LEN 16
#define SIG_LEN 64

/* The config of the vectors, and its owner's secret. */
static void make(struct config *c, struct sign_secret *owner)
{
	struct box_secret sk;

	memset(c, 0, sizeof(*c));
	memset(owner, 0x55, sizeof(*owner));
	c->version = FORMAT_VERSION;
	for (size_t i = 0; i < sizeof(c->repo_id); i++)
		c->repo_id[i] = (uint8_t)i;
	c->cipher = CIPHER_XCHACHA20_POLY1305;
	crypt_sign_public(owner, &c->owner);
	memset(&sk, 0x22, sizeof(sk));
	crypt_box_public(&sk, &c->metadata);
	memset(&sk, 0x33, sizeof(sk));
	crypt_box_public(&sk, &c->data);
	c->created_ns = INT64_C(1700000000000000000);
	c->chunk_avg = CHUNK_AVG_DEFAULT;
	c->segment_size = SEGMENT_SIZE_DEFAULT;
	c->pack_size = PACK_SIZE_DEFAULT;
}

static void assert_same(const struct config *a, const struct config *b)
{
	assert_int_equal(a->version, b->version);
	assert_memory_equal(a->repo_id, b->repo_id, sizeof(a->repo_id));
	assert_int_equal(a->cipher, b->cipher);
	assert_memory_equal(&a->owner, &b->owner, sizeof(a->owner));
	assert_memory_equal(&a->metadata, &b->metadata, sizeof(a->metadata));
	assert_memory_equal(&a->data, &b->data, sizeof(a->data));
	assert_int_equal(a->created_ns, b->created_ns);
	assert_int_equal(a->chunk_avg, b->chunk_avg);
	assert_int_equal(a->segment_size, b->segment_size);
	assert_int_equal(a->pack_size, b->pack_size);
}

static void test_vector(void **state)
{
	struct sign_secret owner;
	struct buf b = BUF_INIT;
	struct config c, got;
	uint8_t *want;
	size_t len;

	(void)state;
	make(&c, &owner);
	want = vector_bytes(vector_config, &len);
	assert_int_equal(buf_append(&b, "before", 6), 0);
	assert_int_equal(config_encode(&c, &owner, &b), 0);
	assert_int_equal(b.len, 6 + len);
	assert_memory_equal(b.data + 6, want, len);
	assert_int_equal(config_decode(want, len, &got), 0);
	assert_same(&c, &got);
	buf_free(&b);
	free(want);
}

static void test_other_values(void **state)
{
	struct sign_secret owner;
	struct buf b = BUF_INIT;
	struct config c, got;

	(void)state;
	make(&c, &owner);
	c.cipher = CIPHER_AES256_GCM;
	c.created_ns = -1;
	c.chunk_avg = CHUNK_AVG_MAX;
	c.segment_size = 128 * 1024 + 1;
	c.pack_size = PACK_SIZE_MAX;
	assert_int_equal(config_encode(&c, &owner, &b), 0);
	assert_int_equal(config_decode(b.data, b.len, &got), 0);
	assert_same(&c, &got);
	buf_free(&b);
}

static void test_tamper(void **state)
{
	uint8_t *p, *cut;
	struct config c;
	size_t len;

	(void)state;
	p = vector_bytes(vector_config, &len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			/* The version's bits make it a newer one, but for the lowest, which makes it 0. */
			bool newer = i >= 8 && i < 12 && !(i == 8 && bit == 1);

			p[i] ^= (uint8_t)bit;
			assert_int_equal(config_decode(p, len, &c), newer ? -EPROTONOSUPPORT : -EBADMSG);
			p[i] ^= (uint8_t)bit;
		}
	}
	for (size_t n = 0; n <= len + 1; n++) {
		cut = calloc(1, n ? n : 1);
		assert_non_null(cut);
		memcpy(cut, p, n < len ? n : len);
		assert_int_equal(config_decode(cut, n, &c), n == len ? 0 : -EBADMSG);
		free(cut);
	}
	free(p);
}

static void test_newer_version(void **state)
{
	static uint8_t big[CONFIG_MAX + 1];
	struct config c = { 0 };
	uint8_t *p;
	size_t len;

	(void)state;
	p = vector_bytes(vector_config, &len);
	le32enc(p + 8, FORMAT_VERSION + 1);
	assert_int_equal(config_decode(p, len, &c), -EPROTONOSUPPORT);
	assert_int_equal(c.version, FORMAT_VERSION + 1);
	memcpy(big, p, len); /* whatever else that version has changed */
	assert_int_equal(config_decode(big, sizeof(big), &c), -EPROTONOSUPPORT);
	assert_int_equal(config_decode(p, 12, &c), -EPROTONOSUPPORT);
	le32enc(p + 8, 0);
	assert_int_equal(config_decode(p, len, &c), -EBADMSG);
	free(p);
}

/* Sign the vector again with other fields: without those of tag ${drop}, and with ${extra} behind. */
static int decode_changed(uint16_t drop, const struct buf *extra, struct config *out)
{
	struct sign_secret owner;
	struct signature sig;
	struct buf b = BUF_INIT;
	uint16_t last = 0;
	struct tlv t;
	struct rd r;
	uint8_t *p;
	size_t len;
	int err;

	p = vector_bytes(vector_config, &len);
	memset(&owner, 0x55, sizeof(owner));
	assert_int_equal(buf_append(&b, p, HEADER_LEN), 0);
	r = rd_init(p + HEADER_LEN, len - HEADER_LEN - SIG_LEN);
	while (tlv_next(&r, &last, &t) == 1)
		if (t.tag != drop)
			assert_int_equal(tlv_put(&b, t.tag, t.value, t.len), 0);
	if (extra)
		assert_int_equal(buf_append(&b, extra->data, extra->len), 0);
	le32enc(b.data + 12, (uint32_t)(b.len - HEADER_LEN));
	crypt_sign(&owner, CONFIG_CONTEXT, b.data, b.len, &sig);
	assert_int_equal(buf_append(&b, &sig, sizeof(sig)), 0);
	err = config_decode(b.data, b.len, out);
	buf_free(&b);
	free(p);
	return err;
}

static void test_fields(void **state)
{
	static const uint8_t big[CONFIG_MAX];
	struct buf extra = BUF_INIT;
	struct config c = { 0 };

	(void)state;
	assert_int_equal(decode_changed(0, NULL, &c), 0);
	for (unsigned tag = CONFIG_REPO_ID; tag <= CONFIG_PACK_SIZE; tag++)
		assert_int_equal(decode_changed((uint16_t)tag, NULL, &c), -EBADMSG);

	assert_int_equal(tlv_put(&extra, CONFIG_GRACE + 1, "?", 1), 0);
	c.version = 0;
	assert_int_equal(decode_changed(0, &extra, &c), -EPROTONOSUPPORT);
	assert_int_equal(c.version, FORMAT_VERSION);
	buf_clear(&extra);
	assert_int_equal(tlv_put(&extra, TLV_OPTIONAL + 7, "?", 1), 0);
	assert_int_equal(decode_changed(0, &extra, &c), 0);
	assert_int_equal(c.pack_size, PACK_SIZE_DEFAULT);
	assert_int_equal(tlv_put(&extra, TLV_OPTIONAL + 6, "?", 1), 0); /* not in order */
	assert_int_equal(decode_changed(0, &extra, &c), -EBADMSG);
	buf_clear(&extra);
	assert_int_equal(tlv_put(&extra, TLV_OPTIONAL, big, sizeof(big)), 0);
	assert_int_equal(decode_changed(0, &extra, &c), -EBADMSG);
	buf_clear(&extra);
	assert_int_equal(tlv_put_u32(&extra, CONFIG_PACK_SIZE, PACK_SIZE_DEFAULT), 0); /* twice */
	assert_int_equal(decode_changed(0, &extra, &c), -EBADMSG);
	buf_free(&extra);
}

/* The last field may be left out. */
static void test_grace(void **state)
{
	struct sign_secret owner;
	struct buf out = BUF_INIT, extra = BUF_INIT;
	struct config c, back;

	(void)state;
	make(&c, &owner);
	assert_int_equal(config_grace_s(&c), GRACE_DEFAULT);
	c.grace_s = 5;
	assert_int_equal(config_encode(&c, &owner, &out), 0);
	assert_int_equal(config_decode(out.data, out.len, &back), 0);
	assert_int_equal(config_grace_s(&back), 5);
	c.grace_s = GRACE_MAX + 1;
	assert_int_equal(config_encode(&c, &owner, &out), -EINVAL);
	assert_int_equal(tlv_put_u32(&extra, CONFIG_GRACE, 0), 0);
	assert_int_equal(decode_changed(0, &extra, &back), -EBADMSG);
	buf_clear(&extra);
	assert_int_equal(tlv_put_u32(&extra, CONFIG_GRACE, GRACE_MAX + 1), 0);
	assert_int_equal(decode_changed(0, &extra, &back), -EBADMSG);
	buf_free(&extra);
	buf_free(&out);
}

/* Decode with field ${tag} as ${v}; fields behind it are moved, as they are written in order. */
static int decode_u32(uint16_t tag, uint32_t v)
{
	struct sign_secret owner;
	struct signature sig;
	struct config c;
	uint16_t last = 0;
	struct tlv t;
	struct rd r;
	uint8_t *p;
	size_t len;
	int err;

	p = vector_bytes(vector_config, &len);
	r = rd_init(p + HEADER_LEN, len - HEADER_LEN - SIG_LEN);
	while (tlv_next(&r, &last, &t) == 1)
		if (t.tag == tag)
			le32enc(p + (t.value - p), v);
	memset(&owner, 0x55, sizeof(owner));
	crypt_sign(&owner, CONFIG_CONTEXT, p, len - SIG_LEN, &sig);
	memcpy(p + len - SIG_LEN, &sig, SIG_LEN);
	err = config_decode(p, len, &c);
	free(p);
	return err;
}

static void test_bounds(void **state)
{
	(void)state;
	assert_int_equal(decode_u32(CONFIG_CIPHER, CIPHER_AES256_GCM), 0);
	assert_int_equal(decode_u32(CONFIG_CIPHER, 3), -EPROTONOSUPPORT);
	assert_int_equal(decode_u32(CONFIG_CIPHER, 0), -EPROTONOSUPPORT);
	assert_int_equal(decode_u32(CONFIG_CHUNK_AVG, CHUNK_AVG_MIN), 0);
	assert_int_equal(decode_u32(CONFIG_CHUNK_AVG, CHUNK_AVG_MIN / 2), -EBADMSG);
	assert_int_equal(decode_u32(CONFIG_CHUNK_AVG, CHUNK_AVG_MAX), 0);
	assert_int_equal(decode_u32(CONFIG_CHUNK_AVG, CHUNK_AVG_MAX * 2), -EBADMSG);
	assert_int_equal(decode_u32(CONFIG_CHUNK_AVG, CHUNK_AVG_MIN * 3), -EBADMSG);
	/* The largest chunk has to fit into 64 segments. */
	assert_int_equal(decode_u32(CONFIG_SEGMENT_SIZE, 4 * CHUNK_AVG_DEFAULT / 64), 0);
	assert_int_equal(decode_u32(CONFIG_SEGMENT_SIZE, 4 * CHUNK_AVG_DEFAULT / 64 - 1), -EBADMSG);
	assert_int_equal(decode_u32(CONFIG_SEGMENT_SIZE, SEGMENT_SIZE_MIN - 1), -EBADMSG);
	assert_int_equal(decode_u32(CONFIG_SEGMENT_SIZE, SEGMENT_SIZE_MAX), 0);
	assert_int_equal(decode_u32(CONFIG_SEGMENT_SIZE, SEGMENT_SIZE_MAX + 1), -EBADMSG);
	assert_int_equal(decode_u32(CONFIG_PACK_SIZE, PACK_SIZE_MIN), 0);
	assert_int_equal(decode_u32(CONFIG_PACK_SIZE, PACK_SIZE_MIN - 1), -EBADMSG);
	assert_int_equal(decode_u32(CONFIG_PACK_SIZE, PACK_SIZE_MAX), 0);
	assert_int_equal(decode_u32(CONFIG_PACK_SIZE, UINT32_MAX), -EBADMSG);
}

/* What could not be read again is not written. */
static void test_encode_errors(void **state)
{
	struct sign_secret owner, other;
	struct buf b = BUF_INIT;
	struct config c;

	(void)state;
	make(&c, &owner);
	c.chunk_avg = CHUNK_AVG_DEFAULT + 1;
	assert_int_equal(config_encode(&c, &owner, &b), -EINVAL);
	make(&c, &owner);
	c.segment_size = 0;
	assert_int_equal(config_encode(&c, &owner, &b), -EINVAL);
	make(&c, &owner);
	c.pack_size = 0;
	assert_int_equal(config_encode(&c, &owner, &b), -EINVAL);
	make(&c, &owner);
	c.cipher = (enum cipher)0;
	assert_int_equal(config_encode(&c, &owner, &b), -EINVAL);
	make(&c, &owner);
	memset(&c.data, 0, sizeof(c.data)); /* anybody could unwrap */
	assert_int_equal(config_encode(&c, &owner, &b), -EINVAL);
	make(&c, &owner);
	memset(&other, 0x56, sizeof(other));
	assert_int_equal(config_encode(&c, &other, &b), -EINVAL);
	assert_int_equal(b.len, 0);
	c.version = 99; /* is not believed */
	assert_int_equal(config_encode(&c, &owner, &b), 0);
	assert_int_equal(config_decode(b.data, b.len, &c), 0);
	assert_int_equal(c.version, FORMAT_VERSION);
	buf_free(&b);
}

static void test_matches(void **state)
{
	struct config c = { .version = FORMAT_VERSION };
	struct secrets *s;

	(void)state;
	memset(c.repo_id, 7, sizeof(c.repo_id));
	s = secrets_generate(c.repo_id, "alice", 0);
	assert_non_null(s);
	c.owner = s->owner_public;
	assert_int_equal(config_matches(&c, s), 0);
	c.repo_id[15] ^= 1;
	assert_int_equal(config_matches(&c, s), -EKEYREJECTED);
	c.repo_id[15] ^= 1;
	c.owner.b[0] ^= 1;
	assert_int_equal(config_matches(&c, s), -EKEYREJECTED);
	secrets_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_other_values),
		cmocka_unit_test(test_tamper),
		cmocka_unit_test(test_newer_version),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_grace),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_encode_errors),
		cmocka_unit_test(test_matches),
	};

	if (crypt_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
