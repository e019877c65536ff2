/*
 * What a role holds, and the certificates of writers.
 *
 *            owner  writer  reader  auditor
 *  object-id   x      x       x               keyed hash of chunks; the chunker's gear table derives from it
 *  metadata    x      x       x       x       X25519 secret: trees, index, manifests
 *  data        x              x               X25519 secret: file contents
 *  signing     x      x                       Ed25519 seed + certificate: publish snapshots
 *  owner       x                              Ed25519 seed: certify writers, sign config
 *
 * A bundle is the TLV form of struct secrets (enum secrets_tag), kept in a keyslot.
 *
 * A certificate is:
 *
 *   0  fields (TLV, enum cert_tag)
 *      signature (64): Ed25519 by the owner's key over the fields, context "varve certificate"
 */
#ifndef VARVE_CRYPT_SECRETS_H
#define VARVE_CRYPT_SECRETS_H

#include "repo/crypt/crypt.h"
#include "repo/util/bytes/buf.h"

enum role { ROLE_OWNER = 1, ROLE_WRITER = 2, ROLE_READER = 3, ROLE_AUDITOR = 4 };

enum secret_mask {
	SECRET_OBJECT_ID = 1,
	SECRET_METADATA = 2,
	SECRET_DATA = 4,
	SECRET_SIGNING = 8,
	SECRET_OWNER = 16,
};

/* The fields of a bundle, each at most once and exactly those that the role is given (tlv.h). */
enum secrets_tag {
	SECRETS_ROLE = 1,         /* le32, enum role */
	SECRETS_REPO_ID = 2,      /* 16 bytes, as in config */
	SECRETS_OWNER_PUBLIC = 3, /* 32 bytes, Ed25519 public key that config is signed by */
	SECRETS_OBJECT_ID = 4,    /* 32 bytes, BLAKE2b key */
	SECRETS_METADATA = 5,     /* 32 bytes, X25519 secret */
	SECRETS_DATA = 6,         /* 32 bytes, X25519 secret */
	SECRETS_SIGNING = 7,      /* 32 bytes, Ed25519 seed */
	SECRETS_OWNER = 8,        /* 32 bytes, Ed25519 seed */
	SECRETS_CERT = 9,         /* certificate of the public key of SECRETS_SIGNING; goes with that */
	SECRETS_RENEWAL = 10,     /* 32 bytes, X25519 secret */
	SECRETS_GRANT = 11,       /* grant of the public key of SECRETS_RENEWAL (grant.h); goes with that */
	SECRETS_GENERATION = 12,  /* number (le32), id (32), metadata secret (32), data public key (32), and the data
				     secret (32) if the role has it; repeats, by number and id */
};

/* The fields of a certificate; the first four are always there, once, the others may repeat. */
enum cert_tag {
	CERT_KEY = 1,     /* 32 bytes, Ed25519 public key */
	CERT_ISSUED = 2,  /* le64, nanoseconds since 1970, two's complement */
	CERT_EXPIRES = 3, /* le64, the same; 0: never */
	CERT_NAME = 4,    /* 1 to CERT_NAME_MAX bytes, no NUL */
	CERT_HOST = 5,    /* the same; repeats: only snapshots of hosts that match one of these patterns */
	CERT_TAG = 6,     /* the same; repeats: only snapshots with some of these tags, and no others */
};

#define CERT_CONTEXT "varve certificate"
#define CERT_NAME_MAX 255  /* bytes of a name, host or tag */
#define CERT_LIST_MAX 64   /* hosts, tags */
#define CERT_MAX (4 * 1024) /* bytes of an encoded certificate */

/*
 * A writer's public key as certified by the repository's owner.  Strings and lists are owned (cert_destroy()), of 1 to
 * CERT_NAME_MAX bytes each.
 */
struct cert {
	struct sign_public key;
	int64_t issued_ns;     /* since 1970 */
	int64_t expires_ns;    /* 0: never */
	char *name;            /* who */
	char **hosts, **tags;  /* limits: see enum cert_tag; none: any */
	uint32_t nhosts, ntags;
	struct signature signature; /* by the owner's key, over the fields above as encoded */
};

/* What a writer is limited to.  Borrowed; all zero: nothing. */
struct cert_limits {
	const char *const *hosts; /* patterns: "*" is any bytes, "?" is one, all others are themselves */
	const char *const *tags;
	size_t nhosts, ntags;
	int64_t expires_ns;       /* since 1970; 0: never */
};

/* Does a certificate cover a snapshot, and what is against it if not? */
enum cert_verdict { CERT_COVERS, CERT_EXPIRED, CERT_OTHER_HOST, CERT_OTHER_TAG };

#define GENERATIONS_MAX 64 /* of a repository, but for generation 0 */

/* What a role has of a generation of the secrets after the first (generation.h). */
struct generation_secrets {
	uint32_t number;               /* from 1 */
	struct id id;                  /* of the object that brought it */
	struct box_secret metadata;
	struct box_public data_public;
	struct box_secret data;        /* if the role has it */
};

struct secrets {
	enum role role;
	unsigned mask;                  /* which of the following are present */
	uint8_t repo_id[16];            /* always present: the repository this belongs to */
	struct sign_public owner_public; /* always present: pins the signer of config */
	struct hash_key object_id;
	struct box_secret metadata;
	struct box_secret data;
	struct sign_secret signing;
	struct sign_secret owner;
	struct buf cert;                /* encoded certificate of ${signing}; empty without it */
	struct box_secret renewal;
	struct buf grant;               /* of ${renewal}'s public key (grant.h); empty: there is neither */
	unsigned ngenerations;          /* by number and id; the last is the one to seal for */
	struct generation_secrets generations[GENERATIONS_MAX];
};

/* "owner", ...; NULL for an unknown value.  And back: 0 or -EINVAL. */
const char *role_name(enum role role);
int role_parse(const char *name, enum role *out);

/* What a role is given. */
unsigned role_mask(enum role role);

/* Allocate (in locked memory) and free.  Free wipes; nothing for NULL. */
struct secrets *secrets_new(void);
void secrets_free(struct secrets *s);

/**
 * secrets_generate(repo_id, name, now_ns):
 * All secrets of a new repository, as the owner's bundle, with a certificate for the owner's own signing key under
 * ${name} (1 to CERT_NAME_MAX bytes).  NULL with errno EINVAL for another name, ENOMEM if there is no memory.
 */
struct secrets *secrets_generate(const uint8_t repo_id[16], const char *name, int64_t now_ns);

/**
 * secrets_for_role(owner, role, name, limits, now_ns):
 * The bundle that ${owner} (an owner's) gives to ${role}; a writer (or a further owner) gets a signing key and a
 * certificate of its own, for ${name}, with ${limits} unless NULL.  For the other roles ${limits} say nothing, and
 * ${name} (which may be NULL) is in the grant only, cut to its length.  NULL with
 * errno EPERM if ${owner} is no owner's, EINVAL for an unknown role, a string that is empty or longer than
 * CERT_NAME_MAX, or limits that do not fit into a certificate, ENOMEM.
 */
struct secrets *secrets_for_role(const struct secrets *owner, enum role role, const char *name,
    const struct cert_limits *limits, int64_t now_ns);

/**
 * secrets_add_generation(s, g):
 * Take in a further generation.  Return 0; -EEXIST if it is there; -ENOSPC if there are GENERATIONS_MAX.
 */
int secrets_add_generation(struct secrets *s, const struct generation_secrets *g);

/* The number of the newest generation; 0: of the first. */
static inline uint32_t secrets_newest(const struct secrets *s)
{
	return s->ngenerations > 0 ? s->generations[s->ngenerations - 1].number : 0;
}

/* Encode into ${out} (wipe it when done).  Return 0 or -ENOMEM. */
int secrets_encode(const struct secrets *s, struct buf *out);

/**
 * secrets_decode(data, len, out):
 * Decode; ${*out} is owned by the caller.  Return 0; -EBADMSG (malformed, not exactly the secrets of its role, or keys
 * and certificate that do not belong together); -EPROTONOSUPPORT for an unknown role or mandatory field; -ENOMEM.
 */
int secrets_decode(const void *data, size_t len, struct secrets **out);

/**
 * cert_sign(c, owner, out):
 * Encode, sign with the owner's key (kept in ${c->signature} too) and append to ${out}.  Return 0; -EINVAL for a
 * missing name, a string that is empty or too long, a list that is, or more than CERT_MAX in all; -ENOMEM.
 */
int cert_sign(struct cert *c, const struct sign_secret *owner, struct buf *out);

/**
 * cert_open(data, len, owner, out):
 * Decode and verify against the owner's public key.  On success ${out} is the caller's (cert_destroy).  Return 0;
 * -EBADMSG if it is damaged or not signed by the owner; -EPROTONOSUPPORT; -ENOMEM.
 */
int cert_open(const void *data, size_t len, const struct sign_public *owner, struct cert *out);
void cert_destroy(struct cert *c);

/* Copy ${n} strings to the end of a list.  Return 0; -EINVAL if one is empty or too long, or the list; -ENOMEM. */
int cert_add_hosts(struct cert *c, const char *const *hosts, size_t n);
int cert_add_tags(struct cert *c, const char *const *tags, size_t n);

/**
 * cert_covers(c, time_ns, host, tags, ntags):
 * May the holder of the certificate make a snapshot of that time, host and tags?  By what the snapshot says of itself:
 * that it was not made later than it says is not told by this.
 */
enum cert_verdict cert_covers(const struct cert *c, int64_t time_ns, const char *host, const char *const *tags,
    size_t ntags);

/* Does ${host} match the pattern?  Time is bounded by the product of their lengths. */
bool cert_host_matches(const char *pattern, const char *host);

#endif
