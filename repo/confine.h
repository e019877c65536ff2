/*
 * Confining a process that only reads a repository: once it is open, little of the machine is needed any more.
 *
 *   to be changed: the cache directory; those for temporary files (private indexes, spools); a restore's target
 *   to be read:    the repository and its replicas, where they are local; shared libraries and what the C library
 *                  reads by itself (time zones, /proc)
 *   with a remote store also: /etc and the places in /run that tell of name servers; certificates; ~/.aws, ~/.ssh; the
 *                  files that the URL, the options and the environment name
 *   network:       if there is a remote store
 *
 * What is not named here cannot be reached, programs cannot be started: sandbox.h.
 */
#ifndef VARVE_CONFINE_H
#define VARVE_CONFINE_H

#include "repo/repo.h"
#include "repo/util/process/sandbox.h"

/* A further place. */
struct confine_place {
	const char *path;
	enum sandbox_use use;
};

struct confine_options {
	const struct repo *repo;            /* open */
	const struct store_options *store;  /* what it was opened with */
	const struct confine_place *places; /* that the program needs besides; ends with a NULL path; NULL: none */
	int target_fd;                      /* of a directory to restore to, which may be changed as well; -1: none */
};

/**
 * confine(opts):
 * Confine all threads of the process, for good.  Paths that are relative are so now.  Return 0 (also where the kernel
 * cannot do it, or only a part of it); a negative errno if it failed halfway (logged), and the process should end then.
 * To be asked first: sandbox_wanted().
 */
int confine(const struct confine_options *opts);

/* Is every store of ${o} a local directory, so that no network is needed? */
bool confine_is_local(const struct store_options *o);

#endif
