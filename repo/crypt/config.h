/*
 * The object "config": what a repository is.  Readable without a key (it holds public keys and sizes only), signed by
 * the owner's key; the bundles of all roles pin that key, so that another config under the same name is noticed.
 *
 *   0  magic "VARVECF1"                    8
 *   8  format version, le32                4
 *  12  length of the fields, le32          4
 *  16  fields (TLV)
 *      signature (64): Ed25519 over all bytes before it, context "varve config"
 */
#ifndef VARVE_CRYPT_CONFIG_H
#define VARVE_CRYPT_CONFIG_H

#include "repo/crypt/keys/secrets.h"
#include "repo/util/bytes/buf.h"

#define FORMAT_VERSION 1
#define CONFIG_MAX (16 * 1024) /* bytes */
#define CONFIG_CONTEXT "varve config"

/* The fields of config, each exactly once (tlv.h) but for the last; integers little-endian. */
enum config_tag {
	CONFIG_REPO_ID = 1,      /* 16 bytes, random */
	CONFIG_CIPHER = 2,       /* le32, enum cipher */
	CONFIG_OWNER = 3,        /* 32 bytes, Ed25519 public key: signs config and certificates */
	CONFIG_METADATA = 4,     /* 32 bytes, X25519 public key: tree packs, index, manifests, labels */
	CONFIG_DATA = 5,         /* 32 bytes, X25519 public key: data packs */
	CONFIG_CREATED = 6,      /* le64, nanoseconds since 1970, two's complement */
	CONFIG_CHUNK_AVG = 7,    /* le32, bytes, a power of two, CHUNK_AVG_MIN to CHUNK_AVG_MAX */
	CONFIG_SEGMENT_SIZE = 8, /* le32, bytes, SEGMENT_SIZE_MIN to SEGMENT_SIZE_MAX */
	CONFIG_PACK_SIZE = 9,    /* le32, bytes, PACK_SIZE_MIN to PACK_SIZE_MAX */
	CONFIG_GRACE = 10,       /* le32, seconds, 1 to GRACE_MAX; GRACE_DEFAULT where the field is not there */
};

#define CHUNK_AVG_MIN (16u * 1024)
#define CHUNK_AVG_MAX (2u * 1024 * 1024)
#define CHUNK_AVG_DEFAULT (512u * 1024)
#define SEGMENT_SIZE_MIN (4u * 1024)
#define SEGMENT_SIZE_MAX (1u * 1024 * 1024)
#define SEGMENT_SIZE_DEFAULT (256u * 1024)
#define SEGMENTS_PER_CHUNK_MAX 64 /* that a place record can have (pack/place.h) */
#define PACK_SIZE_MIN (1u * 1024 * 1024)
#define PACK_SIZE_MAX (256u * 1024 * 1024)
#define PACK_SIZE_DEFAULT (32u * 1024 * 1024)
#define GRACE_MAX (366u * 86400)
#define GRACE_DEFAULT 86400u

struct config {
	uint32_t version;
	uint8_t repo_id[16];
	enum cipher cipher;
	struct sign_public owner;
	struct box_public metadata;
	struct box_public data;
	int64_t created_ns;
	uint32_t chunk_avg;    /* bytes, a power of two; minimum chunk is a quarter, maximum four times that */
	uint32_t segment_size; /* bytes of plaintext a segment holds at most */
	uint32_t pack_size;    /* bytes at which a pack is closed */
	uint32_t grace_s;      /* seconds; 0: GRACE_DEFAULT */
};

/*
 * The grace: the least time between the moment at which a pack is doomed and that at which it may be deleted, by which
 * writers go (doomed/doomed.h).  In seconds.
 */
static inline uint32_t config_grace_s(const struct config *c)
{
	return c->grace_s ? c->grace_s : GRACE_DEFAULT;
}

/**
 * config_encode(c, owner, out):
 * Append ${c} to ${out}, signed by ${owner}, in version FORMAT_VERSION (whatever ${c->version} says).  Return 0;
 * -EINVAL if config_decode() would not take it (a value out of bounds, ${owner} not the secret of ${c->owner});
 * -ENOMEM.
 */
int config_encode(const struct config *c, const struct sign_secret *owner, struct buf *out);

/**
 * config_decode(data, len, out):
 * Return 0; -EBADMSG if it is no varve config, damaged, its signature is wrong, or a value is out of bounds;
 * -EPROTONOSUPPORT (with ${out->version} set) if its version is newer than FORMAT_VERSION or it has a mandatory field
 * that this program does not know.
 */
int config_decode(const void *data, size_t len, struct config *out);

/* Does the bundle belong to this repository, signed by its owner?  0, or -EKEYREJECTED. */
int config_matches(const struct config *c, const struct secrets *s);

#endif
