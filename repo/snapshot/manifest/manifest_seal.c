/*
 * Sealing and opening of manifests: signature, certificate, seal, id.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/crypt/signed_fields.h"
#include "repo/snapshot/manifest/manifest_impl.h"

#define MAGIC "VARVESN1"
#define MAGIC_LEN 8
#define HEADER_LEN 16

/* May the holder of the certificate make this snapshot? */
static bool covers(const struct cert *c, const struct manifest *m)
{
	return cert_covers(c, m->time_ns, m->host, (const char *const *)m->tags, m->ntags) == CERT_COVERS;
}

/* Put the certificate in, if it is one for this snapshot. */
static int set_cert(struct manifest *m, const struct secrets *s)
{
	struct cert cert;
	int rc;

	rc = cert_open(s->cert.data, s->cert.len, &s->owner_public, &cert);
	if (rc == -EBADMSG)
		rc = -EKEYREJECTED;
	if (rc < 0)
		return rc;
	if (!covers(&cert, m))
		rc = -EKEYREJECTED;
	if (rc == 0) {
		buf_clear(&m->cert);
		rc = buf_append(&m->cert, s->cert.data, s->cert.len);
	}
	cert_destroy(&cert);
	return rc;
}

int manifest_seal(struct manifest *m, const struct secrets *s, const struct seal_domain *metadata, struct buf *out,
    struct id *id)
{
	static const uint8_t header[HEADER_LEN] = MAGIC;
	struct buf plain = BUF_INIT;
	uint8_t *object;
	size_t len;
	int rc = -EACCES;

	if (!(s->mask & SECRET_SIGNING) || !metadata->can_seal)
		goto out;
	rc = m->host == NULL ? -EINVAL : set_cert(m, s);
	if (rc == 0)
		rc = manifest_encode(m, &plain);
	if (rc == 0)
		rc = signed_fields_seal(&s->signing, MANIFEST_CONTEXT, s->repo_id, &plain);
	if (rc < 0)
		goto out;
	len = HEADER_LEN + plain.len + CRYPT_BLOB_OVERHEAD;
	rc = len > MANIFEST_MAX ? -EFBIG : buf_reserve(out, len);
	if (rc < 0)
		goto out;
	object = out->data + out->len;
	memcpy(object, header, HEADER_LEN);
	seal_blob(metadata, header, HEADER_LEN, plain.data, plain.len, object + HEADER_LEN);
	out->len += len;
	snapshot_id_make(s, object, len, m->time_ns, id);
out:
	buf_free(&plain);
	return rc;
}

/* Are these the bytes of that id, and of a format that is known? */
static int check_object(const uint8_t *data, size_t len, const struct id *id)
{
	static const uint8_t header[HEADER_LEN] = MAGIC;
	struct id hash;

	if (len > MANIFEST_MAX || len < HEADER_LEN + CRYPT_BLOB_OVERHEAD + sizeof(struct signature))
		return -EBADMSG;
	crypt_hash(data, len, &hash);
	if (memcmp(hash.b, id->b, SNAPSHOT_HASH_LEN) != 0)
		return -EBADMSG;
	if (memcmp(data, header, HEADER_LEN) == 0)
		return 0;
	/* The digit at the end of the magic is the version. */
	if (memcmp(data, header, MAGIC_LEN - 1) == 0 && data[MAGIC_LEN - 1] != header[MAGIC_LEN - 1])
		return -EPROTONOSUPPORT;
	return -EBADMSG;
}

/* Certificate and signature: was this writer entitled to, and is it he who wrote it? */
static int check_writer(struct manifest *m, const struct secrets *s, const void *fields, size_t len,
    const struct signature *sig)
{
	struct cert cert;
	int rc;

	rc = cert_open(m->cert.data, m->cert.len, &s->owner_public, &cert);
	if (rc == -EBADMSG)
		rc = -EKEYREJECTED;
	if (rc < 0)
		return rc;
	/* It has been authenticated, so these are the bytes that were put: no damage, but somebody else's signature. */
	rc = covers(&cert, m) ? signed_fields_verify(&cert.key, MANIFEST_CONTEXT, s->repo_id, fields, len, sig) :
				-EKEYREJECTED;
	if (rc == 0) {
		m->writer = cert.name;
		m->writer_key = cert.key;
		m->writer_expires_ns = cert.expires_ns;
		cert.name = NULL;
	}
	cert_destroy(&cert);
	return rc;
}

static int open_fields(const struct buf *plain, const struct id *id, const struct secrets *s, struct manifest *m)
{
	struct signature sig;
	size_t len;
	int rc = signed_fields_split(plain, &len, &sig);

	if (rc == 0)
		rc = manifest_decode(plain->data, len, m);
	if (rc == 0 && snapshot_id_time(s, id) != m->time_ns)
		rc = -EBADMSG;
	return rc == 0 ? check_writer(m, s, plain->data, len, &sig) : rc;
}

int manifest_open(const void *data, size_t len, const struct id *id, const struct secrets *s,
    const struct seal_domain *metadata, struct manifest *out)
{
	const uint8_t *bytes = data;
	struct buf plain = BUF_INIT;
	struct manifest m;
	int rc;

	manifest_init(&m);
	rc = check_object(bytes, len, id);
	if (rc == 0)
		rc = buf_reserve(&plain, len - HEADER_LEN - CRYPT_BLOB_OVERHEAD);
	if (rc < 0)
		goto out;
	plain.len = len - HEADER_LEN - CRYPT_BLOB_OVERHEAD;
	rc = seal_open_blob(metadata, bytes, HEADER_LEN, bytes + HEADER_LEN, len - HEADER_LEN, plain.data);
	if (rc == 0)
		rc = open_fields(&plain, id, s, &m);
out:
	buf_free(&plain);
	if (rc < 0)
		manifest_destroy(&m);
	else
		*out = m;
	return rc;
}
