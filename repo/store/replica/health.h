/*
 * Health: which of several stores may be asked, as far as is known.  See store_replica.h for the rules.
 *
 * Thread-safe.  Times are milliseconds of store_now_ms().
 */
#ifndef VARVE_STORE_HEALTH_H
#define VARVE_STORE_HEALTH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "repo/store/store.h"

#define REPLICA_MEMBERS_MAX (STORE_REPLICAS_MAX + 1)
#define DISTRUSTED_MAX 1024
#define SERVED_MAX 512

struct health {
	pthread_mutex_t lock;
	int64_t hold_ms, grace_ms;
	struct {
		bool down, transient, ever_well, probing;
		unsigned failures; /* -EIO running */
		int64_t since_ms;  /* down since */
		int64_t next_ms;   /* may be asked again */
	} member[REPLICA_MEMBERS_MAX];
	struct {
		uint64_t name;     /* hash */
		uint32_t members;  /* a bit each */
	} distrusted[DISTRUSTED_MAX]; /* a later name takes the place of one with the same slot */
	struct {
		uint64_t name;
		unsigned member;
	} served[SERVED_MAX];
};

void health_init(struct health *h, unsigned deadline_ms);
void health_destroy(struct health *h);

/* May member ${i} be asked?  If it is down and its time has come, the answer is true once: tell what came of it. */
bool health_may_ask(struct health *h, unsigned i);

/* Member ${i} has answered well.  Return true if it was down. */
bool health_well(struct health *h, unsigned i);

/* Member ${i}, asked at ${asked_ms}, has failed with ${rc}.  Return true if it was not down and is now. */
bool health_failed(struct health *h, unsigned i, int rc, int64_t asked_ms);

/* Nothing came of asking member ${i}: it was cancelled. */
void health_unasked(struct health *h, unsigned i);

/* Has member ${i} only just gone for a cause that may pass, so that it may be back in a moment? */
bool health_just_gone(struct health *h, unsigned i);

/* Member ${i} has given the object ${name}. */
void health_served(struct health *h, unsigned i, const char *name);

/* Was the object as ${i} has it distrusted? */
bool health_distrusted(struct health *h, unsigned i, const char *name);

/* Distrust ${name} as member ${i} has it.  Return the set of those who are distrusted for it by now, a bit each. */
uint32_t health_distrust(struct health *h, unsigned i, const char *name);

/* Who gave the object last, or -1 if that is forgotten. */
int health_who_served(struct health *h, const char *name);

/* A hash of a name, for tables like these. */
uint64_t health_hash(const char *name);

#endif
