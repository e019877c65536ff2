/*
 * The rules by which a store misbehaves on request (store_mem.h).  Safe to use from several threads.
 */
#ifndef VARVE_STORE_FAULT_H
#define VARVE_STORE_FAULT_H

#include <pthread.h>

#include "repo/store/mem/store_mem.h"

#define FAULT_RULES_MAX 16

struct faults {
	pthread_mutex_t lock;
	struct {
		struct store_fault_rule rule;
		uint64_t seen; /* calls that it could have applied to */
	} set[FAULT_RULES_MAX];
	size_t n;
};

/* What the rules do to a call that is not failed. */
struct fault_effect {
	uint64_t length; /* the object seems to end here; UINT64_MAX: where it does */
	bool flip;
	uint64_t flip_bit;
	unsigned wait_ms; /* with -EAGAIN: what the store says it wants */
	int after; /* the error that the call returns once it is done; 0: none */
};

void faults_init(struct faults *f);
void faults_destroy(struct faults *f);

/* Replace all rules by copies of these, at most FAULT_RULES_MAX, with their counts at 0. */
void faults_set(struct faults *f, const struct store_fault_rule *rules, size_t n);

/* Count ${op} on ${name}, and sleep if a rule says so.  Return 0 with ${*e} set, or the error that the call returns. */
int faults_apply(struct faults *f, enum store_op op, const char *name, struct fault_effect *e);

/* Is a list not to name this object?  Counts the name in the HIDE rules that it falls under. */
bool faults_hide(struct faults *f, const char *name);

/* Is a store full that is to hold ${bytes}?  Counts the call in the NOSPACE rules that it exceeds. */
bool faults_no_space(struct faults *f, uint64_t bytes);

#endif
