/*
 * Plan: the packs that a check reads, in order, and how far it has come.
 *
 * First those that earlier checks found damaged (journal.h), then those of the check's share (share.h).  Threads take
 * one after the other; what all of them have left behind is written down every other second, so that a check that is
 * killed goes on there, and reads a few packs twice.
 */
#ifndef VARVE_CHECK_PLAN_H
#define VARVE_CHECK_PLAN_H

#include "repo/check/check_impl.h"

struct plan;

/**
 * plan_make(c, kind, out):
 * Choose from ${c->packs}, as ${c->o} wants it.  ${kind} is that of the journal.  Return 0 or -ENOMEM.
 */
int plan_make(struct check *c, const char *kind, struct plan **out);

/* How many packs. */
size_t plan_count(const struct plan *p);

/* The next one; NULL at the end.  Thread-safe, as is done. */
struct check_pack *plan_next(struct plan *p);

/* One has been read; it is ${sound}, or should be read again. */
void plan_done(struct plan *p, const struct check_pack *pack, bool sound);

/* Free it, and write down how far it has come: to its end if ${finished}.  Does nothing for NULL. */
void plan_end(struct plan *p, bool finished);

#endif
