/*
 * Bringing the index up to date: listing, locking, and another environment where the one in use fails.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/index/index_impl.h"

#define LOCK_TRIES 100 /* of 20 ms, while another process is loading */

/* ${*listed} is what the listing returned; if that was 0, return as index_bring_up(). */
static int list_and_load(struct index *x, struct run_list *present, int *listed)
{
	int rc = 0;

	for (unsigned i = 0; i < INDEX_LISTINGS && (i == 0 || (rc >= 0 && x->vanished > 0)); i++) {
		if (i > 0)
			index_pause(i);
		free(present->run);
		*present = (struct run_list){ NULL, 0 };
		*listed = index_list_runs(x, present);
		if (*listed < 0)
			break;
		rc = index_bring_up(x, x->env, present);
	}
	return rc < 0 ? rc : rc + (int)x->vanished;
}

/* Another process is loading, and who does not need all can do without. */
static int only_list(struct index *x, struct run_list *present, int *listed)
{
	*listed = index_list_runs(x, present);
	return *listed == 0 ? loaded_runs_mark(x->env, present) : 0;
}

/* As list_and_load(), waiting for other processes or not. */
static int refresh_locked(struct index *x, bool wait, struct run_list *present, int *listed)
{
	int rc = env_try_load(x->env);

	if (rc == -EAGAIN && !wait)
		return only_list(x, present, listed);
	if (rc == -EAGAIN) {
		log_info(x->opts.log, "index %s: waiting for another process that loads it", x->path);
		rc = env_lock_load(x->env);
	}
	*listed = 0;
	if (rc == 0)
		rc = list_and_load(x, present, listed);
	else
		*listed = index_list_runs(x, present);
	env_unlock_load(x->env);
	return rc;
}

/* With ${loader} held. */
static int refresh(struct index *x, bool wait, struct run_list *present)
{
	int listed, rc = refresh_locked(x, wait, present, &listed);

	if (listed < 0)
		rc = listed;
	else if (rc >= 0)
		x->short_of_room = false;
	else if (rc != -ENOMEM && (rc = index_try_replace(x, rc, present)) < 0 && rc != -ENOMEM)
		rc = (int)present->n;
	return rc;
}

int index_refresh(struct index *x)
{
	struct run_list present = { NULL, 0 };
	int rc;

	pthread_mutex_lock(&x->loader);
	x->whole = true;
	rc = refresh(x, true, &present);
	/* Who stores by it would rely on packs that went with their runs. */
	if (rc >= 0 && x->stale) {
		log_error(x->opts.log, "index: runs have gone from the store, and others cannot be read just now");
		rc = -EIO;
	}
	pthread_mutex_unlock(&x->loader);
	free(present.run);
	return rc;
}

int index_refresh_some(struct index *x, bool whole, struct run_list *present)
{
	int rc;

	pthread_mutex_lock(&x->loader);
	x->whole |= whole;
	rc = refresh(x, false, present);
	pthread_mutex_unlock(&x->loader);
	return rc;
}

static int add_run(struct index *x, const struct id *id, uint64_t size)
{
	int rc = env_try_load(x->env);

	if (rc == -EAGAIN)
		return RUN_LOCKED;
	if (rc == 0)
		rc = index_bring_up_run(x, id, size);
	env_unlock_load(x->env);
	return rc;
}

/* Another process may be loading for long, and who has put a run can do without its being loaded. */
int index_add_run(struct index *x, const struct id *id, uint64_t size)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	int rc = index_add_listed(x, id, size);

	for (unsigned i = 0; i < LOCK_TRIES && rc == RUN_LOCKED; i++) {
		nanosleep(&pause, NULL);
		rc = index_add_listed(x, id, size);
	}
	return rc;
}

int index_add_listed(struct index *x, const struct id *id, uint64_t size)
{
	struct run_list present = { NULL, 0 };
	int rc;

	pthread_mutex_lock(&x->loader);
	rc = add_run(x, id, size);
	if (rc < 0 && rc != -ENOMEM) {
		int why = rc;

		rc = index_list_runs(x, &present);
		if (rc == 0)
			rc = index_try_replace(x, why, &present);
		if (rc < 0 && rc != -ENOMEM)
			rc = 1;
	}
	pthread_mutex_unlock(&x->loader);
	free(present.run);
	return rc;
}
