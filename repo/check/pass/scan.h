/*
 * Scan: all bytes of one pack, read once from front to end.
 *
 * Memory: a window of SCAN_PIECE bytes and a box, the plaintext of one object or segment, the pack's table.
 */
#ifndef VARVE_CHECK_SCAN_H
#define VARVE_CHECK_SCAN_H

#include "repo/check/check_impl.h"

#define SCAN_PIECE (1024u * 1024)

/* One thread's working memory. */
struct scan;

/* Return 0 or -ENOMEM. */
int scan_new(struct check *c, struct scan **out);
void scan_free(struct scan *s);

/**
 * scan_pack(s, p):
 * Verify pack ${p}: hash, table, table against index, every segment, every object's id; what is wrong becomes one
 * finding, and what cannot be read damage.  Return 0; -EINTR; -ENOMEM; -EIO if the private index failed.
 */
int scan_pack(struct scan *s, struct check_pack *p);

#endif
