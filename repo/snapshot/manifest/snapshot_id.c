/*
 * Ids of snapshots: names in the store that carry the time for those who hold the metadata secret.
 */
#include <errno.h>
#include <string.h>

#include "repo/snapshot/manifest/manifest_impl.h"

#define PREFIX "snapshots/"
#define PREFIX_LEN (sizeof(PREFIX) - 1)

char *snapshot_object_name(const struct id *id, char out[SNAPSHOT_NAME_SIZE])
{
	memcpy(out, PREFIX, PREFIX_LEN);
	id_hex(id, out + PREFIX_LEN);
	return out;
}

int snapshot_object_parse(const char *name, struct id *id)
{
	struct id parsed;
	int rc = -EINVAL;

	if (strncmp(name, PREFIX, PREFIX_LEN) == 0)
		rc = id_parse(name + PREFIX_LEN, &parsed);
	if (rc == 0)
		*id = parsed;
	return rc;
}

/* What the time is XORed with, from the hash part of the id. */
static uint64_t time_mask(const struct secrets *s, const struct id *id)
{
	struct hash_key key;
	struct id mask;
	uint64_t v = 0;

	crypt_derive(s->metadata.b, "varve snapshot time", key.b);
	crypt_object_id(&key, id->b, SNAPSHOT_HASH_LEN, &mask);
	for (int i = 0; i < 8; i++)
		v = v << 8 | mask.b[i];
	crypt_wipe(&key, sizeof(key));
	return v;
}

int64_t snapshot_id_time(const struct secrets *s, const struct id *id)
{
	uint64_t v = 0;

	for (int i = SNAPSHOT_HASH_LEN; i < ID_LEN; i++)
		v = v << 8 | id->b[i];
	return (int64_t)(v ^ time_mask(s, id));
}

void snapshot_id_make(const struct secrets *s, const void *object, size_t len, int64_t time_ns, struct id *out)
{
	uint64_t v;

	crypt_hash(object, len, out);
	v = (uint64_t)time_ns ^ time_mask(s, out);
	for (int i = ID_LEN - 1; i >= SNAPSHOT_HASH_LEN; i--, v >>= 8)
		out->b[i] = (uint8_t)v;
}
