/*
 * Store in memory that misbehaves on request: for tests and fuzzers.
 */
#ifndef VARVE_STORE_STORE_MEM_H
#define VARVE_STORE_STORE_MEM_H

#include "repo/store/store.h"

enum store_fault {
	STORE_FAULT_NONE,
	STORE_FAULT_ERROR,    /* the call returns ${err}; -EAGAIN: transient, wants ${amount} ms of rest */
	STORE_FAULT_UNCLEAR,  /* a put or delete is done, and returns ${err} all the same */
	STORE_FAULT_DELAY,    /* the call sleeps ${amount} milliseconds first */
	STORE_FAULT_TRUNCATE, /* a get sees the object cut to ${amount} bytes */
	STORE_FAULT_FLIP,     /* a get sees bit ${amount} of the object inverted */
	STORE_FAULT_HIDE,     /* a list does not name the object */
	STORE_FAULT_NOSPACE,  /* appends fail with -ENOSPC if the store would then hold more than ${amount} bytes */
};

enum store_op { STORE_OP_GET = 1, STORE_OP_STAT = 2, STORE_OP_LIST = 4, STORE_OP_DELETE = 8, STORE_OP_PUT = 16 };

/*
 * One rule: applies to ${ops} on names that begin with ${prefix}, after ${skip} such calls, for ${count} (0: all).  Of
 * a put it is the commit, which gives it its name, that is counted, delayed and failed.  A NOSPACE rule heeds neither
 * ${ops} nor ${prefix}; the calls that it counts are appends beyond ${amount}.  Nor does a HIDE rule heed ${ops}: it
 * counts the names that a list comes to.  Several rules may apply to one call.
 */
struct store_fault_rule {
	enum store_fault fault;
	unsigned ops;
	const char *prefix; /* borrowed as long as the rule is set; "" for all */
	uint64_t skip, count;
	int err;
	uint64_t amount;
};

/* A new, empty store.  Return 0 or -ENOMEM. */
int store_mem_open(const struct log *log, struct store **out);

/* Set the rules (copied; at most 16), with their counts at 0.  ${n} 0 takes all faults away. */
void store_mem_set_faults(struct store *s, const struct store_fault_rule *rules, size_t n);

/**
 * store_mem_replace(s, name, data, len):
 * Make ${name} hold a copy of these bytes, whatever it held.  Return 0 or -ENOMEM.
 */
int store_mem_replace(struct store *s, const char *name, const void *data, size_t len);

#endif
