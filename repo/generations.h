/*
 * The generations of a repository's secrets (crypt/generation.h) as objects in its store: learning those that are for
 * this key.  Who writes has to know all of them from the beginning; who reads asks for them when something does not
 * open, which costs no request where there are none, and keeps what he has learned for the next time.
 */
#ifndef VARVE_GENERATIONS_H
#define VARVE_GENERATIONS_H

#include "repo/crypt/seal.h"
#include "repo/index/index.h"
#include "repo/store/store.h"

struct generations;

struct generations_options {
	struct store *store;        /* all borrowed until generations_free() */
	struct index *index;
	const struct config *config;
	struct secrets *secrets;    /* what is found is added, by generations_new() only */
	bool look;                  /* into the store at once */
	bool listings;              /* what the store does not list has gone from it */
	bool trust;                 /* what was seen before does not count any more */
	const struct log *log;
};

/**
 * generations_new(opts, out):
 * Learn what there is: from what is kept of earlier sessions, and with ${look} from the store.  An object that the
 * owner has not signed is told and ignored; one that is damaged, or is not for this key, leaves it behind.  Return 0;
 * -ENOSPC if there are more than GENERATIONS_MAX (logged); -ENOMEM; what the store returned.
 */
int generations_new(const struct generations_options *opts, struct generations **out);

/* Keeps what was learned meanwhile: in no transaction of the index. */
void generations_free(struct generations *g);

/*
 * Are there generations that this key was not given?  Then the time of the newest is in ${*time_ns}, 0 if it could not
 * be read.  By what generations_new() has seen.
 */
bool generations_behind(const struct generations *g, int64_t *time_ns);

/**
 * generations_serve(g, data, metadata):
 * From now on add to the rings of these domains, which have one, what comes to be in the store: it is looked at when
 * something does not open; after many times in vain, not more than once a second.  Thread-safe from then on.  Until
 * generations_free().
 */
void generations_serve(struct generations *g, struct seal_domain *data, struct seal_domain *metadata);

/* Keep a generation that has just been made, so that it is missed if the store does not show it again. */
void generations_keep(struct generations *g, const struct id *id, const void *data, size_t len);

#endif
