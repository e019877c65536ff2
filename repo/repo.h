/*
 * Repository: open it, unlock it, hold its parts together.  What is done with it is in backup/, restore/, check/,
 * query/.
 */
#ifndef VARVE_REPO_H
#define VARVE_REPO_H

#include "repo/crypt/keys/grant.h"
#include "repo/crypt/keys/keyslot.h"
#include "repo/crypt/seal.h"
#include "repo/generations.h"
#include "repo/index/index.h"
#include "repo/object/reader.h"
#include "repo/snapshot/catalog.h"
#include "repo/tree/tree.h"

/* The parts are the repository's (repo_close() frees them); use them, do not replace them. */
struct repo {
	const struct log *log;
	struct store *store;
	struct config config;
	struct id keyslot;               /* the keyslot that opened */
	enum keyslot_kind keyslot_kind;
	struct secrets *secrets;
	void *keys;                      /* locked memory that the next four point into */
	struct seal_domain *data;
	struct seal_domain *metadata;
	struct hash_key *object_id;      /* NULL if this role has none */
	struct hash_key *tree_id;
	struct generations *generations;
	struct index *index;
	struct revocations *revocations;
	struct witness *witness;               /* NULL without a cache directory */
	struct object_reader *reader;
	struct tree *tree;
	char *cache_dir;
	char *index_dir;                 /* parent of the index's environment; the same, but with replicas */
};

#define REPO_SEGMENT_CACHE_DEFAULT (48u * 1024 * 1024)
#define REPO_TREE_CACHE_DEFAULT (16u * 1024 * 1024)

/*
 * Asked for credentials once it is known that there is a repository to unlock (or that one can be made).  Fills
 * ${out} with pointers that stay valid until repo_open() or repo_init() returns.  0, or an error that these pass on.
 */
typedef int repo_credentials_fn(void *arg, struct credentials *out);

struct repo_options {
	struct store_options store; /* what its fields point to is borrowed until repo_close(); ${create} and ${log} are
				       not heeded */
	const char *cache_dir;     /* parent of the local index and of what is cached of remote stores; NULL: neither */
	uint64_t cache_bytes;      /* of a remote store, on the disk; 0: default */
	bool offline;              /* a remote store is not asked: only what is cached can be read */
	bool exact;                /* for who writes: what the store has now counts, never what it had when last seen */
	bool uncached;             /* a remote store is asked about everything, for who looks after it */
	bool trust;                /* what was seen of it before does not count any more (snapshot/witness/witness.h) */
	repo_credentials_fn *credentials;
	void *arg;
	size_t segment_cache_bytes; /* 0: default */
	size_t tree_cache_bytes;    /* 0: default */
	const struct log *log;
};

/**
 * repo_open(opts, out):
 * Open and unlock.  The keyslot that this machine used last is tried first.  Does not read the index; object_place()
 * or index_refresh() will.  Return 0; -ENOENT, -ENOTDIR if there is no repository (nothing there, or something else);
 * -EBADMSG if its config or keyslots are damaged, or it is not the repository that it was (witness_open());
 * -EPROTONOSUPPORT if it is of a newer version; -EKEYREJECTED if no keyslot opens, or with ${exact} one that was left
 * out when the secrets were rotated (repo/rotate.h); -ENOTSUP if this machine cannot do its cipher; what the store and
 * ${credentials} return.  Every failure has been logged.
 */
int repo_open(const struct repo_options *opts, struct repo **out);
void repo_close(struct repo *r);

struct repo_init_params {
	enum cipher cipher;     /* 0: default */
	uint32_t chunk_avg;     /* bytes; 0: default */
	uint32_t pack_size;     /* bytes; 0: default */
	uint32_t grace_s;       /* seconds; 0: default (config_grace_s()) */
	const char *owner_name; /* for the owner's certificate and keyslot, e.g. "user@host" */
	struct keyslot_params keyslot; /* zero: defaults */
};

/**
 * repo_init(opts, params, out):
 * Make a repository in a place that is empty or does not exist yet (its parent must) and open it.  The keyslot is put
 * before the config, so that there is never a repository that nobody can open.  Return 0; -EEXIST if there is a
 * repository; -ENOTEMPTY if there is something else; -EINVAL; -ENOTSUP if this machine cannot do the cipher; what the
 * store and ${credentials} return.  Every failure has been logged.
 */
int repo_init(const struct repo_options *opts, const struct repo_init_params *params, struct repo **out);

/* Options for catalog_load() on this repository. */
struct catalog_options repo_catalog_options(const struct repo *r);

/* Load the catalog.  Return as catalog_load(). */
int repo_catalog(const struct repo *r, struct catalog **out);

/* Will the holder of a keyslot have the secrets of the next generation? */
enum keyslot_renewal {
	RENEWAL_NONE,    /* no: it has no grant that is the owner's */
	RENEWAL_REVOKED, /* not any more */
	RENEWAL_GRANTED,
};

/* A keyslot as a list shows it. */
struct repo_keyslot {
	struct id id;
	enum keyslot_kind kind;
	bool sound;                 /* its bytes are those of its name; else it is damaged */
	bool readable;              /* ${label} could be read */
	bool current;               /* it is the one that opened this repository */
	bool certified;             /* the label has a certificate, and it is the owner's: ${cert} */
	struct keyslot_label label;
	struct cert cert;           /* of a writer's or owner's signing key */
	bool revoked;               /* that key has been, at ${revoked_ns} */
	int64_t revoked_ns;
	struct box_public recipient; /* of KEYSLOT_RECIPIENT */
	enum keyslot_renewal renewal;
	struct grant grant;          /* but for RENEWAL_NONE: what the owner has signed, whatever the label says */
};

/**
 * repo_keyslots(r, out, n), repo_keyslots_free(slots, n):
 * All keyslots, by time of making; ${*out} is the caller's to free with the second.  Return 0, -ENOMEM, what the store
 * returns.
 */
int repo_keyslots(const struct repo *r, struct repo_keyslot **out, size_t *n);
void repo_keyslots_free(struct repo_keyslot *slots, size_t n);

/* A keyslot to be added. */
struct repo_new_keyslot {
	enum role role;
	struct credentials cred;
	struct keyslot_params params;
	const char *name;
	struct cert_limits limits;     /* of the certificate of a writer (or owner) */
	bool same_bundle;              /* wrap this very bundle again (passwd) */
};

/**
 * repo_add_keyslot(r, k, id):
 * Add a keyslot; its id is the hash of its bytes.  Giving a role a bundle of its own needs the owner's;
 * ${k->same_bundle} does not.  Return 0; -EPERM; -EINVAL; -ENOMEM; what the store returns.  Failures are logged.
 */
int repo_add_keyslot(const struct repo *r, const struct repo_new_keyslot *k, struct id *id);

/**
 * repo_remove_keyslot(r, id):
 * Remove a keyslot.  Refused (-EBUSY) for one that holds the owner's bundle if no other sound one does.  Return 0;
 * -ENOENT; what the store returns.  Failures are logged.
 */
int repo_remove_keyslot(const struct repo *r, const struct id *id);

#endif
