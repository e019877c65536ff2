/*
 * crypt.h: published vectors as far as the interface can reach them, those of a second implementation beyond, and that
 * whatever is changed is refused.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/crypt/crypt.h"
#include "tests/unit/crypt/crypt_vectors.h"

#define POSITION UINT64_C(0x0102030405060708)

static const char sunscreen[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
				"future, sunscreen would be it.";
static const uint8_t vector_ad[] = { 0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7 };

static void assert_hex(const uint8_t *got, size_t len, const char *hex)
{
	size_t want_len;
	uint8_t *want = vector_bytes(hex, &want_len);

	assert_int_equal(len, want_len);
	assert_memory_equal(got, want, len);
	free(want);
}

static void from_hex(const char *hex, uint8_t out[32])
{
	assert_int_equal(strlen(hex), 64);
	assert_int_equal(hex_decode(hex, 32, out), 0);
}

static void test_names(void **state)
{
	enum cipher c;

	(void)state;
	assert_string_equal(crypt_cipher_name(CIPHER_XCHACHA20_POLY1305), "xchacha20-poly1305");
	assert_string_equal(crypt_cipher_name(CIPHER_AES256_GCM), "aes256-gcm");
	assert_null(crypt_cipher_name((enum cipher)0));
	assert_null(crypt_cipher_name((enum cipher)3));
	assert_int_equal(crypt_cipher_parse("aes256-gcm", &c), 0);
	assert_int_equal(c, CIPHER_AES256_GCM);
	assert_int_equal(crypt_cipher_parse("aes", &c), -EINVAL);
	assert_int_equal(crypt_cipher_parse("", &c), -EINVAL);
	assert_true(crypt_available(CIPHER_XCHACHA20_POLY1305));
	assert_false(crypt_available((enum cipher)3));
}

static void test_blake2b(void **state)
{
	struct id id;

	(void)state;
	crypt_hash(NULL, 0, &id);
	assert_hex(id.b, ID_LEN, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
	crypt_hash("abc", 3, &id);
	assert_hex(id.b, ID_LEN, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

/* Test cases 1, 2 and 6 of RFC 4231: also a key that is longer than a block. */
static void test_hmac(void **state)
{
	uint8_t key[131], out[CRYPT_HMAC_LEN];
	const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";

	(void)state;
	memset(key, 0x0b, 20);
	crypt_hmac_sha256(key, 20, "Hi There", 8, out);
	assert_hex(out, sizeof(out), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	crypt_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_hex(out, sizeof(out), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	crypt_hmac_sha256(key, sizeof(key), text, strlen(text), out);
	assert_hex(out, sizeof(out), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* The examples of FIPS 180-2, appendix B; the last in pieces. */
static void test_sha256(void **state)
{
	char thousand[1000];
	uint8_t out[SHA256_LEN];
	struct sha256 h;

	(void)state;
	sha256_init(&h);
	sha256_final(&h, out);
	assert_hex(out, sizeof(out), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	sha256_init(&h);
	sha256_update(&h, "abc", 3);
	sha256_final(&h, out);
	assert_hex(out, sizeof(out), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	memset(thousand, 'a', sizeof(thousand));
	sha256_init(&h);
	for (int i = 0; i < 1000; i++)
		sha256_update(&h, thousand, sizeof(thousand));
	sha256_final(&h, out);
	assert_hex(out, sizeof(out), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* RFC 4648, 10. */
static void test_base64(void **state)
{
	static const char *const encoded[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy" };
	char text[CRYPT_BASE64_SIZE(6)];
	uint8_t bytes[6];
	size_t len = 99;

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		crypt_base64("foobar", i, text);
		assert_string_equal(text, encoded[i]);
		assert_int_equal(crypt_base64_decode(encoded[i], bytes, sizeof(bytes), &len), 0);
		assert_int_equal(len, i);
		assert_memory_equal(bytes, "foobar", i);
	}
	assert_int_equal(crypt_base64_decode("Zm9vYmFy", bytes, 5, &len), -EINVAL);
	assert_int_equal(crypt_base64_decode("Zm9vYg", bytes, sizeof(bytes), &len), -EINVAL);
	assert_int_equal(crypt_base64_decode("Zm9v!", bytes, sizeof(bytes), &len), -EINVAL);
	assert_int_equal(crypt_base64_decode("Zm9-", bytes, sizeof(bytes), &len), -EINVAL);
}

static void test_keyed(void **state)
{
	struct hash_key key, other;
	uint8_t derived[32];
	struct id a, b;

	(void)state;
	memset(&key, 0x11, sizeof(key));
	memset(&other, 0x12, sizeof(other));
	crypt_derive(key.b, "varve purpose", derived);
	assert_hex(derived, sizeof(derived), vector_derived);
	crypt_object_id(&key, "varve purpose", 13, &a);
	assert_memory_equal(a.b, derived, ID_LEN);
	crypt_object_id(&other, "varve purpose", 13, &b);
	assert_false(id_equal(&a, &b));
	crypt_hash("varve purpose", 13, &b);
	assert_false(id_equal(&a, &b));
	crypt_object_id(&key, NULL, 0, &b);
	assert_false(id_equal(&a, &b));
}

/* In pieces of any size, and going on from a copy. */
static void test_hasher(void **state)
{
	static const size_t pieces[] = { 1, 3, 63, 64, 127, 128, 129, 1000 };
	uint8_t data[1000];
	struct id want, got;
	struct hasher h, copy;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	crypt_hash(data, sizeof(data), &want);
	for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
		hasher_init(&h);
		for (size_t off = 0, n; off < sizeof(data); off += n) {
			n = sizeof(data) - off < pieces[p] ? sizeof(data) - off : pieces[p];
			hasher_update(&h, data + off, n);
		}
		hasher_update(&h, NULL, 0);
		hasher_final(&h, &got);
		assert_true(id_equal(&want, &got));
	}
	hasher_init(&h);
	hasher_update(&h, data, 500);
	copy = h;
	hasher_update(&h, "other", 5);
	hasher_update(&copy, data + 500, 500);
	hasher_final(&copy, &got);
	assert_true(id_equal(&want, &got));
}

static void check_vector(enum cipher cipher, const char *hex)
{
	size_t len = strlen(sunscreen);
	struct aead_key key;
	uint8_t box[256];

	for (size_t i = 0; i < sizeof(key.b); i++)
		key.b[i] = (uint8_t)(0x80 + i);
	crypt_seal(cipher, &key, POSITION, vector_ad, sizeof(vector_ad), sunscreen, len, box);
	assert_hex(box, len + CRYPT_TAG_LEN, hex);
	assert_int_equal(
	    crypt_open(cipher, &key, POSITION, vector_ad, sizeof(vector_ad), box, len + CRYPT_TAG_LEN, box), 0);
	assert_memory_equal(box, sunscreen, len);
	memcpy(box, sunscreen, len);
	crypt_seal(cipher, &key, POSITION, vector_ad, sizeof(vector_ad), box, len, box);
	assert_hex(box, len + CRYPT_TAG_LEN, hex);
}

static void test_seal_vectors(void **state)
{
	static const uint8_t zero[16];
	const struct aead_key key = { { 0 } };
	uint8_t box[32];

	(void)state;
	check_vector(CIPHER_XCHACHA20_POLY1305, vector_xchacha);
	if (!crypt_available(CIPHER_AES256_GCM))
		return;
	check_vector(CIPHER_AES256_GCM, vector_aes);
	/* Test cases 13 and 14 of the GCM specification. */
	crypt_seal(CIPHER_AES256_GCM, &key, 0, NULL, 0, NULL, 0, box);
	assert_hex(box, 16, "530f8afbc74536b9a963b4f1c4cb738b");
	crypt_seal(CIPHER_AES256_GCM, &key, 0, NULL, 0, zero, 16, box);
	assert_hex(box, 32, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

static void check_sizes(enum cipher cipher)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 63, 64, 65, 4096, 262143, 262144 };
	size_t most = sizes[sizeof(sizes) / sizeof(sizes[0]) - 1];
	uint8_t *in = malloc(most), *box = malloc(most + CRYPT_TAG_LEN), *out = malloc(most);
	struct aead_key key;

	assert_true(in && box && out);
	crypt_random(in, most);
	crypt_random(&key, sizeof(key));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t n = sizes[i];

		crypt_seal(cipher, &key, i, "ad", 2, in, n, box);
		if (n >= 16)
			assert_memory_not_equal(box, in, n);
		assert_int_equal(crypt_open(cipher, &key, i, "ad", 2, box, n + CRYPT_TAG_LEN, out), 0);
		assert_memory_equal(out, in, n);
		assert_int_equal(crypt_open(cipher, &key, i + 1, "ad", 2, box, n + CRYPT_TAG_LEN, out), -EBADMSG);
		assert_int_equal(crypt_open(cipher, &key, ~i, "ad", 2, box, n + CRYPT_TAG_LEN, out), -EBADMSG);
		assert_int_equal(crypt_open(cipher, &key, i, "aD", 2, box, n + CRYPT_TAG_LEN, out), -EBADMSG);
		assert_int_equal(crypt_open(cipher, &key, i, "ad", 1, box, n + CRYPT_TAG_LEN, out), -EBADMSG);
		assert_int_equal(crypt_open(cipher, &key, i, "ad", 2, box, n + CRYPT_TAG_LEN - 1, out), -EBADMSG);
	}
	for (size_t n = 0; n < CRYPT_TAG_LEN; n++)
		assert_int_equal(crypt_open(cipher, &key, 0, NULL, 0, box, n, out), -EBADMSG);
	free(in);
	free(box);
	free(out);
}

/* Every byte of the box counts, and nothing of the plaintext comes out of a bad one. */
static void check_tamper(enum cipher cipher)
{
	size_t len = strlen(sunscreen);
	uint8_t box[256], out[256];
	struct aead_key key;

	crypt_random(&key, sizeof(key));
	crypt_seal(cipher, &key, 1, "ad", 2, sunscreen, len, box);
	for (size_t i = 0; i < len + CRYPT_TAG_LEN; i++) {
		box[i] ^= 1;
		memset(out, 0, sizeof(out));
		assert_int_equal(crypt_open(cipher, &key, 1, "ad", 2, box, len + CRYPT_TAG_LEN, out), -EBADMSG);
		for (size_t j = 0; j + 4 <= len; j++)
			assert_memory_not_equal(out + j, sunscreen + j, 4);
		box[i] ^= 1;
	}
	key.b[31] ^= 0x80;
	assert_int_equal(crypt_open(cipher, &key, 1, "ad", 2, box, len + CRYPT_TAG_LEN, out), -EBADMSG);
}

static void test_seal(void **state)
{
	uint8_t box[64] = { 0 };
	const struct aead_key key = { { 0 } };

	(void)state;
	for (enum cipher c = CIPHER_XCHACHA20_POLY1305; c <= CIPHER_AES256_GCM; c++) {
		if (!crypt_available(c))
			continue;
		check_sizes(c);
		check_tamper(c);
	}
	assert_int_equal(crypt_open((enum cipher)3, &key, 0, NULL, 0, box, sizeof(box), box), -ENOTSUP);
}

static void seal_with_unknown_cipher(void)
{
	const struct aead_key key = { { 0 } };
	uint8_t box[64];

	crypt_seal((enum cipher)3, &key, 0, NULL, 0, "x", 1, box);
}

static void wrap_to_low_order(void)
{
	const struct box_public pk = { { 1 } };
	uint8_t wrapped[CRYPT_WRAPPED_LEN];
	struct aead_key key;

	crypt_new_wrapped_key(&pk, &key, wrapped);
}

/* What cannot be sealed stops the process: it must not be stored in the clear or as rubbish. */
static void test_stops(void **state)
{
	void (*const wrong[])(void) = { seal_with_unknown_cipher, wrap_to_low_order };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			signal(SIGABRT, SIG_DFL);
			wrong[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

static void test_wrap_vector(void **state)
{
	struct box_secret sk;
	struct box_public pk;
	struct aead_key key;
	uint8_t want[32];
	uint8_t *wrapped;
	size_t len;

	(void)state;
	memset(&sk, 0x33, sizeof(sk));
	memset(want, 0x88, sizeof(want));
	crypt_box_public(&sk, &pk);
	wrapped = vector_bytes(vector_wrapped, &len);
	assert_int_equal(len, CRYPT_WRAPPED_LEN);
	assert_int_equal(crypt_unwrap_key(&pk, &sk, wrapped, &key), 0);
	assert_memory_equal(key.b, want, sizeof(want));
	free(wrapped);
}

static void test_wrap(void **state)
{
	uint8_t wrapped[CRYPT_WRAPPED_LEN], again[CRYPT_WRAPPED_LEN];
	struct box_secret sk, other_sk;
	struct box_public pk, other_pk;
	struct aead_key key, key2, got;

	(void)state;
	crypt_box_keypair(&sk, &pk);
	crypt_box_keypair(&other_sk, &other_pk);
	crypt_new_wrapped_key(&pk, &key, wrapped);
	crypt_new_wrapped_key(&pk, &key2, again);
	assert_memory_not_equal(key.b, key2.b, sizeof(key.b));
	assert_int_equal(crypt_unwrap_key(&pk, &sk, wrapped, &got), 0);
	assert_memory_equal(got.b, key.b, sizeof(key.b));
	assert_int_equal(crypt_unwrap_key(&other_pk, &other_sk, wrapped, &got), -EBADMSG);
	for (size_t i = 0; i < sizeof(wrapped); i++) {
		wrapped[i] ^= 0x10;
		assert_int_equal(crypt_unwrap_key(&pk, &sk, wrapped, &got), -EBADMSG);
		wrapped[i] ^= 0x10;
	}
}

static void test_blob(void **state)
{
	uint8_t box[64 + CRYPT_BLOB_OVERHEAD], out[64];
	size_t len = 5 + CRYPT_BLOB_OVERHEAD;
	enum cipher c = CIPHER_XCHACHA20_POLY1305;
	struct box_secret sk;
	struct box_public pk;

	(void)state;
	crypt_box_keypair(&sk, &pk);
	crypt_seal_blob(c, &pk, "ad", 2, "hello", 5, box);
	assert_int_equal(crypt_open_blob(c, &pk, &sk, "ad", 2, box, len, out), 0);
	assert_memory_equal(out, "hello", 5);
	assert_int_equal(crypt_open_blob(c, &pk, &sk, "aa", 2, box, len, out), -EBADMSG);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(crypt_open_blob(c, &pk, &sk, "ad", 2, box, n, out), -EBADMSG);
	for (size_t i = 0; i < len; i++) {
		box[i] ^= 4;
		assert_int_equal(crypt_open_blob(c, &pk, &sk, "ad", 2, box, len, out), -EBADMSG);
		box[i] ^= 4;
	}
	crypt_seal_blob(c, &pk, NULL, 0, NULL, 0, box);
	assert_int_equal(crypt_open_blob(c, &pk, &sk, NULL, 0, box, CRYPT_BLOB_OVERHEAD, out), 0);
}

/* RFC 7748, 6.1 and RFC 8032, 7.1. */
static void test_key_vectors(void **state)
{
	struct sign_secret seed;
	struct sign_public spk;
	struct box_secret sk;
	struct box_public pk;

	(void)state;
	from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", sk.b);
	crypt_box_public(&sk, &pk);
	assert_hex(pk.b, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed.b);
	crypt_sign_public(&seed, &spk);
	assert_hex(spk.b, 32, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
	from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", seed.b);
	crypt_sign_public(&seed, &spk);
	assert_hex(spk.b, 32, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
}

static void test_public_valid(void **state)
{
	static const char *const low_order[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	struct box_secret sk;
	struct box_public pk;

	(void)state;
	for (size_t i = 0; i < sizeof(low_order) / sizeof(low_order[0]); i++) {
		from_hex(low_order[i], pk.b);
		assert_false(crypt_box_public_valid(&pk));
	}
	crypt_box_keypair(&sk, &pk);
	assert_true(crypt_box_public_valid(&pk));
}

static void test_sign(void **state)
{
	struct sign_secret sk, seed;
	struct sign_public pk, other;
	struct signature sig;

	(void)state;
	from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed.b);
	crypt_sign_public(&seed, &pk);
	crypt_sign(&seed, "varve test", "abc", 3, &sig);
	assert_hex(sig.b, sizeof(sig.b), vector_signature);
	assert_int_equal(crypt_verify(&pk, "varve test", "abc", 3, &sig), 0);
	assert_int_equal(crypt_verify(&pk, "varve test", "abd", 3, &sig), -EBADMSG);
	assert_int_equal(crypt_verify(&pk, "varve test", "abc", 2, &sig), -EBADMSG);
	assert_int_equal(crypt_verify(&pk, "varve tesu", "abc", 3, &sig), -EBADMSG);
	assert_int_equal(crypt_verify(&pk, "varve test\0abc", NULL, 0, &sig), -EBADMSG);
	crypt_sign_keypair(&sk, &other);
	assert_int_equal(crypt_verify(&other, "varve test", "abc", 3, &sig), -EBADMSG);
	for (size_t i = 0; i < sizeof(sig.b); i++) {
		sig.b[i] ^= 1;
		assert_int_equal(crypt_verify(&pk, "varve test", "abc", 3, &sig), -EBADMSG);
		sig.b[i] ^= 1;
	}
	/* The boundary between context and data is signed too. */
	crypt_sign(&seed, "ab", "c", 1, &sig);
	assert_int_equal(crypt_verify(&pk, "ab", "c", 1, &sig), 0);
	assert_int_equal(crypt_verify(&pk, "a", "bc", 2, &sig), -EBADMSG);
	crypt_sign(&seed, "ab", NULL, 0, &sig);
	assert_int_equal(crypt_verify(&pk, "ab", NULL, 0, &sig), 0);
}

static void test_secret_memory(void **state)
{
	static const uint8_t zero[1000];
	uint8_t *p;

	(void)state;
	for (size_t len = 0; len <= 1000; len += 37) {
		p = crypt_secret_alloc(len);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 64, 0);
		assert_memory_equal(p, zero, len);
		memset(p, 0xff, len);
		crypt_secret_free(p);
	}
	assert_null(crypt_secret_alloc(SIZE_MAX));
	assert_null(crypt_secret_alloc(SIZE_MAX / 2));
	crypt_secret_free(NULL);
}

static void test_helpers(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	crypt_random(a, sizeof(a));
	crypt_random(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_false(crypt_equal(a, b, sizeof(a)));
	memcpy(b, a, sizeof(a));
	assert_true(crypt_equal(a, b, sizeof(a)));
	b[31] ^= 0x80;
	assert_false(crypt_equal(a, b, sizeof(a)));
	assert_true(crypt_equal(a, b, 31));
	crypt_wipe(a, 31);
	for (size_t i = 0; i < 31; i++)
		assert_int_equal(a[i], 0);
	assert_int_equal(crypt_init(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_blake2b),
		cmocka_unit_test(test_hmac),
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_keyed),
		cmocka_unit_test(test_hasher),
		cmocka_unit_test(test_seal_vectors),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_stops),
		cmocka_unit_test(test_wrap_vector),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_blob),
		cmocka_unit_test(test_key_vectors),
		cmocka_unit_test(test_public_valid),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_secret_memory),
		cmocka_unit_test(test_helpers),
	};

	if (crypt_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
