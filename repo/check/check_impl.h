/*
 * For the sources of this folder only: what a check holds, and its steps, in this order:
 *
 *   keys.c      config and keyslots; revoked.c: revocations
 *   names.c     records of doomed packs, and without a key manifests and runs, against their names
 *   runs.c      index runs, and the private index that is loaded from them
 *   packs.c     packs: what is there against what the index names
 *   gone.c      packs that are not there, or have come since they were listed
 *   data.c      all bytes of packs, by threads (plan.c: which ones; scan.c: a thread's packs; records.c: what should be
 *               in one)
 *   trees.c     manifests and all that they lead to (spans.c: contents of files)
 *   affected.c  paths, if there is damage
 *
 * The list of snapshots is read before the index, and that before the list of packs: whatever a writer has published by
 * then is complete in what is read after.
 */
#ifndef VARVE_CHECK_CHECK_IMPL_H
#define VARVE_CHECK_CHECK_IMPL_H

#include <pthread.h>

#include "repo/check/check.h"
#include "repo/check/hash_map.h"
#include "repo/doomed/doomed.h"

#define NO_NUMBER UINT32_MAX

enum pack_state {
	PACK_PRESENT,
	PACK_RESIZED,
	PACK_MISSING,  /* from here on: it is not in the store */
	PACK_SWEPT,    /* a prune has deleted it */
	PACK_VANISHED, /* since it was listed: it is not known yet which of these */
};

/* A pack that is in the store, or that the index names. */
struct check_pack {
	struct id id;
	uint64_t size;    /* in the store */
	uint32_t number;  /* the private index's; NO_NUMBER: no run names it */
	uint32_t finding; /* about it; 0: none */
	uint32_t turn;    /* in the plan */
	uint8_t kind;     /* enum pack_kind */
	uint8_t state;    /* enum pack_state */
};

/* A finding, kept for the paths that it affects. */
struct finding {
	enum check_kind kind;
	char *object;
	uint64_t paths;     /* affected */
	uint64_t last_path; /* running number of the last one of them */
};

struct plan;

struct check {
	struct repo *r;         /* NULL: check_locked() */
	struct store *store;
	const struct check_options *o;
	struct check_result *out;

	struct log log;         /* of the private parts */
	pthread_mutex_t message_lock;
	char message[512];      /* the last one of an error or warning */

	uint8_t repo_id[16];
	bool has_repo_id;

	struct index *index;    /* private */
	struct object_reader *reader;
	struct tree *tree;
	struct catalog *catalog;

	struct check_pack *packs; /* those that were listed, sorted; then those that are missing, or have come since */
	size_t npacks, nlisted, cap_packs;
	struct doomed_set doomed; /* once a pack was not there */
	bool swept;               /* some pack is PACK_SWEPT */
	uint32_t *by_number;      /* index into packs by the index's number; NO_NUMBER: none */
	uint32_t *objects_of;     /* objects that the index places in it, by number; with read_data only */
	uint32_t nnumbers;
	struct plan *plan;        /* while packs are read */

	pthread_mutex_t lock;     /* of findings, damage and the calls of found() */
	struct finding *findings;
	uint32_t nfindings, cap_findings;
	struct hash_map damage;   /* objects and spans that cannot be read, or what is below: number of the finding */

	struct hash_map seen;     /* objects, and references to tree pages, that have been followed */
	uint64_t referenced;      /* of them: distinct objects that the index has */
	struct unindexed {
		uint32_t finding;
		uint64_t n;
	} unindexed[PACK_TREE + 1]; /* by kind: objects in no run, all in one finding */
};

/* --- Findings (finding.c) ----------------------------------------------------------------------------------------- */

/*
 * Note a finding that is told later, when all is known about it: its number, or 0 if there is no memory to note it.
 * Safe to call from several threads, as all of these.
 */
uint32_t finding_open(struct check *c, enum check_kind kind, const char *object);

/* Tell it. */
void finding_tell(struct check *c, uint32_t number, const char *what);

/* Both at once. */
uint32_t finding_add(struct check *c, enum check_kind kind, const char *object, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/**
 * object_fails(c, kind, object, rc, what):
 * An object cannot be had, or is not as it should be, for ${rc}: a finding with the words ${what}, or unreachable.
 * Return 1 if it is a finding; 0; or the error that ends the check.
 */
int object_fails(struct check *c, enum check_kind kind, const char *object, int rc, const char *what);

/* Is ${rc} the fault of a store that does not answer, and not of what it holds? */
bool store_failed(struct check *c, int rc);

/* Tell that an object cannot be had for such an ${rc}.  Return 0, or ${rc} once it is enough. */
int unreachable_add(struct check *c, enum check_kind kind, const char *object, int rc, const char *what);

/* All of a snapshot is affected by something. */
void tell_snapshot(struct check *c, enum check_kind kind, const char *object, const struct id *snapshot);

/* About a pack: the same, and the pack remembers it. */
void finding_add_pack(struct check *c, struct check_pack *p, const char *what);

/* Object ${id} cannot be read because of that.  Return 0 or -ENOMEM. */
int damage_add(struct check *c, const struct id *id, uint32_t finding);

/* A span of chunk ${id} cannot be read, as it says that the chunk has ${len} bytes.  As above. */
int damage_add_span(struct check *c, const struct id *id, uint32_t len, uint32_t finding);

/* The finding because of which it cannot; 0: none. */
uint32_t damage_of(struct check *c, const struct id *id);
uint32_t damage_of_span(struct check *c, const struct id *id, uint32_t len); /* or the chunk */

/* By what a span of a chunk is known. */
static inline uint64_t span_key(const struct id *id, uint32_t len)
{
	return hash_mix(id_hash(id), len);
}

/* What was logged last about ${object}, without its name in front; ERR(rc)'s words if nothing was.  Return ${out}. */
#define WHAT_SIZE 256
char *last_message(struct check *c, const char *object, int rc, char out[WHAT_SIZE]);
void forget_message(struct check *c);

/* How many paths are told for each finding. */
static inline uint64_t check_paths_told(const struct check *c)
{
	return c->o->paths > 0 ? c->o->paths : CHECK_PATHS_DEFAULT;
}

/* Has it been asked to end? */
static inline bool cancelled(const struct check *c)
{
	return c->o->cancel != NULL && *c->o->cancel != 0;
}

/* --- Steps: 0, or an error that check_run() returns --------------------------------------------------------------- */

int check_config(struct check *c);
int check_keyslots(struct check *c);
int check_revocations(struct check *c);
int check_generations(struct check *c);
int check_names(struct check *c);
int check_doomed(struct check *c);
int check_runs(struct check *c);
int list_packs(struct check *c);
int check_packs(struct check *c);
int check_data(struct check *c);
int check_vanished(struct check *c);
int check_trees(struct check *c);
int check_affected(struct check *c);

/* The pack of the index's number; NULL if there is none. */
struct check_pack *pack_of_number(struct check *c, uint32_t number);

/* One more pack, and its number; borrowed until the next one.  NULL: -ENOMEM.  0, -ENOMEM, -EIO. */
struct check_pack *pack_add(struct check *c, const struct id *id, enum pack_kind kind);
int pack_set_number(struct check *c, const struct check_pack *p, uint32_t number);

/* The one that was listed; NULL if none was. */
struct check_pack *pack_listed(struct check *c, const struct id *id, enum pack_kind kind);

/* --- Packs that are not there (gone.c) ---------------------------------------------------------------------------- */

/* Read doomed/, by which the next one judges.  0 or what the store returns. */
int gone_load(struct check *c);

/* A pack that runs name is not in the store: PACK_SWEPT if a prune has deleted it, else PACK_MISSING and a finding. */
void gone_judge(struct check *c, struct check_pack *p);

/**
 * gone_find(c, kind, id, place, out):
 * Where is object ${id} by now, and in which pack?  ${place} and ${*out} are set if it has a place; the pack is one
 * that is not there if it has no other.  Borrowed as above.  Return 1; 0 if no run has it; -ENOMEM, -EIO, what the
 * store returns.
 */
int gone_find(struct check *c, enum pack_kind kind, const struct id *id, struct place *place,
    struct check_pack **out);

/* --- For who does more with it (repair) --------------------------------------------------------------------------- */

/* Set up; ${r} NULL: without a key.  check_end() in any case. */
void check_begin(struct check *c, struct repo *r, struct store *store, const struct check_options *opts,
    struct check_result *out);
int check_steps(struct check *c);
void check_end(struct check *c);

#endif
