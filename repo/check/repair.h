/*
 * Repair: what can be made whole again, from copies or from what is there.
 *
 *   copies      whatever hashes to its name (packs, index runs, manifests, keyslots), and the config, is fetched from
 *               other stores of the same repository, or from directories that hold packs in any of the forms
 *               "packs/<xx>/<id>", "<xx>/<id>", "<id>"; verified before it is put, and put in place of what is damaged
 *   index       runs for packs that none names, from their tables; damaged runs go when nothing needs them
 *   salvage     what can still be read of a damaged pack is stored in a new one, with a run that names it
 *   the rest    is lost: no run names it any more, so that the next backup stores it again if the source still has it,
 *               and until then a reader gets an error there and nowhere else
 *
 * A pack that was salvaged is moved to "quarantine/packs/<id>" or "quarantine/trees/<id>", where nobody reads it: it
 * may be deleted by hand, and a repair that finds a good copy of it puts that back.
 *
 * The order makes it safe to be killed anywhere: a copy is put whole; new packs and runs are durable before any run
 * loses a record; a pack is in quarantine before any run forgets it, and is deleted last.  The next repair does the
 * rest.
 *
 * Nothing is declared lost as long as the repository, or one of the copies, could not be asked about all of it.
 */
#ifndef VARVE_CHECK_REPAIR_H
#define VARVE_CHECK_REPAIR_H

#include "repo/check/check.h"

#define REPAIR_SOURCES_MAX 8

enum repair_action {
	REPAIR_FETCHED,  /* from the store ${from} */
	REPAIR_SALVAGED, /* a pack: what could be read is in another, or in none (missing); the rest is lost */
	REPAIR_LEFT,     /* it is damaged, and stays so: ${why} */
};

/* What was done, or in a dry run would be. */
struct repair_event {
	enum repair_action action;
	const char *object;
	const char *from;
	const char *why;
	uint64_t objects, lost; /* salvaged, and not */
};

struct repair_options {
	struct store *const *from;   /* ${nfrom} stores to fetch from, in order of preference */
	unsigned nfrom;              /* at most REPAIR_SOURCES_MAX */
	const char *const *objects;  /* ${nobjects} names of packs to look at beside what is found */
	size_t nobjects;
	bool dry_run;
	struct check_options check;  /* how damage is looked for; ${found} is not called */
	void (*told)(void *arg, const struct repair_event *e);
	void *arg;
};

struct repair_result {
	uint64_t runs, objects;      /* index runs written for packs that none named, and objects that they name */
	uint64_t unreadable;         /* packs whose tables cannot be read */
	uint64_t unnamed;            /* dry run: packs that no run names */
	uint64_t runs_removed;       /* damaged index runs */
	uint64_t fetched, fetched_bytes;
	uint64_t salvaged, lost;     /* objects of damaged packs */
	uint64_t packs_removed;      /* damaged or missing packs that no run names any more */
	uint64_t left;               /* damaged objects that stay so */
};

/**
 * repair_plain(store, o, out):
 * Repair from copies what opening a repository needs, and manifests.  Needs no key; so a config is taken only from a
 * store that has a keyslot or a snapshot in common with ${store}.  Without a copy, damage is told as left.  Adds to
 * ${out}.  Return 0; -EXDEV (logged) if a copy is of another repository; -EINTR; -ENOMEM; what the stores return.
 */
int repair_plain(struct store *store, const struct repair_options *o, struct repair_result *out);

/**
 * repair_run(r, o, out):
 * Repair the rest: index and packs.  Adds to ${out}.  Return 0 (see ${out->left}, ${out->lost}); -EACCES (logged) if
 * this role cannot write; -EHOSTUNREACH (logged) if not everything could be had, so that nothing was salvaged; -EINTR;
 * -ENOMEM; what the stores return.
 */
int repair_run(struct repo *r, const struct repair_options *o, struct repair_result *out);

/**
 * repair_index(r, all, out):
 * Write index runs for all packs of which no readable run names what is in them, from their tables; with ${all}, look
 * into all tables, as a run may be missing that had a part of a pack.  If that has been done for all of them,
 * remove the runs that are damaged (their bytes do not hash to their name, and they cannot be read): they hold nothing
 * then that others do not.  Fills ${out}.  Return 0 (see ${out->unreadable}); -EACCES if this role cannot; -ENOMEM;
 * what the store returns.
 */
int repair_index(struct repo *r, bool all, struct repair_result *out);

#endif
