/*
 * generation_decode() over arbitrary bytes; and generation_open() over the same as an object, as it is and signed
 * rightly, with what is in it for a reader.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/keys/generation.h"
#include "repo/crypt/signed_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER_LEN 16

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void check(const struct generation *g, const struct box_public *own)
{
	need(g->number > 0 && g->number <= GENERATION_NUMBER_MAX);
	need((g->own != NULL) == (g->own_len > 0));
	if (g->own != NULL)
		need(g->nenvelopes > 0 && memcmp(g->own, own, sizeof(*own)) == 0);
}

static int open_object(const void *data, size_t size, const struct secrets *s, const struct box_public *own)
{
	struct generation_secrets secrets;
	struct id id = { { 0 } };
	struct generation g;
	int rc = generation_open(data, size, s, &g);

	if (rc == 0) {
		check(&g, own);
		generation_secrets(&g, s, &id, &secrets);
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t header[HEADER_LEN] = "VARVEGN1";
	struct secrets s = { .role = ROLE_READER, .mask = SECRET_METADATA | SECRET_DATA | SECRET_OBJECT_ID };
	static uint8_t grant;
	struct sign_secret owner;
	struct buf b = BUF_INIT, object = BUF_INIT;
	struct box_public own;
	struct generation g;

	if (crypt_init() != 0)
		return 0;
	memset(&owner, 0x55, sizeof(owner));
	crypt_sign_public(&owner, &s.owner_public);
	memset(&s.renewal, 0x77, sizeof(s.renewal));
	crypt_box_public(&s.renewal, &own);
	s.grant = (struct buf){ .data = &grant, .len = 1 };
	if (generation_decode(data, size, &own, &g) == 0)
		check(&g, &own);
	open_object(data, size, &s, &own);
	/* What stands before the signature, signed anew. */
	if (size >= HEADER_LEN + sizeof(struct signature) && memcmp(data, header, HEADER_LEN) == 0) {
		need(buf_append(&b, data + HEADER_LEN, size - HEADER_LEN - sizeof(struct signature)) == 0);
	} else {
		need(buf_append(&b, data, size) == 0);
	}
	need(signed_fields_seal(&owner, GENERATION_CONTEXT, s.repo_id, &b) == 0);
	need(buf_append(&object, header, HEADER_LEN) == 0 && buf_append(&object, b.data, b.len) == 0);
	need(open_object(object.data, object.len, &s, &own) != -EKEYREJECTED);
	buf_free(&object);
	buf_free(&b);
	return 0;
}
