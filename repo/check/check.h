/*
 * Check: is everything there, consistent and authentic?
 *
 *   signatures  config and keyslots; manifests: hash, certificate, signature
 *   always      unless only signatures are wanted, besides: records of doomed packs; index runs: hash, every
 *               record; all trees reachable from all snapshots: ids, levels, names, counts; every chunk that they name
 *               has a place, in a pack that exists and has the size that the index says
 *   read_data   besides, all packs or a part of them: hash, table, table against index, every segment opens, every
 *               object hashes to its id
 *
 * check_locked() needs no key: what does not hash to its name is found, and nothing is known of paths.
 *
 * Damage is one thing, and a store that does not answer is another: what could not be had for such a reason is no
 * finding, but told as unreachable, and after UNREACHABLE_MAX of them the check ends with the store's error.  An I/O
 * error of a local directory is damage (a bad sector) as long as the directory gives anything at all.  Where bytes are
 * wrong and the store may give others (store_distrust()), they are asked for once more.
 *
 * How far a check that reads packs has come is remembered in the cache directory (share/journal.h), so that one that
 * was interrupted goes on, and one that rotates begins where the last one ended (share/share.h).
 *
 * Nothing is taken from this machine's index or cache: a private index is loaded from the store's runs.  Damage is
 * traced to the paths that it affects, in a second walk that is made only if there is any.
 *
 * Memory: 11 to 22 bytes a distinct chunk that snapshots refer to, twice that a tree object (half as much again while a
 * table grows), 72 bytes a pack, and, where something is damaged, 22 to 43 bytes a distinct directory and 11 to 22 an
 * affected path; the private index is a file in /dev/shm or a temporary directory.  Each thread that reads packs has
 * up to eight of them in hand, with one piece of each, the boxes of one object, and a table, and holds 8 MiB of
 * plaintext.
 */
#ifndef VARVE_CHECK_CHECK_H
#define VARVE_CHECK_CHECK_H

#include <stdatomic.h>

#include "repo/repo.h"

struct check_progress {
	_Atomic uint64_t snapshots, trees, packs, bytes;
	_Atomic uint64_t total_snapshots, total_packs, total_bytes;
	_Atomic uint64_t findings;
};

enum check_kind {
	CHECK_CONFIG, CHECK_KEYSLOT, CHECK_SNAPSHOT, CHECK_RUN, CHECK_TREE, CHECK_PACK, CHECK_CHUNK, CHECK_REVOCATION,
	CHECK_DOOMED, CHECK_GENERATION,
};

#define UNREACHABLE_MAX 20

/* "config", "keyslot", "snapshot", ... */
const char *check_kind_name(enum check_kind kind);

/*
 * One of:
 *   a finding                  kind, object, what
 *   what could not be had      the same, unreachable
 *   a path that it affects     kind, object, what (of the path is affected), snapshot, path
 *   some more such paths       kind, object, more
 *   all damage of a snapshot   snapshot, more: so many paths in it are affected, told or not
 * What is not in its line is NULL or 0.
 */
struct check_finding {
	enum check_kind kind;
	const char *object;   /* store name of what is damaged; of a chunk or a tree object its id */
	const char *what;     /* one line */
	bool unreachable;     /* it is the store that failed: this is no damage */
	const char *snapshot; /* id */
	const char *path;     /* as it was recorded, unquoted, from the snapshot's root, "" for that */
	uint64_t more;
};

#define CHECK_PATHS_DEFAULT 20

struct check_options {
	bool signatures_only;
	bool read_data;
	uint32_t part, parts;     /* read only packs of part (1..parts) of ${parts} by their ids; 0/0: all */
	uint32_t percent;         /* or a random share of the packs, 1..100; 0: all */
	uint32_t days;            /* or what is next in a cycle of so many days, 1..ROTATE_DAYS_MAX; 0: all */
	const char *cache_dir;    /* where it is remembered how far checks have come; NULL: nowhere */
	bool restart;             /* forget that */
	unsigned threads;         /* that read packs; 0: as the machine has, and one */
	uint64_t paths;           /* told for each finding; 0: CHECK_PATHS_DEFAULT */
	bool every_snapshot;      /* tell a path in every snapshot that has it, not only in the newest */
	bool untraced;            /* leave out which paths are affected */
	struct check_progress *progress; /* NULL: none */
	const atomic_int *cancel; /* NULL: none; non-zero: end with -EINTR */
	/* Called for each finding, one at a time, from any thread. */
	void (*found)(void *arg, const struct check_finding *f);
	/* Called for each manifest that is as it should be; may be NULL. */
	void (*snapshot)(void *arg, const struct id *id, const struct manifest *m);
	void *arg;
};

struct check_result {
	uint64_t snapshots, trees, chunks, packs, runs, keyslots; /* distinct ones, looked at */
	uint64_t packs_read;
	uint64_t packs_before;       /* read by the check that was interrupted, and with which this one went on */
	uint64_t data_bytes;         /* of packs that were read */
	uint64_t sealed_packs;       /* of those: not to be opened by this role; only hash and table were verified */
	uint64_t unreferenced_packs, unreferenced_bytes; /* no run names them: left by writers that died */
	uint64_t unreferenced_objects; /* in the index, but no snapshot refers to them */
	uint64_t findings;
	uint64_t unreachable;        /* objects that could not be had */
};

/**
 * check_run(r, opts, out):
 * Return 0 (see ${out->findings} and ${out->unreachable}); -EINTR; -ENOMEM; -EIO if no private index can be had; what
 * the store returns when it cannot be listed, an index run cannot be had, or too much else.  Details go to ${r->log} as
 * debug messages.
 */
int check_run(struct repo *r, const struct check_options *opts, struct check_result *out);

/**
 * check_locked(store, opts, out):
 * What can be told without any key: is there a config, is it well-formed and signed by the key in it; are there
 * keyslots, are they well-formed and those of their names; and with ${opts->read_data}, are the bytes of all manifests,
 * index runs, and packs (or a share of these) those of their names.  Return 0; -ENOENT if there is neither a config nor
 * a keyslot; others as check_run().
 */
int check_locked(struct store *store, const struct check_options *opts, struct check_result *out);

#endif
