/*
 * One index run of several.
 *
 * A run may say that it replaces others, and is then believed that all that they held is in it.  This is the only way
 * to make one that does.  What leaves something out is a run like any other, and the old ones are deleted
 * (sweep.h).
 */
#ifndef VARVE_INDEX_RUN_COMBINE_H
#define VARVE_INDEX_RUN_COMBINE_H

#include "repo/index/run/run.h"

struct run_combining {
	struct run *const *runs;   /* ${n} open runs: all that is in them goes into the new one, which replaces them */
	size_t n;
	const struct id *also;     /* ${nalso} runs that they replace, which the new one is to name, too */
	size_t nalso;
	int (*may_put)(void *arg); /* asked when all is written, just before it is put: 0, or why it is given up */
	void *arg;
};

/**
 * run_combine(store, metadata, c, id):
 * Put the run.  An object that several have is where the first of them says.  Memory: windows of 32 MiB in all.  Return
 * 0 with its ${*id}; -EINVAL if ${c->also} names one that none of them replaces; -EACCES if this role cannot seal; what
 * ${c->may_put} returned; -EBADMSG (logged) if a run is damaged; -ENOENT if one has gone; -ENOMEM; what the store
 * returns.
 */
int run_combine(struct store *store, const struct seal_domain *metadata, const struct run_combining *c, struct id *id);

#endif
