/*
 * Keyslots over arbitrary bytes: framing, label and opening, with the credentials that fit the seeds of seed_crypt.c.
 * Each input is also given as the plaintext of a label, which a fuzzer could not seal.
 */
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/keys/keyslot.h"
#include "repo/util/bytes/le.h"

#define HEADER_LEN 60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_label(const void *data, size_t size)
{
	struct keyslot_label label;
	struct box_secret sk;
	struct box_public pk;

	memset(&sk, 0x22, sizeof(sk));
	crypt_box_public(&sk, &pk);
	if (keyslot_label(data, size, CIPHER_XCHACHA20_POLY1305, &pk, &sk, &label) != 0)
		return;
	if (!role_name(label.role) || strnlen(label.name, sizeof(label.name)) == sizeof(label.name))
		abort();
	if (label.cert.len > CERT_MAX)
		abort();
	keyslot_label_destroy(&label);
}

static void open_slot(const void *data, size_t size)
{
	struct credentials cred = { .passphrase = "fuzz", .passphrase_len = 4 };
	struct box_secret recipient;
	struct secrets *s = NULL;
	uint8_t file[32];

	memset(file, 0x66, sizeof(file));
	memset(&recipient, 0x99, sizeof(recipient));
	cred.key_file = file;
	cred.key_file_len = sizeof(file);
	cred.recipient = &recipient;
	if (keyslot_open(data, size, &cred, &s) == 0)
		secrets_free(s);
}

/* The input as a slot; Argon2id with a lot of memory would only cost time here. */
static void as_slot(const uint8_t *data, size_t size)
{
	struct buf b = BUF_INIT;
	enum keyslot_kind kind;

	(void)keyslot_kind(data, size, &kind);
	if (buf_append(&b, data, size) != 0 || size == 0)
		goto out;
	if (size >= 20) {
		uint32_t passes = le32dec(b.data + 12), memory_kib = le32dec(b.data + 16);

		if (passes > 2 && passes <= KEYSLOT_PASSES_MAX)
			le32enc(b.data + 12, 2);
		if (memory_kib > 64 && memory_kib <= KEYSLOT_MEMORY_KIB_MAX)
			le32enc(b.data + 16, 64);
	}
	open_slot(b.data, b.len);
	read_label(b.data, b.len);
out:
	buf_free(&b);
}

static void as_label(const uint8_t *data, size_t size)
{
	size_t len = size + CRYPT_BLOB_OVERHEAD;
	struct buf b = BUF_INIT;
	struct box_secret sk;
	struct box_public pk;

	memset(&sk, 0x22, sizeof(sk));
	crypt_box_public(&sk, &pk);
	if (buf_reserve(&b, HEADER_LEN + len) != 0)
		return;
	memset(b.data, 0, HEADER_LEN);
	memcpy(b.data, "VARVEKS1\2", 9);
	le32enc(b.data + 52, (uint32_t)len);
	crypt_seal_blob(CIPHER_XCHACHA20_POLY1305, &pk, b.data, HEADER_LEN, data, size, b.data + HEADER_LEN);
	read_label(b.data, HEADER_LEN + len);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (crypt_init() != 0)
		return 0;
	as_slot(data, size);
	as_label(data, size);
	return 0;
}
