/*
 * Sealing domains: who can seal and open what, and that a public key alone is good for neither.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/crypt/seal.h"

#define LEN 100

struct world {
	struct config config;
	struct secrets *owner;
	struct seal_domain data, metadata;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(crypt_init(), 0);
	w->config.cipher = CIPHER_XCHACHA20_POLY1305;
	w->owner = secrets_generate(w->config.repo_id, "owner", 0);
	assert_non_null(w->owner);
	crypt_box_public(&w->owner->metadata, &w->config.metadata);
	crypt_box_public(&w->owner->data, &w->config.data);
	seal_data_domain(&w->config, w->owner, &w->data);
	seal_metadata_domain(&w->config, w->owner, &w->metadata);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	secrets_free(w->owner);
	free(w);
	return 0;
}

static void test_roles(void **state)
{
	static const struct {
		enum role role;
		bool seal_data, open_data, seal_metadata, open_metadata;
	} want[] = {
		{ ROLE_OWNER, true, true, true, true },
		{ ROLE_WRITER, true, false, true, true },
		{ ROLE_READER, true, true, true, true },
		{ ROLE_AUDITOR, false, false, true, true },
	};
	struct world *w = *state;
	struct hash_key mine, tree;

	seal_tree_id_key(w->owner, &mine);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct secrets *s = secrets_for_role(w->owner, want[i].role, "x", NULL, 0);
		uint8_t wrapped[CRYPT_WRAPPED_LEN];
		struct aead_key key, got;
		struct seal_domain d;

		assert_non_null(s);
		seal_data_domain(&w->config, s, &d);
		assert_int_equal(d.can_seal, want[i].seal_data);
		assert_int_equal(d.can_open, want[i].open_data);
		seal_new_key(&w->data, &key, wrapped);
		assert_int_equal(seal_open_key(&d, wrapped, &got), want[i].open_data ? 0 : -EACCES);
		if (want[i].open_data)
			assert_memory_equal(&key, &got, sizeof(key));
		if (want[i].seal_data) {
			seal_new_key(&d, &key, wrapped);
			assert_int_equal(seal_open_key(&w->data, wrapped, &got), 0);
			assert_memory_equal(&key, &got, sizeof(key));
		}
		seal_metadata_domain(&w->config, s, &d);
		assert_int_equal(d.can_seal, want[i].seal_metadata);
		assert_int_equal(d.can_open, want[i].open_metadata);
		seal_new_key(&d, &key, wrapped);
		assert_int_equal(seal_open_key(&w->metadata, wrapped, &got), 0);
		assert_memory_equal(&key, &got, sizeof(key));
		seal_tree_id_key(s, &tree);
		assert_memory_equal(&mine, &tree, sizeof(tree));
		secrets_free(s);
	}
}

static void test_keys_are_fresh(void **state)
{
	struct world *w = *state;
	uint8_t wrapped[2][CRYPT_WRAPPED_LEN];
	struct aead_key key[2];

	seal_new_key(&w->data, &key[0], wrapped[0]);
	seal_new_key(&w->data, &key[1], wrapped[1]);
	assert_memory_not_equal(&key[0], &key[1], sizeof(key[0]));
	assert_memory_not_equal(wrapped[0], wrapped[1], sizeof(wrapped[0]));
}

static void test_domains_are_apart(void **state)
{
	struct world *w = *state;
	uint8_t wrapped[CRYPT_WRAPPED_LEN];
	struct seal_domain mixed = w->data;
	struct aead_key key, got;

	seal_new_key(&w->data, &key, wrapped);
	assert_int_equal(seal_open_key(&w->metadata, wrapped, &got), -EBADMSG);
	/* The same key pair with the other domain's mixing key is not the same key. */
	mixed.mix = w->metadata.mix;
	assert_int_equal(seal_open_key(&mixed, wrapped, &got), 0);
	assert_memory_not_equal(&key, &got, sizeof(key));
}

/* Whoever has but the public key can wrap a key, and still seal nothing that opens. */
static void test_outsider(void **state)
{
	struct world *w = *state;
	uint8_t in[LEN] = "forged", blob[LEN + CRYPT_BLOB_OVERHEAD], out[LEN];

	crypt_seal_blob(w->config.cipher, &w->config.metadata, "ad", 2, in, sizeof(in), blob);
	assert_int_equal(crypt_open_blob(w->config.cipher, &w->config.metadata, &w->owner->metadata, "ad", 2, blob,
	    sizeof(blob), out), 0);
	assert_int_equal(seal_open_blob(&w->metadata, "ad", 2, blob, sizeof(blob), out), -EBADMSG);
}

static void test_blob(void **state)
{
	struct world *w = *state;
	uint8_t in[LEN], blob[LEN + CRYPT_BLOB_OVERHEAD], out[LEN];
	struct seal_domain blind = w->metadata;

	memset(in, 0x5a, sizeof(in));
	seal_blob(&w->metadata, "what", 4, in, sizeof(in), blob);
	assert_int_equal(seal_open_blob(&w->metadata, "what", 4, blob, sizeof(blob), out), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(seal_open_blob(&w->metadata, "whit", 4, blob, sizeof(blob), out), -EBADMSG);
	assert_int_equal(seal_open_blob(&w->metadata, "what", 3, blob, sizeof(blob), out), -EBADMSG);
	assert_int_equal(seal_open_blob(&w->data, "what", 4, blob, sizeof(blob), out), -EBADMSG);
	blind.can_open = false;
	assert_int_equal(seal_open_blob(&blind, "what", 4, blob, sizeof(blob), out), -EACCES);
	for (size_t len = 0; len < sizeof(blob); len++)
		assert_int_equal(seal_open_blob(&w->metadata, "what", 4, blob, len, out), -EBADMSG);
	for (size_t i = 0; i < sizeof(blob) * 8; i++) {
		blob[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(seal_open_blob(&w->metadata, "what", 4, blob, sizeof(blob), out), -EBADMSG);
		blob[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	assert_int_equal(seal_open_blob(&w->metadata, "what", 4, blob, sizeof(blob), out), 0);
}

static void test_empty_blob(void **state)
{
	struct world *w = *state;
	uint8_t blob[CRYPT_BLOB_OVERHEAD], out[1];

	seal_blob(&w->data, NULL, 0, NULL, 0, blob);
	assert_int_equal(seal_open_blob(&w->data, NULL, 0, blob, sizeof(blob), out), 0);
	assert_int_equal(seal_open_blob(&w->data, "x", 1, blob, sizeof(blob), out), -EBADMSG);
}

static void test_aes(void **state)
{
	struct world *w = *state;
	uint8_t in[LEN] = "hardware", blob[LEN + CRYPT_BLOB_OVERHEAD], out[LEN];
	struct seal_domain aes = w->data;

	if (!crypt_available(CIPHER_AES256_GCM))
		skip();
	aes.cipher = CIPHER_AES256_GCM;
	seal_blob(&aes, "ad", 2, in, sizeof(in), blob);
	assert_int_equal(seal_open_blob(&aes, "ad", 2, blob, sizeof(blob), out), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(seal_open_blob(&w->data, "ad", 2, blob, sizeof(blob), out), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_roles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_are_fresh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_domains_are_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_outsider, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blob, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_blob, setup, teardown),
		cmocka_unit_test_setup_teardown(test_aes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
