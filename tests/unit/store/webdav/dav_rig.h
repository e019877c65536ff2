/*
 * For tests of stores of files on web servers: one over WebDAV, or read-only, at a server that goes wrong on request.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_DAV_RIG_H
#define VARVE_TEST_DAV_RIG_H

#include <pthread.h>

#include "repo/store/store_impl.h"
#include "tests/lib/scratch.h"
#include "tests/unit/store/webdav/dav.h"

#define DAV_RIG_NAME "packs/ab/abcd"

struct dav_rig {
	struct scratch *scratch;
	char root[SCRATCH_PATH_SIZE], url[128], static_url[128];
	struct dav dav;
	struct web *web;
	struct store *store;
	pthread_mutex_t lock; /* of the server's part: held while it answers, and while it is changed (dav_rig_now()) */
	/* For the hooks: what is to go wrong, and how often. */
	const char *method, *what;
	int times;
};

/* Open a store at the server: by WebDAV, or read-only. */
struct store *dav_rig_open(struct dav_rig *r, const char *url, bool create);
struct store *dav_rig_open_static(struct dav_rig *r);

/* What the server is to do from now on.  ${method} may be NULL: all is well. */
void dav_rig_now(struct dav_rig *r, bool (*before)(void *, const struct web_request *, bool *),
		bool (*after)(void *, const struct web_request *, bool *), const char *method, const char *what,
		int times);

/* How it lists directories to browsers from now on, and whether it tells of free space. */
void dav_rig_now_lists(struct dav_rig *r, enum dav_index index, bool quota);

/* As cmocka's setup and teardown, with *state a struct dav_rig without a store. */
int dav_rig_setup(void **state);
int dav_rig_teardown(void **state);

/* Make the store, whose directory is "repo"; names with blanks are nginx's to try (tests/71-store-webdav.sh). */
void dav_rig_begin(struct dav_rig *r);

/* Is there such a file in it? */
bool dav_rig_exists(struct dav_rig *r, const char *name);

/* For store_list(): counts in ${times} of the struct dav_rig; a size counts a thousand. */
int dav_rig_count(void *arg, const char *name, uint64_t size);

/* Hook: do ${what} to the next ${times} requests of the method. */
bool dav_rig_go_wrong(void *arg, const struct web_request *q, bool *more);

#endif
