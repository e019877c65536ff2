/*
 * Snapshot manifests: what a snapshot is, sealed to the metadata key and signed by its writer.
 *
 * Object "snapshots/<id>":
 *
 *   0  magic "VARVESN1"                8
 *   8  zero                            8
 *  16  sealed blob in the metadata domain (associated data: bytes 0..16): fields (TLV), then 64 bytes of Ed25519
 *      signature by the writer's key over "varve snapshot" NUL repository id (16) fields
 *
 * The id (32 bytes) is the first 24 bytes of the BLAKE2b-256 of the object, then the time (ns since 1970, be64, two's
 * complement) XORed with the first 8 bytes of the keyed BLAKE2b-256 (key: derived from the metadata secret for "varve
 * snapshot time") of those 24.  So who holds the metadata secret can name and order all snapshots from a listing of
 * the store, without reading one manifest; to others it is a random number.  A name whose time is not that of its
 * manifest is damage.
 *
 * MANIFEST_TIME, _HOST, _ROOT and _CERT are always there; another field that is not is 0 or empty.  Only _PATH and
 * _TAG repeat.
 */
#ifndef VARVE_SNAPSHOT_MANIFEST_H
#define VARVE_SNAPSHOT_MANIFEST_H

#include "repo/crypt/seal.h"
#include "repo/tree/entry.h"
#include "repo/util/bytes/buf.h"
#include "repo/util/bytes/tlv.h"

#define SNAPSHOT_HASH_LEN 24 /* bytes of an id that are the object's hash; the time is behind them */
#define MANIFEST_MAX (1024 * 1024) /* bytes of the object */
#define MANIFEST_STRING_MAX 4096   /* bytes of a host, user, tag, profile, program */
#define MANIFEST_PATH_MAX (64 * 1024) /* bytes of a path */
#define MANIFEST_LIST_MAX 4096     /* paths, tags */
#define MANIFEST_ZONE_MAX 86400    /* seconds */
#define MANIFEST_CONTEXT "varve snapshot"
#define SNAPSHOT_NAME_SIZE 80

enum manifest_tag {
	MANIFEST_TIME = 1,         /* le64, ns since 1970: begin of the backup, or what --time said */
	MANIFEST_ZONE = 2,         /* le32, seconds east of UTC at the source */
	MANIFEST_HOST = 3,         /* bytes */
	MANIFEST_USER = 4,
	MANIFEST_PATH = 5,         /* repeats: a source path as given, made absolute */
	MANIFEST_TAG = 6,          /* repeats */
	MANIFEST_PROFILE = 7,
	MANIFEST_PARENT = 8,       /* 32: snapshot it was compared with */
	MANIFEST_PREVIOUS = 9,     /* 32: newest snapshot of the same host that the writer saw (chain) */
	MANIFEST_PROGRAM = 10,     /* "varve 0.1.0" */
	MANIFEST_ROOT = 11,        /* a level-0 tree page with one entry named "root": the root directory */
	MANIFEST_UNREADABLE = 12,  /* le64: items that could not be read; > 0: the snapshot is partial */
	MANIFEST_FILES = 13,       /* le64 counts: regular files */
	MANIFEST_DIRS = 14,
	MANIFEST_OTHERS = 15,      /* symlinks, devices, fifos, sockets */
	MANIFEST_BYTES = 16,       /* le64: sum of file sizes without holes */
	MANIFEST_ADDED = 17,       /* le64: new plaintext bytes */
	MANIFEST_STORED = 18,      /* le64: bytes that this backup put to the store */
	MANIFEST_DURATION = 19,    /* le64: ns */
	MANIFEST_CERT = 20,        /* the writer's certificate (secrets.h) */
	MANIFEST_ROOT_PLACE = TLV_OPTIONAL + 1, /* hint: pack id (32), wrapped key (80), place record of root page */
	MANIFEST_ROOT_PACK_SIZE = TLV_OPTIONAL + 2, /* hint: le32, bytes of that pack */
};

struct manifest {
	int64_t time_ns;
	int32_t zone_s;
	char *host, *user, *profile, *program; /* owned; may be NULL but for host */
	char **paths, **tags;                  /* owned lists */
	uint32_t npaths, ntags;
	bool has_parent, has_previous;
	struct id parent, previous;
	struct buf root_page;                  /* MANIFEST_ROOT */
	struct tree_entry root;                /* decoded from it; pointers into root_page */
	uint64_t unreadable, files, dirs, others, bytes, added, stored;
	int64_t duration_ns;
	struct buf root_place;                 /* MANIFEST_ROOT_PLACE; empty: none */
	uint32_t root_pack_size;               /* MANIFEST_ROOT_PACK_SIZE; 0: not known */
	struct buf cert;                       /* encoded certificate */
	/* After manifest_open(), of the certificate: */
	char *writer;                          /* name; owned */
	struct sign_public writer_key;
	int64_t writer_expires_ns;             /* 0: never */
};

void manifest_init(struct manifest *m);
void manifest_destroy(struct manifest *m);

/* Copy a string into one of the lists.  Return 0, -EINVAL if too long or too many, -ENOMEM. */
int manifest_add_path(struct manifest *m, const char *path);
int manifest_add_tag(struct manifest *m, const char *tag);

/*
 * Encode the root directory's entry (its name is replaced by "root") into ${m->root_page} and ${m->root}.  Return 0;
 * -EINVAL if it is no valid directory entry; -ENOMEM.
 */
int manifest_set_root(struct manifest *m, const struct tree_entry *root);

/* Store name of a snapshot; and back (0 or -EINVAL). */
char *snapshot_object_name(const struct id *id, char out[SNAPSHOT_NAME_SIZE]);
int snapshot_object_parse(const char *name, struct id *id);

/* Time in ns that the id carries, for holders of the metadata secret. */
int64_t snapshot_id_time(const struct secrets *s, const struct id *id);

/**
 * manifest_seal(m, s, metadata, out, id):
 * Encode, sign with ${s}' signing key (its certificate is put in), seal; append the object to ${out} and give its id.
 * Return 0; -EACCES if ${s} cannot sign or seal; -EKEYREJECTED if its certificate does not cover this snapshot (host,
 * tags, time); -EINVAL if a field is missing or out of bounds; -EFBIG if the object would pass MANIFEST_MAX; -ENOMEM.
 */
int manifest_seal(struct manifest *m, const struct secrets *s, const struct seal_domain *metadata, struct buf *out,
    struct id *id);

/**
 * manifest_open(data, len, id, s, metadata, out):
 * Open, verify hash, time, certificate (against ${s->owner_public}) and its limits of host, tag and time, signature,
 * and decode.  On success ${out} is the caller's (manifest_destroy), else untouched.  Return 0; -EBADMSG;
 * -EKEYREJECTED if the writer was not entitled to (certificate not by this owner, or another's; expired at the
 * snapshot's time; other host or tags); -EPROTONOSUPPORT; -EACCES; -ENOTSUP if this machine cannot do the cipher;
 * -ENOMEM.
 */
int manifest_open(const void *data, size_t len, const struct id *id, const struct secrets *s,
    const struct seal_domain *metadata, struct manifest *out);

/*
 * The parser of the opened fields (for fuzzing too).  On success ${out} is the caller's, else untouched.  Return 0,
 * -EBADMSG, -EPROTONOSUPPORT, -ENOMEM.
 */
int manifest_decode(const void *data, size_t len, struct manifest *out);

#endif
