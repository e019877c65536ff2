/*
 * keyslot.h: what was sealed opens with exactly the right credentials, in every kind; any change of any byte is
 * refused, and no longer what the id names; parameters beyond the limits are refused before anything is spent on them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/crypt/keys/keyslot.h"
#include "repo/util/bytes/le.h"
#include "repo/util/bytes/tlv.h"
#include "tests/lib/sanitized.h"
#include "tests/unit/crypt/crypt_vectors.h"

#define HEADER_LEN 60
#define PASSPHRASE "correct horse"

/* An owner, its repository's metadata key, and one of each credential. */
struct fixture {
	struct secrets *secrets;
	struct box_public metadata;
	struct keyslot_params params;
	struct keyslot_label label;
	struct box_secret recipient_sk;
	struct box_public recipient_pk;
	uint8_t file[64];
	struct credentials cred[KEYSLOT_RECIPIENT + 1]; /* by kind, just what it needs */
};

static int setup(void **state)
{
	static const uint8_t repo_id[16] = { 42 };
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->secrets = secrets_generate(repo_id, "alice", 5);
	assert_non_null(f->secrets);
	crypt_box_public(&f->secrets->metadata, &f->metadata);
	crypt_box_keypair(&f->recipient_sk, &f->recipient_pk);
	crypt_random(f->file, sizeof(f->file));
	f->params.passes = 1;
	f->params.memory_kib = KEYSLOT_MEMORY_KIB_MIN;
	f->label.role = ROLE_OWNER;
	f->label.created_ns = -5;
	snprintf(f->label.name, sizeof(f->label.name), "alice's laptop");
	f->label.cert = f->secrets->cert;
	f->cred[KEYSLOT_PASSPHRASE].passphrase = f->cred[KEYSLOT_BOTH].passphrase = PASSPHRASE;
	f->cred[KEYSLOT_PASSPHRASE].passphrase_len = f->cred[KEYSLOT_BOTH].passphrase_len = strlen(PASSPHRASE);
	f->cred[KEYSLOT_KEY_FILE].key_file = f->cred[KEYSLOT_BOTH].key_file = f->file;
	f->cred[KEYSLOT_KEY_FILE].key_file_len = f->cred[KEYSLOT_BOTH].key_file_len = sizeof(f->file);
	f->cred[KEYSLOT_RECIPIENT].recipient = &f->recipient_sk;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	secrets_free(f->secrets);
	free(f);
	return 0;
}

static void seal(struct fixture *f, enum keyslot_kind kind, struct buf *out)
{
	f->params.recipient = kind == KEYSLOT_RECIPIENT ? &f->recipient_pk : NULL;
	buf_clear(out);
	assert_int_equal(keyslot_seal(f->secrets, &f->cred[kind], &f->params, CIPHER_XCHACHA20_POLY1305, &f->metadata,
	    &f->label, out), 0);
}

static int read_label(struct fixture *f, const void *data, size_t len, struct keyslot_label *out)
{
	return keyslot_label(data, len, CIPHER_XCHACHA20_POLY1305, &f->metadata, &f->secrets->metadata, out);
}

static int open_slot(const void *data, size_t len, const struct credentials *cred)
{
	struct secrets *s = NULL;
	int err = keyslot_open(data, len, cred, &s);

	if (err == 0)
		assert_non_null(s);
	else
		assert_null(s);
	secrets_free(s);
	return err;
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_INIT;
	enum keyslot_kind got;

	for (enum keyslot_kind k = KEYSLOT_PASSPHRASE; k <= KEYSLOT_RECIPIENT; k++) {
		struct secrets *s = NULL;
		struct keyslot_label label;

		seal(f, k, &b);
		assert_int_equal(keyslot_kind(b.data, b.len, &got), 0);
		assert_int_equal(got, k);
		assert_int_equal(keyslot_open(b.data, b.len, &f->cred[k], &s), 0);
		assert_int_equal(s->role, ROLE_OWNER);
		assert_int_equal(s->mask, f->secrets->mask);
		assert_memory_equal(&s->owner, &f->secrets->owner, sizeof(s->owner));
		assert_memory_equal(&s->data, &f->secrets->data, sizeof(s->data));
		assert_memory_equal(s->cert.data, f->secrets->cert.data, s->cert.len);
		secrets_free(s);
		assert_int_equal(read_label(f, b.data, b.len, &label), 0);
		assert_int_equal(label.role, ROLE_OWNER);
		assert_int_equal(label.created_ns, -5);
		assert_string_equal(label.name, "alice's laptop");
		assert_int_equal(label.cert.len, f->secrets->cert.len);
		assert_memory_equal(label.cert.data, f->secrets->cert.data, label.cert.len);
		keyslot_label_destroy(&label);
	}
	buf_free(&b);
}

/* Appended to what is there, nothing of the secrets in the clear, never twice the same. */
static void test_sealed(void **state)
{
	struct fixture *f = *state;
	struct buf a = BUF_INIT, b = BUF_INIT;

	for (enum keyslot_kind k = KEYSLOT_PASSPHRASE; k <= KEYSLOT_RECIPIENT; k++) {
		seal(f, k, &a);
		assert_null(memmem(a.data, a.len, &f->secrets->metadata, 32));
		assert_null(memmem(a.data, a.len, f->secrets->repo_id, 16));
		assert_null(memmem(a.data, a.len, "alice", 5));
		seal(f, k, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_not_equal(a.data + a.len - 64, b.data + b.len - 64, 64);
		if (k != KEYSLOT_RECIPIENT)
			assert_memory_not_equal(a.data + 20, b.data + 20, 32);
	}
	seal(f, KEYSLOT_KEY_FILE, &a);
	f->params.recipient = NULL;
	assert_int_equal(keyslot_seal(f->secrets, &f->cred[KEYSLOT_KEY_FILE], &f->params, CIPHER_XCHACHA20_POLY1305,
	    &f->metadata, &f->label, &a), 0);
	assert_int_equal(open_slot(a.data, a.len / 2, &f->cred[KEYSLOT_KEY_FILE]), 0);
	assert_int_equal(open_slot(a.data + a.len / 2, a.len / 2, &f->cred[KEYSLOT_KEY_FILE]), 0);
	buf_free(&a);
	buf_free(&b);
}

static void test_wrong_credentials(void **state)
{
	struct fixture *f = *state;
	struct credentials wrong;
	struct box_secret sk;
	struct box_public pk;
	struct buf b = BUF_INIT;

	crypt_box_keypair(&sk, &pk);
	for (enum keyslot_kind k = KEYSLOT_PASSPHRASE; k <= KEYSLOT_RECIPIENT; k++) {
		seal(f, k, &b);
		if (f->cred[k].passphrase) {
			wrong = f->cred[k];
			wrong.passphrase = "correct horsf";
			assert_int_equal(open_slot(b.data, b.len, &wrong), -EKEYREJECTED);
			wrong.passphrase = PASSPHRASE;
			wrong.passphrase_len--;
			assert_int_equal(open_slot(b.data, b.len, &wrong), -EKEYREJECTED);
			wrong.passphrase_len = 0;
			assert_int_equal(open_slot(b.data, b.len, &wrong), -EKEYREJECTED);
		}
		if (f->cred[k].key_file) {
			wrong = f->cred[k];
			wrong.key_file_len--;
			assert_int_equal(open_slot(b.data, b.len, &wrong), -EKEYREJECTED);
			wrong.key_file_len = KEY_FILE_MAX + 1;
			assert_int_equal(open_slot(b.data, b.len, &wrong), -EKEYREJECTED);
		}
		wrong = f->cred[k];
		wrong.recipient = &sk;
		assert_int_equal(open_slot(b.data, b.len, &wrong), k == KEYSLOT_RECIPIENT ? -EKEYREJECTED : 0);
	}
	buf_free(&b);
}

static void test_suits(void **state)
{
	static const bool want[5][5] = {
		/* by the kind of the slot, by the kind whose credentials are there */
		[KEYSLOT_PASSPHRASE] = { 0, 1, 0, 1, 0 },
		[KEYSLOT_KEY_FILE] = { 0, 0, 1, 1, 0 },
		[KEYSLOT_BOTH] = { 0, 0, 0, 1, 0 },
		[KEYSLOT_RECIPIENT] = { 0, 0, 0, 0, 1 },
	};
	struct fixture *f = *state;
	struct buf b = BUF_INIT;

	for (enum keyslot_kind k = KEYSLOT_PASSPHRASE; k <= KEYSLOT_RECIPIENT; k++) {
		seal(f, k, &b);
		for (unsigned have = 0; have <= KEYSLOT_RECIPIENT; have++) {
			assert_int_equal(keyslot_suits(k, &f->cred[have]), want[k][have]);
			assert_int_equal(open_slot(b.data, b.len, &f->cred[have]), want[k][have] ? 0 : -EKEYREJECTED);
		}
	}
	buf_free(&b);
}

/*
 * Every bit of every byte counts, also those of the label and of the header.  Argon2id's parameters are left to
 * test_limits(), as some flips of them ask for a lot of memory rightfully.
 */
static void test_tamper(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_INIT;
	struct keyslot_label label;
	struct id id;

	for (enum keyslot_kind k = KEYSLOT_PASSPHRASE; k <= KEYSLOT_RECIPIENT; k++) {
		seal(f, k, &b);
		crypt_hash(b.data, b.len, &id);
		assert_true(keyslot_has_id(b.data, b.len, &id));
		assert_false(keyslot_has_id(b.data, b.len - 1, &id));
		for (size_t i = 0; i < b.len; i++) {
			uint8_t bit = (uint8_t)(1u << i % 8);

			if (i >= 12 && i < 20 && f->cred[k].passphrase)
				continue;
			b.data[i] ^= bit;
			assert_false(keyslot_has_id(b.data, b.len, &id));
			assert_int_not_equal(open_slot(b.data, b.len, &f->cred[k]), 0);
			if (i < HEADER_LEN + 96)
				assert_int_not_equal(read_label(f, b.data, b.len, &label), 0);
			b.data[i] ^= bit;
		}
		assert_int_equal(open_slot(b.data, b.len, &f->cred[k]), 0);
	}
	buf_free(&b);
}

static void test_truncated(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_INIT;
	struct keyslot_label label;
	enum keyslot_kind kind;

	for (enum keyslot_kind k = KEYSLOT_PASSPHRASE; k <= KEYSLOT_RECIPIENT; k++) {
		seal(f, k, &b);
		for (size_t n = 0; n < b.len; n++) {
			uint8_t *cut = malloc(n ? n : 1);

			assert_non_null(cut);
			memcpy(cut, b.data, n);
			assert_int_equal(open_slot(cut, n, &f->cred[k]), -EBADMSG);
			assert_int_equal(keyslot_kind(cut, n, &kind), -EBADMSG);
			assert_int_equal(read_label(f, cut, n, &label), -EBADMSG);
			free(cut);
		}
		assert_int_equal(buf_u8(&b, 0), 0);
		assert_int_equal(open_slot(b.data, b.len, &f->cred[k]), -EBADMSG);
	}
	buf_free(&b);
}

static int open_with_params(struct fixture *f, const struct buf *slot, uint32_t passes, uint32_t memory_kib)
{
	le32enc(slot->data + 12, passes);
	le32enc(slot->data + 16, memory_kib);
	return open_slot(slot->data, slot->len, &f->cred[KEYSLOT_PASSPHRASE]);
}

/* A hostile slot is refused before memory is asked for: with too little of it, that would be -ENOMEM. */
static void test_limits(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_INIT;

	seal(f, KEYSLOT_PASSPHRASE, &b);
	assert_int_equal(open_with_params(f, &b, 1, KEYSLOT_MEMORY_KIB_MIN), 0);
	assert_int_equal(open_with_params(f, &b, 2, KEYSLOT_MEMORY_KIB_MIN), -EKEYREJECTED);
	assert_int_equal(open_with_params(f, &b, 1, KEYSLOT_MEMORY_KIB_MIN + 4), -EKEYREJECTED);
	assert_int_equal(open_with_params(f, &b, KEYSLOT_PASSES_MAX, KEYSLOT_MEMORY_KIB_MIN), -EKEYREJECTED);
	assert_int_equal(open_with_params(f, &b, 0, KEYSLOT_MEMORY_KIB_MIN), -EPROTONOSUPPORT);
	assert_int_equal(open_with_params(f, &b, KEYSLOT_PASSES_MAX + 1, KEYSLOT_MEMORY_KIB_MIN), -EPROTONOSUPPORT);
	assert_int_equal(open_with_params(f, &b, UINT32_MAX, KEYSLOT_MEMORY_KIB_MIN), -EPROTONOSUPPORT);
	assert_int_equal(open_with_params(f, &b, 1, KEYSLOT_MEMORY_KIB_MIN - 1), -EPROTONOSUPPORT);
	assert_int_equal(open_with_params(f, &b, 1, 0), -EPROTONOSUPPORT);
	assert_int_equal(open_with_params(f, &b, 1, KEYSLOT_MEMORY_KIB_MAX + 1), -EPROTONOSUPPORT);
	assert_int_equal(open_with_params(f, &b, 1, UINT32_MAX), -EPROTONOSUPPORT);
	buf_free(&b);
}

static void test_no_memory(void **state)
{
#if SANITIZED
	(void)state;
	skip(); /* sanitizers need all the addresses */
#else
	struct fixture *f = *state;
	struct rlimit old, low;
	struct buf b = BUF_INIT;
	int err;

	seal(f, KEYSLOT_PASSPHRASE, &b);
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	low = old;
	low.rlim_cur = 512u << 20;
	assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
	err = open_with_params(f, &b, 1, KEYSLOT_MEMORY_KIB_MAX);
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	assert_int_equal(err, -ENOMEM);
	buf_free(&b);
#endif
}

static void test_malformed(void **state)
{
	struct fixture *f = *state;
	struct buf b = BUF_INIT;
	enum keyslot_kind kind;

	seal(f, KEYSLOT_KEY_FILE, &b);
	b.data[8] = 0;
	assert_int_equal(keyslot_kind(b.data, b.len, &kind), -EPROTONOSUPPORT);
	b.data[8] = 5;
	assert_int_equal(open_slot(b.data, b.len, &f->cred[KEYSLOT_KEY_FILE]), -EPROTONOSUPPORT);
	b.data[8] = KEYSLOT_KEY_FILE;
	b.data[10] = 1;
	assert_int_equal(open_slot(b.data, b.len, &f->cred[KEYSLOT_KEY_FILE]), -EBADMSG);
	b.data[10] = 0;
	b.data[12] = 1; /* passes, where there is no passphrase */
	assert_int_equal(open_slot(b.data, b.len, &f->cred[KEYSLOT_KEY_FILE]), -EBADMSG);
	b.data[12] = 0;
	le32enc(b.data + 52, UINT32_MAX);
	le32enc(b.data + 56, UINT32_MAX);
	assert_int_equal(open_slot(b.data, b.len, &f->cred[KEYSLOT_KEY_FILE]), -EBADMSG);
	le32enc(b.data + 52, (uint32_t)b.len - HEADER_LEN);
	le32enc(b.data + 56, 0);
	assert_int_equal(open_slot(b.data, b.len, &f->cred[KEYSLOT_KEY_FILE]), -EBADMSG);
	b.len = HEADER_LEN;
	le32enc(b.data + 52, 0);
	assert_int_equal(open_slot(b.data, b.len, &f->cred[KEYSLOT_KEY_FILE]), -EBADMSG);
	assert_int_equal(buf_reserve(&b, KEYSLOT_MAX), 0);
	memset(b.data + b.len, 0, KEYSLOT_MAX);
	b.len = KEYSLOT_MAX + 1;
	le32enc(b.data + 56, KEYSLOT_MAX + 1 - HEADER_LEN);
	assert_int_equal(open_slot(b.data, b.len, &f->cred[KEYSLOT_KEY_FILE]), -EBADMSG);
	buf_free(&b);
}

static int try_seal(struct fixture *f, const struct credentials *cred, const struct keyslot_params *params)
{
	struct buf b = BUF_INIT;
	int err = keyslot_seal(f->secrets, cred, params, CIPHER_XCHACHA20_POLY1305, &f->metadata, &f->label, &b);

	assert_int_equal(err == 0, b.len != 0);
	buf_free(&b);
	return err;
}

static void test_seal_errors(void **state)
{
	struct fixture *f = *state;
	struct box_public low_order = { { 1 } };
	struct keyslot_params p = f->params;
	struct credentials c = { 0 };
	struct buf b = BUF_INIT;

	assert_int_equal(try_seal(f, &c, &p), -EINVAL);
	c.passphrase = "";
	assert_int_equal(try_seal(f, &c, &p), -EINVAL);
	c = f->cred[KEYSLOT_KEY_FILE];
	c.key_file_len = KEY_FILE_MIN - 1;
	assert_int_equal(try_seal(f, &c, &p), -EINVAL);
	c.key_file_len = KEY_FILE_MIN;
	assert_int_equal(try_seal(f, &c, &p), 0);
	c.key_file_len = KEY_FILE_MAX + 1;
	assert_int_equal(try_seal(f, &c, &p), -EINVAL);
	c = f->cred[KEYSLOT_BOTH]; /* one factor that is no good is not left out in silence */
	c.passphrase_len = 0;
	assert_int_equal(try_seal(f, &c, &p), -EINVAL);
	c = f->cred[KEYSLOT_PASSPHRASE];
	p.passes = 0;
	assert_int_equal(try_seal(f, &c, &p), -EINVAL);
	p.passes = KEYSLOT_PASSES_MAX + 1;
	assert_int_equal(try_seal(f, &c, &p), -EINVAL);
	p.passes = 1;
	p.memory_kib = KEYSLOT_MEMORY_KIB_MAX + 1;
	assert_int_equal(try_seal(f, &c, &p), -EINVAL);
	p.recipient = &low_order;
	assert_int_equal(try_seal(f, &c, &p), -EINVAL);
	assert_int_equal(keyslot_seal(f->secrets, &c, &f->params, CIPHER_XCHACHA20_POLY1305, &low_order, &f->label, &b),
	    -EINVAL);
	assert_int_equal(
	    keyslot_seal(f->secrets, &c, &f->params, (enum cipher)9, &f->metadata, &f->label, &b), -ENOTSUP);
	assert_int_equal(b.len, 0);
}

/* Put the sealed ${text} as label into a slot of its own and read it. */
static int seal_and_read(struct fixture *f, const struct buf *text, struct keyslot_label *out)
{
	size_t len = text->len + CRYPT_BLOB_OVERHEAD;
	struct buf b = BUF_INIT;
	int err;

	assert_int_equal(buf_reserve(&b, HEADER_LEN + len), 0);
	memset(b.data, 0, HEADER_LEN);
	memcpy(b.data, "VARVEKS1\2", 9);
	le32enc(b.data + 52, (uint32_t)len);
	crypt_seal_blob(CIPHER_XCHACHA20_POLY1305, &f->metadata, b.data, HEADER_LEN, text->data, text->len,
	    b.data + HEADER_LEN);
	b.len = HEADER_LEN + len;
	err = read_label(f, b.data, b.len, out);
	buf_free(&b);
	return err;
}

static void put_label(struct buf *b, uint32_t role, const char *name, size_t len)
{
	buf_clear(b);
	assert_int_equal(tlv_put_u32(b, LABEL_ROLE, role), 0);
	assert_int_equal(tlv_put(b, LABEL_NAME, name, len), 0);
	assert_int_equal(tlv_put_u64(b, LABEL_CREATED, 1), 0);
}

static void test_label(void **state)
{
	struct fixture *f = *state;
	struct keyslot_label label;
	struct buf b = BUF_INIT;
	char name[256], long_cert[CERT_MAX + 1];

	memset(name, 'n', sizeof(name));
	memset(long_cert, 'c', sizeof(long_cert));
	put_label(&b, ROLE_WRITER, name, 255);
	assert_int_equal(seal_and_read(f, &b, &label), 0);
	assert_int_equal(strlen(label.name), 255);
	put_label(&b, ROLE_WRITER, name, 0);
	assert_int_equal(seal_and_read(f, &b, &label), 0);
	assert_string_equal(label.name, "");
	assert_int_equal(label.cert.len, 0);
	put_label(&b, ROLE_WRITER, name, 256);
	assert_int_equal(seal_and_read(f, &b, &label), -EBADMSG);
	put_label(&b, ROLE_WRITER, "a\0b", 3);
	assert_int_equal(seal_and_read(f, &b, &label), -EBADMSG);
	put_label(&b, 5, "a", 1);
	assert_int_equal(seal_and_read(f, &b, &label), -EPROTONOSUPPORT);
	put_label(&b, ROLE_WRITER, "a", 1);
	assert_int_equal(tlv_put(&b, LABEL_CERT, "", 0), 0);
	assert_int_equal(seal_and_read(f, &b, &label), -EBADMSG);
	put_label(&b, ROLE_WRITER, "a", 1);
	assert_int_equal(tlv_put(&b, LABEL_CERT, long_cert, sizeof(long_cert)), 0);
	assert_int_equal(seal_and_read(f, &b, &label), -EBADMSG);
	put_label(&b, ROLE_WRITER, "a", 1);
	assert_int_equal(tlv_put(&b, LABEL_CERT, long_cert, CERT_MAX), 0);
	assert_int_equal(seal_and_read(f, &b, &label), 0);
	assert_int_equal(label.cert.len, CERT_MAX);
	keyslot_label_destroy(&label);
	put_label(&b, ROLE_WRITER, "a", 1);
	assert_int_equal(tlv_put(&b, LABEL_GRANT, "", 0), 0);
	assert_int_equal(seal_and_read(f, &b, &label), -EBADMSG);
	put_label(&b, ROLE_WRITER, "a", 1);
	assert_int_equal(tlv_put(&b, LABEL_GRANT + 1, "", 0), 0);
	assert_int_equal(seal_and_read(f, &b, &label), -EPROTONOSUPPORT);
	put_label(&b, ROLE_WRITER, "a", 1);
	assert_int_equal(tlv_put(&b, TLV_OPTIONAL, "", 0), 0);
	assert_int_equal(seal_and_read(f, &b, &label), 0);
	buf_clear(&b);
	assert_int_equal(tlv_put_u32(&b, LABEL_ROLE, ROLE_WRITER), 0);
	assert_int_equal(seal_and_read(f, &b, &label), -EBADMSG);
	buf_free(&b);
}

/* A recipient is whoever has the key file, all of it. */
static void test_recipient(void **state)
{
	static uint8_t file[KEY_FILE_MAX + 1];
	struct fixture *f = *state;
	struct box_secret sk, other;
	struct credentials cred = { .recipient = &sk };
	struct buf b = BUF_INIT;

	memset(file, 0x66, sizeof(file));
	assert_int_equal(keyslot_recipient(file, KEY_FILE_MIN - 1, &sk), -EINVAL);
	assert_int_equal(keyslot_recipient(file, KEY_FILE_MAX + 1, &sk), -EINVAL);
	assert_int_equal(keyslot_recipient(file, KEY_FILE_MAX, &other), 0);
	assert_int_equal(keyslot_recipient(file, KEY_FILE_MIN, &sk), 0);
	assert_memory_not_equal(&sk, &other, sizeof(sk));
	crypt_box_public(&sk, &f->recipient_pk);
	seal(f, KEYSLOT_RECIPIENT, &b);
	assert_int_equal(open_slot(b.data, b.len, &cred), 0);
	cred.recipient = &other;
	assert_int_equal(open_slot(b.data, b.len, &cred), -EKEYREJECTED);
	buf_free(&b);
}

static void test_recipient_vector(void **state)
{
	size_t len;
	uint8_t file[32], *secret = vector_bytes(vector_recipient_secret, &len);
	uint8_t *public = vector_bytes(vector_recipient_public, &len);
	struct box_secret sk;
	struct box_public pk;

	(void)state;
	memset(file, 0x66, sizeof(file));
	assert_int_equal(keyslot_recipient(file, sizeof(file), &sk), 0);
	assert_memory_equal(&sk, secret, sizeof(sk));
	crypt_box_public(&sk, &pk);
	assert_memory_equal(&pk, public, sizeof(pk));
	free(secret);
	free(public);
}

static void test_vectors(void **state)
{
	static const char *const hex[] = { vector_keyslot_both, vector_keyslot_recipient };
	struct credentials cred[2] = { { 0 } };
	struct box_secret metadata, recipient;
	struct box_public metadata_pk;
	struct keyslot_label label;
	struct buf b = BUF_INIT;
	uint8_t file[32], *bundle;
	size_t bundle_len;

	(void)state;
	memset(&metadata, 0x22, sizeof(metadata));
	crypt_box_public(&metadata, &metadata_pk);
	memset(&recipient, 0x99, sizeof(recipient));
	memset(file, 0x66, sizeof(file));
	cred[0].passphrase = PASSPHRASE;
	cred[0].passphrase_len = strlen(PASSPHRASE);
	cred[0].key_file = file;
	cred[0].key_file_len = sizeof(file);
	cred[1].recipient = &recipient;
	bundle = vector_bytes(vector_bundle, &bundle_len);
	for (size_t i = 0; i < 2; i++) {
		struct secrets *s = NULL;
		size_t len;
		uint8_t *slot = vector_bytes(hex[i], &len);

		assert_int_equal(keyslot_open(slot, len, &cred[i], &s), 0);
		buf_clear(&b);
		assert_int_equal(secrets_encode(s, &b), 0);
		assert_int_equal(b.len, bundle_len);
		assert_memory_equal(b.data, bundle, bundle_len);
		secrets_free(s);
		assert_int_equal(
		    keyslot_label(slot, len, CIPHER_XCHACHA20_POLY1305, &metadata_pk, &metadata, &label), 0);
		assert_string_equal(label.name, "vector");
		assert_int_equal(label.role, ROLE_OWNER);
		assert_int_equal(label.created_ns, -1);
		free(slot);
	}
	buf_wipe(&b);
	free(bundle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sealed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_credentials, setup, teardown),
		cmocka_unit_test_setup_teardown(test_suits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tamper, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seal_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_label, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recipient, setup, teardown),
		cmocka_unit_test(test_recipient_vector),
		cmocka_unit_test(test_vectors),
	};

	if (crypt_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
