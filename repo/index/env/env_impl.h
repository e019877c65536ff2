/*
 * For env.c and env_open.c only.
 */
#ifndef VARVE_INDEX_ENV_IMPL_H
#define VARVE_INDEX_ENV_IMPL_H

#include <pthread.h>

#include "repo/index/env/env.h"
#include "repo/index/env/guard.h"

#define ENV_STATE_KEY "state"
#define ENV_STATE_KEY_LEN 5

struct env {
	const struct log *log;
	char *dir;
	uint8_t repo_id[16];
	bool is_private;
	unsigned place;       /* of a private one: its number among the candidates */
	struct guard guard;   /* of a shared one */
	struct lmdb *db;
	pthread_mutex_t lock; /* of the next */
	bool dirty;           /* the stamp was made invalid by this process */
};

/* Decode the record "state": 0, or -ESTALE if it is of another version or not of ${repo_id} (NULL: any). */
int env_decode_state(struct rd r, const uint8_t *repo_id, struct env_state *out);

#endif
