/*
 * revocation.h: comes back as it went in, and nothing but the owner's counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/crypt/keys/revocation.h"
#include "repo/util/bytes/tlv.h"

#define NOW INT64_C(1700000000000000000)

struct env {
	struct secrets *owner;
	struct config config;
	struct seal_domain metadata;
	struct revocation r;
};

static void add_id(struct revocation *r, uint8_t first)
{
	uint8_t id[ID_LEN] = { first };

	assert_int_equal(buf_append(&r->keeps, id, sizeof(id)), 0);
}

static int setup(void **state)
{
	static const uint8_t repo_id[16] = { 7 };
	struct env *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->owner = secrets_generate(repo_id, "alice", NOW);
	assert_non_null(e->owner);
	e->config.cipher = CIPHER_XCHACHA20_POLY1305;
	crypt_box_public(&e->owner->metadata, &e->config.metadata);
	seal_metadata_domain(&e->config, e->owner, &e->metadata);
	memset(&e->r.key, 3, sizeof(e->r.key));
	e->r.time_ns = NOW;
	e->r.name = strdup("web");
	for (uint8_t i = 2; i < 20; i += 2)
		add_id(&e->r, i);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	revocation_destroy(&e->r);
	secrets_free(e->owner);
	free(e);
	return 0;
}

static void seal(struct env *e, struct buf *out)
{
	struct id id, hash;

	assert_int_equal(revocation_seal(&e->r, e->owner, &e->metadata, out, &id), 0);
	crypt_hash(out->data, out->len, &hash);
	assert_true(id_equal(&id, &hash));
}

static void test_round_trip(void **state)
{
	struct env *e = *state;
	struct revocation back;
	struct buf b = BUF_INIT;

	seal(e, &b);
	assert_int_equal(revocation_open(b.data, b.len, e->owner, &e->metadata, &back), 0);
	assert_string_equal(back.name, "web");
	assert_int_equal(back.time_ns, NOW);
	assert_memory_equal(&back.key, &e->r.key, sizeof(back.key));
	for (unsigned i = 0; i < 24; i++) {
		struct id id = { { (uint8_t)i } };

		assert_int_equal(revocation_keeps(&back, &id), i >= 2 && i < 20 && i % 2 == 0);
	}
	revocation_destroy(&back);
	/* Nothing may stay. */
	buf_clear(&e->r.keeps);
	buf_clear(&b);
	seal(e, &b);
	assert_int_equal(revocation_open(b.data, b.len, e->owner, &e->metadata, &back), 0);
	assert_int_equal(back.keeps.len, 0);
	assert_false(revocation_keeps(&back, &(struct id){ { 2 } }));
	revocation_destroy(&back);
	buf_free(&b);
}

static void test_every_bit_counts(void **state)
{
	struct env *e = *state;
	struct revocation back;
	struct buf b = BUF_INIT;

	seal(e, &b);
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x10;
		assert_true(revocation_open(b.data, b.len, e->owner, &e->metadata, &back) < 0);
		b.data[i] ^= 0x10;
	}
	for (size_t len = 0; len < b.len; len += 7)
		assert_int_equal(revocation_open(b.data, len, e->owner, &e->metadata, &back), -EBADMSG);
	b.data[7] = '2';
	assert_int_equal(revocation_open(b.data, b.len, e->owner, &e->metadata, &back), -EPROTONOSUPPORT);
	buf_free(&b);
}

/* A writer has the metadata secret, and could seal what it likes. */
static void test_only_the_owner(void **state)
{
	struct env *e = *state;
	struct secrets *writer = secrets_for_role(e->owner, ROLE_WRITER, "w", NULL, NOW);
	struct secrets *other = secrets_generate(e->owner->repo_id, "mallory", NOW);
	struct revocation back;
	struct buf b = BUF_INIT;
	struct id id;

	assert_int_equal(revocation_seal(&e->r, writer, &e->metadata, &b, &id), -EPERM);
	assert_int_equal(b.len, 0);
	assert_int_equal(revocation_seal(&e->r, other, &e->metadata, &b, &id), 0);
	assert_int_equal(revocation_open(b.data, b.len, e->owner, &e->metadata, &back), -EKEYREJECTED);
	/* Of the owner, but for another repository. */
	buf_clear(&b);
	e->owner->repo_id[0] ^= 1;
	assert_int_equal(revocation_seal(&e->r, e->owner, &e->metadata, &b, &id), 0);
	e->owner->repo_id[0] ^= 1;
	assert_int_equal(revocation_open(b.data, b.len, e->owner, &e->metadata, &back), -EKEYREJECTED);
	/* All roles can read it. */
	buf_clear(&b);
	seal(e, &b);
	assert_int_equal(revocation_open(b.data, b.len, writer, &e->metadata, &back), 0);
	revocation_destroy(&back);
	secrets_free(writer);
	secrets_free(other);
	buf_free(&b);
}

static void test_fields(void **state)
{
	struct env *e = *state;
	struct revocation back;
	struct buf b = BUF_INIT;
	struct id id;

	add_id(&e->r, 18); /* twice */
	assert_int_equal(revocation_seal(&e->r, e->owner, &e->metadata, &b, &id), -EINVAL);
	e->r.keeps.len -= ID_LEN + 1;
	assert_int_equal(revocation_encode(&e->r, &b), -EINVAL);
	e->r.keeps.len = 0;
	e->r.name[0] = '\0';
	assert_int_equal(revocation_encode(&e->r, &b), -EINVAL);
	assert_int_equal(b.len, 0);
	assert_int_equal(revocation_decode("", 0, &back), -EBADMSG);
	assert_int_equal(tlv_put(&b, REVOCATION_KEY, e->r.key.b, 32), 0);
	assert_int_equal(tlv_put_u64(&b, REVOCATION_TIME, 1), 0);
	assert_int_equal(revocation_decode(b.data, b.len, &back), -EBADMSG);
	assert_int_equal(tlv_put(&b, REVOCATION_NAME, "n", 1), 0);
	assert_int_equal(revocation_decode(b.data, b.len, &back), 0);
	revocation_destroy(&back);
	assert_int_equal(tlv_put(&b, REVOCATION_KEEPS + 1, "", 0), 0);
	assert_int_equal(revocation_decode(b.data, b.len, &back), -EPROTONOSUPPORT);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_bit_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_the_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
	};

	if (crypt_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
