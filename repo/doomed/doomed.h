/*
 * Doomed packs: what prune intends to delete.
 *
 * Object "doomed/<id>", id the BLAKE2b-256 of its bytes; there may be any number of them:
 *
 *   0  magic "VARVEDM1"                        8
 *   8  stage: 1 doomed, 2 spent, 3 needed; zero (3)   4
 *  12  grace, seconds, le32                    4
 *  16  repository id                          16
 *  32  boot id of the machine that made it    16
 *  48  its CLOCK_BOOTTIME then, ns, le64       8
 *  56  number of ids le32, zero (4)            8
 *  64  ids, ascending: of packs of either kind; of records, if the stage is 2
 *      sealed blob in the metadata domain of nothing (associated data: all before it)
 *
 * The ids are in clear, as who copies a repository without a key must heed them, too, and the names of packs are seen
 * in the store anyway; that the blob opens says that somebody with the repository's secrets made the record.
 *
 * A pack that a record of stage 1 names is *blocked*: nobody may rely on it.  A record of stage 2 says of others that
 * what they named has been deleted or spared.  One of stage 3 was put by a writer that is at work and names what its
 * snapshot will need: a grace long it is as good as one (docs/design.md, "No locks").
 */
#ifndef VARVE_DOOMED_DOOMED_H
#define VARVE_DOOMED_DOOMED_H

#include "repo/crypt/seal.h"
#include "repo/pack/pack.h"
#include "repo/util/process/clock.h"

enum doomed_stage { STAGE_DOOMED = 1, STAGE_SPENT = 2, STAGE_NEEDED = 3 };

#define DOOMED_IDS_MAX 65536u /* of one record */
#define DOOMED_MAX (64u + DOOMED_IDS_MAX * ID_LEN + CRYPT_BLOB_OVERHEAD) /* bytes of one */
#define DOOMED_NAME_SIZE 80

struct doomed_record {
	struct id id;
	enum doomed_stage stage;
	uint32_t grace_s;
	uint8_t boot_id[BOOT_ID_LEN];
	int64_t boot_ns;
	uint32_t n;
	struct id *ids; /* owned */
};

/* What belongs to a repository's records. */
struct doomed_place {
	struct store *store;                /* all borrowed */
	const struct seal_domain *metadata; /* NULL: without a key; what is read is then not known to be authentic */
	const uint8_t *repo_id;             /* 16 bytes; NULL: any, as far as no key is there to tell */
	const struct log *log;
};

/* Store name of a record.  Return ${out}. */
char *doomed_name(const struct id *id, char out[DOOMED_NAME_SIZE]);

/**
 * doomed_put(at, rec):
 * Put a record; sets ${rec->id}.  Sorts its ids.  Return 0; -EACCES if this role cannot seal; -EINVAL if it has more
 * than DOOMED_IDS_MAX; -ENOMEM; what the store returns.
 */
int doomed_put(const struct doomed_place *at, struct doomed_record *rec);

/* Say in the record that it is made now. */
void doomed_date(struct doomed_record *rec, const struct clock *clock);

void doomed_record_destroy(struct doomed_record *rec);

/*
 * The parser of a record (for fuzzing too); ${at->store} is not used.  ${out} is the caller's to destroy.  Return 0,
 * -EBADMSG, -EPROTONOSUPPORT, -ENOMEM.
 */
int doomed_decode(const struct doomed_place *at, const void *data, size_t len, const struct id *id,
    struct doomed_record *out);

/* All records of a store, and all packs that they name. */
struct doomed_set {
	struct doomed_record *record;
	size_t n, cap;
	struct id *blocked; /* sorted; data and tree packs together, as ids are hashes */
	size_t nblocked;
	struct id *damaged; /* records that cannot be read; of doomed_load_some() only */
	size_t ndamaged;
};

/**
 * doomed_load(at, out):
 * Read all of them.  ${out} is the caller's (doomed_set_destroy()).  Return 0; -EBADMSG, -EPROTONOSUPPORT if one cannot
 * be read (logged): then nobody knows which packs are blocked; -ENOMEM; what the store returns.
 */
int doomed_load(const struct doomed_place *at, struct doomed_set *out);

/* The same, but for what is damaged (logged), which it names in ${out}. */
int doomed_load_some(const struct doomed_place *at, struct doomed_set *out);

void doomed_set_destroy(struct doomed_set *set);

/* Is the pack blocked? */
bool doomed_blocks(const struct doomed_set *set, const struct id *pack);

/* Is it a record of this stage, that names ${id}? */
bool doomed_names(const struct doomed_record *rec, enum doomed_stage stage, const struct id *id);

/* Is there a record of stage 2 that says of record ${id} that it is spent? */
bool doomed_is_spent(const struct doomed_set *set, const struct id *id);

#endif
