/*
 * Checksums of what is sent, and of what the server says it has stored.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/crypt.h"
#include "repo/store/s3/s3_impl.h"
#include "repo/util/bytes/id.h"
#include "repo/util/bytes/md5.h"

#define PIECE (128u * 1024)

static void finish(struct sha256 *h, struct s3_sum *out)
{
	sha256_final(h, out->sha256);
	hex_encode(out->sha256, sizeof(out->sha256), out->hex);
	crypt_base64(out->sha256, sizeof(out->sha256), out->base64);
}

void s3_sum_bytes(const void *data, size_t len, struct s3_sum *out)
{
	struct sha256 h;

	sha256_init(&h);
	sha256_update(&h, data, len);
	finish(&h, out);
}

/* Give all the bytes to one of the two hashes that are not NULL. */
static int hash_spool(struct store_s3 *s, const char *name, const struct spool *spool, uint64_t off, uint64_t len,
    struct sha256 *sha256, struct md5 *md5)
{
	uint8_t *piece = malloc(PIECE);
	size_t n;
	int rc = piece != NULL ? 0 : -ENOMEM;

	for (; rc == 0 && len > 0; off += n, len -= n) {
		n = len < PIECE ? (size_t)len : PIECE;
		rc = spool_read(spool, off, piece, n);
		if (rc == 0 && sha256 != NULL)
			sha256_update(sha256, piece, n);
		if (rc == 0 && md5 != NULL)
			md5_update(md5, piece, n);
	}
	free(piece);
	if (rc != 0)
		log_error(s->base.log, "%s/%s: put: read what is to be sent: %s", s->base.url, name, ERR(rc));
	return rc;
}

int s3_sum(struct store_s3 *s, const char *name, const struct spool *spool, uint64_t off, uint64_t len,
    struct s3_sum *out)
{
	struct sha256 h;
	int rc;

	sha256_init(&h);
	rc = hash_spool(s, name, spool, off, len, &h, NULL);
	if (rc == 0)
		finish(&h, out);
	return rc;
}

/*
 * Is the ETag of this reply the MD5 of the bytes? Where the service's own keys encrypt, or the customer's, it is not.
 */
static bool etag_is_md5(const struct http_reply *r, uint8_t md5[MD5_LEN])
{
	char etag[80], with[64];
	const char *hex = etag;

	if (!http_header(r, "ETag", etag, sizeof(etag)))
		return false;
	if (http_header(r, "x-amz-server-side-encryption", with, sizeof(with)) && strncmp(with, "aws:", 4) == 0)
		return false;
	if (http_header(r, "x-amz-server-side-encryption-customer-algorithm", with, sizeof(with)))
		return false;
	if (*hex == '"')
		hex++;
	if (strspn(hex, "0123456789abcdef") != 2 * MD5_LEN || (hex[2 * MD5_LEN] != '\0' && hex[2 * MD5_LEN] != '"'))
		return false;
	return hex_decode(hex, MD5_LEN, md5) == 0;
}

int s3_verify(struct store_s3 *s, const char *name, const struct spool *spool, uint64_t off, uint64_t len,
    const struct s3_sum *sum, const struct http_reply *r)
{
	uint8_t theirs[MD5_LEN], ours[MD5_LEN];
	char said[80];
	struct md5 md5;
	int rc;

	if (!s->config.checksum)
		return 0;
	if (http_header(r, "x-amz-checksum-sha256", said, sizeof(said))) {
		if (strcmp(said, sum->base64) == 0)
			return 0;
		goto differs;
	}
	if (!etag_is_md5(r, theirs))
		return 0;
	md5_init(&md5);
	rc = hash_spool(s, name, spool, off, len, NULL, &md5);
	if (rc != 0)
		return rc;
	md5_final(&md5, ours);
	if (memcmp(ours, theirs, MD5_LEN) == 0)
		return 0;
differs:
	return store_transient(&s->base, 0, "put %s: the server's checksum is not that of what was sent", name);
}
