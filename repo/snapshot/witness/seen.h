/*
 * What a listing of the store lacks, by what was seen of it before (witness.h).
 */
#ifndef VARVE_SNAPSHOT_SEEN_H
#define VARVE_SNAPSHOT_SEEN_H

#include "repo/snapshot/catalog.h"

/**
 * seen_compare(c, o, begun_ns, out, n):
 * Compare the new catalog with the witness of ${o}, and tell (once in a process) what is withheld: the newest snapshot
 * of a host, if there is no newer one of that host, and revocations, which are heeded if they are kept here.  The
 * listing began at ${begun_ns}.  ${*out} (malloc) is the caller's.  Return 0 or -ENOMEM.
 */
int seen_compare(const struct catalog *c, const struct catalog_options *o, int64_t begun_ns, struct withheld **out,
    size_t *n);

#endif
