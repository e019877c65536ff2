/*
 * One pack that is being scanned: scan.c has it read piece by piece.
 *
 *   begin     its table, its key
 *   read      a further piece into the window; the caller hashes it
 *   open      every object that lies in the window as a whole: boxes are opened in place, plaintexts go to verify.h
 *   judge     whether an object is intact, from there
 *   end       the finding, if there is one
 */
#ifndef VARVE_CHECK_PACK_SCAN_H
#define VARVE_CHECK_PACK_SCAN_H

#include "repo/check/scan/verify.h"
#include "repo/object/compress.h"

struct pack_scan;

/* NULL if there is no memory. */
struct pack_scan *pack_scan_new(struct check *c);
void pack_scan_free(struct pack_scan *s);

/* Begin with pack ${p}; without a key, only its hash is verified.  Return 0 or -ENOMEM. */
int pack_scan_begin(struct pack_scan *s, struct check_pack *p);

/**
 * pack_scan_read(s, piece):
 * Read the next piece, which the caller hashes before he calls open.  Return 1 if there is one; 0 if the store failed:
 * then the pack is at its end; -EINTR; -ENOMEM.
 */
int pack_scan_read(struct pack_scan *s, struct hash_piece *piece);

/* Open what can be.  Return 0 or -ENOMEM. */
int pack_scan_open(struct pack_scan *s, struct verify *v, struct decompressor *d);

/* Is nothing left to be read and opened? */
bool pack_scan_at_end(const struct pack_scan *s);

/**
 * pack_scan_end(s):
 * Tell what is wrong with the pack, of which nothing may be left to verify.  Return 0; 1 if something is wrong, and the
 * store may give better bytes: the pack has been begun once more, and nothing told; -EINTR; -ENOMEM; or the store's
 * error once it has failed too often.
 */
int pack_scan_end(struct pack_scan *s);

enum pack_kind pack_scan_kind(const struct pack_scan *s);

/* An object is ${intact} or not: compare it with the index, too.  Return 0 or -ENOMEM. */
int pack_scan_judge(struct pack_scan *s, const struct id *id, const struct place *place, bool intact);

#endif
