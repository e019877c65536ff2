/*
 * What witness.c, witness_list.c and witness_file.c share: the state, and the file that has it.
 *
 *   0  magic "SEENHERE"                     8
 *   8  owner's public key                  32
 *  40  time of the last listing, le64       8
 *  48  numbers of heads, sightings, revocations, le32 each   12
 *  60  heads: host (32), id (32), time le64
 *      sightings, in order of id: first 16 bytes of the id, last absence le64
 *      revocations: id (32)
 *      BLAKE2b-256 of all before           32
 */
#ifndef VARVE_SNAPSHOT_WITNESS_IMPL_H
#define VARVE_SNAPSHOT_WITNESS_IMPL_H

#include <pthread.h>

#include "repo/snapshot/witness/witness.h"
#include "repo/util/bytes/buf.h"

#define SIGHTING_ID_LEN 16

struct sighting {
	uint8_t id[SIGHTING_ID_LEN];
	int64_t absent_ns; /* last time that it was not in the list; 0: it was in the first one */
};

struct witness_state {
	struct sign_public owner;
	int64_t listed_ns;   /* 0: never */
	struct witness_head *heads;
	struct sighting *sightings; /* by id */
	struct id *revoked;
	size_t nheads, nsightings, nrevoked;
};

void witness_state_free(struct witness_state *s);

/* Set the head of a host, if there is none or it is older.  Return 1 if so, 0 (also if there are too many), -ENOMEM. */
int witness_set_head(struct witness_state *s, const struct witness_head *h);

/* Enter a revocation.  Return 1 if it is new, 0 (also if there are too many), -ENOMEM. */
int witness_set_revoked(struct witness_state *s, const struct id *id);

/* Read it: 0; -ENOENT; -EBADMSG; -EPROTONOSUPPORT; -ENOMEM.  ${out} is the caller's on success, else untouched. */
int witness_state_decode(const void *data, size_t len, struct witness_state *out);
int witness_state_encode(const struct witness_state *s, struct buf *out);

/* The same, from and to a file, which is replaced as a whole. */
int witness_file_read(const char *path, struct witness_state *out);
int witness_file_write(const char *path, const struct witness_state *s);

/* Hold the lock of a directory that has such files: a descriptor to be closed, or a negative errno. */
int witness_file_lock(const char *dir);

/* Make the directories of a path that are missing above its last name, mode 0700; failures show later. */
void witness_file_make_dirs(const char *path);

/* Are there files of other repositories in the directory? */
bool witness_file_others(const char *dir);

struct witness {
	struct witness_options opts;
	pthread_mutex_t lock;
	struct buf dir, path;
	struct hash_key hosts;  /* for names of hosts */
	struct witness_state state;
	struct witness_head *seen;  /* heads that the file has not got yet */
	size_t nseen;
	struct sighting *now;   /* the last listing, by id */
	size_t nnow;
	struct id *told;        /* hosts, revocations */
	size_t ntold;
	bool unwritable;        /* that has been told */
};

/* For witness_list.c, under the lock.  The file's state takes the place of ours, if there is one: 0 or -ENOMEM. */
int witness_reread(struct witness *p);

/* Enter what was seen since.  Return 1 if that has changed anything, 0, -ENOMEM. */
int witness_enter_seen(struct witness *p);

/* Is it among them? */
bool witness_has_id(const struct id *ids, size_t n, const struct id *id);

/* Write the state; that this fails is told once. */
void witness_write(struct witness *p);

#endif
