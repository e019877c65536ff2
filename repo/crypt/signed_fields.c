/*
 * Signed fields.  See signed_fields.h.
 */
#include "repo/crypt/signed_fields.h"

#include <errno.h>
#include <string.h>

static int signed_bytes(const uint8_t repo_id[16], const void *fields, size_t len, struct buf *out)
{
	int rc = buf_append(out, repo_id, 16);

	return rc == 0 ? buf_append(out, fields, len) : rc;
}

int signed_fields_seal(const struct sign_secret *key, const char *context, const uint8_t repo_id[16],
    struct buf *fields)
{
	struct buf bytes = BUF_INIT;
	struct signature sig;
	int rc = signed_bytes(repo_id, fields->data, fields->len, &bytes);

	if (rc == 0) {
		crypt_sign(key, context, bytes.data, bytes.len, &sig);
		rc = buf_append(fields, sig.b, sizeof(sig.b));
	}
	buf_free(&bytes);
	return rc;
}

int signed_fields_split(const struct buf *plain, size_t *fields_len, struct signature *sig)
{
	if (plain->len < sizeof(sig->b))
		return -EBADMSG;
	*fields_len = plain->len - sizeof(sig->b);
	memcpy(sig->b, plain->data + *fields_len, sizeof(sig->b));
	return 0;
}

int signed_fields_verify(const struct sign_public *key, const char *context, const uint8_t repo_id[16],
    const void *fields, size_t len, const struct signature *sig)
{
	struct buf bytes = BUF_INIT;
	int rc = signed_bytes(repo_id, fields, len, &bytes);

	if (rc == 0 && crypt_verify(key, context, bytes.data, bytes.len, sig) < 0)
		rc = -EKEYREJECTED;
	buf_free(&bytes);
	return rc;
}

int signed_fields_open(const struct sign_public *key, const char *context, const uint8_t repo_id[16],
    const void *data, size_t len, size_t *fields_len)
{
	struct signature sig;

	if (len < sizeof(sig.b))
		return -EBADMSG;
	*fields_len = len - sizeof(sig.b);
	memcpy(sig.b, (const uint8_t *)data + *fields_len, sizeof(sig.b));
	return signed_fields_verify(key, context, repo_id, data, *fields_len, &sig);
}
