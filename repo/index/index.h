/*
 * Index: object id -> place, for one repository on this machine.  A cache in LMDB that may be deleted at any time and
 * is loaded from the index runs of the store; no LMDB pointer or type leaves this module.
 *
 * Environment "<cache dir>/<repository id, 32 digits>/" with mode 0700.  It holds ids (keyed hashes), places, pack
 * names and wrapped keys, slots, and manifests in their sealed form: nothing that would need a key to be read in the
 * store is in it in clear.  If the directory cannot be used (no permission, somebody else's, read-only, on a network
 * file system, open in this process already, disk full) the index works in a private environment in memory (/dev/shm)
 * or a temporary directory instead, with one warning.  If it is damaged, of another version or of another repository,
 * it is made anew, with one warning: a file that was not closed, or has changed since it was, is checked before it is
 * used (guard.h, lmdb_check.h), so a garbled one gives no wrong answer.  It may be deleted at any time, also while it
 * is in use.
 *
 * There are two kinds of places.  Those of runs that have been loaded: all that index_lookup() and index_each_...()
 * know, and what a writer goes by, since what he finds there need not be stored again.  And those that were learned one
 * by one, as readers wanted them: index_find() knows both.  A learned place is as good as the sealed object that it was
 * read from, but nobody watches whether that is still in the store, so it serves for reading only.  It takes a backup
 * or a check to load all runs; a reader of a large repository never does, and its first read costs the same whatever
 * the repository's size.
 *
 * An environment goes with a repository, whatever store it is in: of two stores of one repository that hold different
 * runs, the one that was refreshed from last counts.
 *
 * It must not be used in a child process that was forked after index_open().
 *
 * Thread-safe; several processes may use one environment at a time.
 */
#ifndef VARVE_INDEX_INDEX_H
#define VARVE_INDEX_INDEX_H

#include "repo/index/run/run.h"

struct index;

struct index_options {
	struct store *store;                /* borrowed until index_close() */
	const struct seal_domain *metadata; /* borrowed until index_close() */
	const char *cache_dir;              /* parent of the environments; made if missing.  NULL: a private one */
	const uint8_t *repo_id;             /* 16 bytes */
	uint32_t segment_size;
	const struct log *log;
};

struct index_stats {
	uint64_t objects;
	uint64_t packs;
	uint64_t runs;
	uint64_t disk_bytes; /* of the environment */
};

/* Open the environment; does not touch the store.  Return 0, or -ENOMEM, -EIO if not even a private one can be had. */
int index_open(const struct index_options *opts, struct index **out);
void index_close(struct index *x);

/* The environment's directory, for messages.  Borrowed until index_close(). */
const char *index_path(const struct index *x);

/**
 * index_refresh(x):
 * Bring it up to date with the runs that are in the store now: one listing, and the runs that are new are loaded
 * (merged in ascending order of id, in transactions of bounded size); if a loaded run has vanished or was replaced,
 * all places are loaded anew, and take the place of the old ones in one step.  An object that several runs have is
 * found where the one that was loaded last has it, and of those loaded at once the first by id.  A damaged run is
 * logged once and skipped, tried again after ten minutes, and counted.  It waits for another process that is loading.
 * Return 0, or a positive number of runs that could not be loaded; -ENOSPC and the like never (see above); -ENOMEM;
 * what the store returns if the listing failed; -EIO (logged) if a loaded run has vanished, and the others could not
 * all be read just now: its places are still there then, and nobody may store by them.
 */
int index_refresh(struct index *x);

/**
 * index_lookup(x, id, out):
 * Place of an object; ${out->pack} is this index's number for the pack (index_pack()).  It stays good as long as the
 * index is open, whatever is refreshed, loaded anew or replaced meanwhile, and never passes to another pack: who has
 * kept it for later reads that pack or none (-ENOENT, where a lost environment could not be copied).  Return 0; -ENOENT
 * if no loaded run has it; -EIO if the environment fails (logged) or could not take all runs.
 */
int index_lookup(struct index *x, const struct id *id, struct place *out);

/**
 * index_find(x, id, out):
 * The same for a reader: places that were learned are good, too.  The store is not asked.
 */
int index_find(struct index *x, const struct id *id, struct place *out);

/**
 * index_resolve(x, kind, id, out):
 * As index_find(), and if that knows no place, ask the store: for the table of a pack that index_learn() has named; for
 * the list of runs (at most every 2 seconds, and as long as there is no news only if those that are known have not the
 * object), which are loaded if they are small and few (INDEX_LOAD_...); else for the object in each of them that is not
 * loaded, the one that had any last and then the largest first, and for the table of its pack, if its neighbours in the
 * backup may be wanted next: of directories, and of contents if this is not the first object of that pack, or the pack
 * was stored soon after the one asked for last.  All that is learned for good, and so are the ends of runs, so that
 * nothing is asked twice.  Once this has read as much as all runs have, they are loaded.  A place in a pack that
 * index_doubt() was told is gone is given only if all runs have no other.  Return 0; -ENOENT if no run has it, all were
 * read, and a second listing has named no other ones; -EBADMSG if one is damaged or the like (logged) and may have it;
 * what the store returned if one, or the list of them, could not be had just now; -EIO, -ENOMEM.
 *
 * What is not loaded is asked for by one thread at a time; index_find() does not wait for that.
 */
#define INDEX_LOAD_REMOTE_BYTES (8u * 1024 * 1024)
#define INDEX_LOAD_REMOTE_RUNS 16
#define INDEX_LOAD_LOCAL_BYTES (64u * 1024 * 1024)
int index_resolve(struct index *x, enum pack_kind kind, const struct id *id, struct place *out);

/**
 * index_learn(x, id, pack, record, len):
 * Learn a place from a trusted source that is no run: a snapshot's manifest, of its root.  ${record} is a place record
 * (pack/place.h) of ${len} bytes; ${pack->size} may be 0 if it is not known.  A place that is known already stays.  The
 * next object that is not known has the runs listed, even if that was done just now: they may be older than the
 * manifest.  Return 0, -EBADMSG if the record is malformed, -EIO.
 */
int index_learn(struct index *x, const struct id *id, const struct pack_info *pack, const void *record, size_t len);

/**
 * index_doubt(x, id, place, gone):
 * An object could not be read at ${place}, which index_find() or index_resolve() gave: with ${gone}, because its pack
 * is not in the store (a prune has moved the object, or its pack is lost), else because what is there is not it.  The
 * place is forgotten, if it was learned; with ${gone}, also if it was loaded, and then index_resolve() lists the runs
 * anew and asks also those that are loaded.  What was only learned of the pack (its key) is taken from a run when that
 * comes by.  Return 0 if it may be tried to resolve the object and to read it again: once a minute for each object in
 * each pack, and also if another thread has forgotten the place meanwhile.  Else -ENOENT.
 */
int index_doubt(struct index *x, const struct id *id, const struct place *place, bool gone);

/* A pack by this index's number.  Return 0; -ENOENT; -EIO. */
int index_pack(struct index *x, uint32_t number, struct pack_info *out);

/**
 * index_pack_after(x, number, out):
 * The pack of the same kind that was stored after pack ${number}, as far as that is known: a guess of what who reads
 * one to its end reads next.  The store is not asked.  Return 0; -ENOENT; -EIO.
 */
int index_pack_after(struct index *x, uint32_t number, struct pack_info *out);

/**
 * index_add_run(x, id, size):
 * Load the run ${id} of ${size} bytes (0: not known, which costs a request) that this process has just written, so that
 * its objects are found.  Return 0; a positive number if it could not be loaded now: it is gone again, cannot be read,
 * or another process is loading for some seconds already; -ENOMEM.
 */
int index_add_run(struct index *x, const struct id *id, uint64_t size);

/* What a merge must keep away from, as it must not bring back what a prune has just left out; see below. */
struct index_merging {
	int (*is_doomed)(void *arg, const struct id *pack); /* is the pack to go?  1, 0 or an error; may be NULL */
	int (*may_put)(void *arg); /* is what was read of doomed/ still recent enough?  0, or why not; may be NULL */
	void *arg;
};

/**
 * index_merge_runs(x, how):
 * If there are 16 or more runs of about one size in the store, and not very large ones, write one that replaces them.
 * All runs must have been loaded (index_refresh()).  It costs a listing, and where there is something to do, reading
 * and writing what is merged: at most 128 MiB.
 *
 * Runs that name a doomed pack are left alone.  ${how->may_put} is asked just before the new run is put and again
 * afterwards, when it may have become late: then it is deleted again.  ${how} may be NULL where nobody deletes packs.
 *
 * Return the number of runs that were merged, 0 if there were not enough; -ENOENT if one of them has vanished
 * meanwhile; -EACCES if this role cannot seal; what ${how}'s functions returned; -EBADMSG, -ENOMEM; what the store
 * returns.
 */
int index_merge_runs(struct index *x, const struct index_merging *how);

/* Iterate over all packs, or all objects in order of id; a non-zero return of ${fn} ends it and is returned. */
typedef int index_pack_fn(void *arg, uint32_t number, const struct pack_info *info);
typedef int index_object_fn(void *arg, const struct id *id, const struct place *place);
int index_each_pack(struct index *x, index_pack_fn *fn, void *arg);
int index_each_object(struct index *x, index_object_fn *fn, void *arg);

/* Figures, of what is loaded.  Return 0 or -EIO. */
int index_stats(struct index *x, struct index_stats *out);

/**
 * index_slot(x, snapshot, slot):
 * The number (1 to 2^22 - 1) that this machine has given the snapshot, assigned now if it has none; never reused and
 * never changed while the environment lives.  It follows from the id, but for snapshots that meet in one: so most have
 * the same again if the environment is lost.  Return 0, -ENOSPC when all are used, -EIO.
 */
int index_slot(struct index *x, const struct id *snapshot, uint32_t *slot);

/**
 * index_slots(x, snapshots, n, slots):
 * The same for ${n} snapshots at once, their slots to ${slots[0]} and on (undefined on failure): one transaction,
 * however many of them are new.
 */
int index_slots(struct index *x, const struct id *snapshots, size_t n, uint32_t *slots);

/* The snapshot of a slot.  Return 0, -ENOENT, -EIO. */
int index_slot_snapshot(struct index *x, uint32_t slot, struct id *snapshot);

/**
 * index_keep(x, name, data, len), index_kept(x, name, out), index_drop(x, name):
 * Keep a small sealed object of the store (a manifest), or the end of a run, by its store name; get it back (appended
 * to ${out}): 0 or -ENOENT; forget it.  Failures to keep are ignored: it is a cache.
 */
void index_keep(struct index *x, const char *name, const void *data, size_t len);
int index_kept(struct index *x, const char *name, struct buf *out);
void index_drop(struct index *x, const char *name);

/**
 * index_rebuild_runs(opts, all, nruns, nobjects):
 * Read the table of every pack in the store that no readable run names, and of those that a run names that is not
 * readable, or with ${all} of every pack; and write new runs for those of which no readable run has all objects.
 * Memory is bounded by the size of one run.  A run is readable if all of it is.  Return 0 with the counts; a positive
 * number of packs whose tables could not be read (logged by name), with the counts; -EACCES if this role has not the
 * keys; -EIO if there is no place for a private index; -ENOMEM; what the store returns.
 */
int index_rebuild_runs(const struct index_options *opts, bool all, uint64_t *nruns, uint64_t *nobjects);

/* Remove the environment of this repository from the disk.  Return 0; -EBUSY if it is open; another negative errno. */
int index_remove(const char *cache_dir, const uint8_t repo_id[16]);

#endif
