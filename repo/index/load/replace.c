/*
 * Replacing an environment that fails: a private one takes its place once it holds everything, and not before.
 */
#include <errno.h>
#include <stdlib.h>

#include "repo/index/index_impl.h"

#define RETRY 60 /* seconds until a place for the index is looked for again, where there was none */

/* Let ${env} take the place of the index's.  Return 0, or the failure of ${env}. */
static int install(struct index *x, struct env *env)
{
	struct env *old = x->env;
	int rc;

	pthread_rwlock_wrlock(&x->lock);
	rc = load_copy_table(old, env, ENV_SLOTS);
	if (rc == 0)
		rc = load_copy_table(old, env, ENV_KEPT);
	if (rc == 0) {
		x->env = env;
		x->nth++;
	}
	pthread_rwlock_unlock(&x->lock);
	if (rc == 0)
		env_close(old);
	return rc;
}

/* Fill ${env}, which is private, and install it.  Return as index_bring_up(). */
static int fill_env(struct index *x, struct env *env, struct run_list *present)
{
	int rc, nbad = 0;

	rc = load_copy_packs(x->env, env);
	if (rc == 0)
		rc = load_copy_table(x->env, env, ENV_LEARNED);
	if (rc == 0)
		rc = load_copy_table(x->env, env, ENV_TABLES);
	if (rc == 0)
		rc = nbad = index_bring_up(x, env, present);
	if (rc >= 0)
		rc = install(x, env);
	return rc < 0 ? rc : nbad;
}

/* Find a private environment that takes it all.  Return as index_bring_up(). */
static int replace_env(struct index *x, int why, struct run_list *present)
{
	struct env_options eo = { .cache_dir = NULL, .repo_id = x->repo_id, .log = x->opts.log };
	struct env *last = x->env, *env;
	int rc;

	if (why == -EBADMSG)
		env_condemn(x->env);
	for (;; last = env) {
		rc = env_open_private(&eo, last, &env);
		if (last != x->env)
			env_close(last);
		if (rc < 0)
			break;
		rc = fill_env(x, env, present);
		if (rc >= 0) {
			log_warn(x->opts.log, "index %s: %s: going on with a temporary one", x->path, ENV_ERROR(why));
			x->short_of_room = false;
			return rc;
		}
	}
	log_error(x->opts.log, "index %s: %s; and no place for a temporary one", x->path, ENV_ERROR(why));
	x->replace_again = index_now() + RETRY;
	x->short_of_room = true;
	return rc;
}

int index_try_replace(struct index *x, int why, struct run_list *present)
{
	if (x->replace_again != 0 && index_now() < x->replace_again)
		return why;
	x->replace_again = 0;
	return replace_env(x, why, present);
}

int index_replace(struct index *x, unsigned nth, int why)
{
	struct run_list present = { NULL, 0 };
	int rc = 0;

	pthread_mutex_lock(&x->loader);
	if (x->nth == nth) {
		rc = index_list_runs(x, &present);
		if (rc == 0)
			rc = index_try_replace(x, why, &present);
	}
	pthread_mutex_unlock(&x->loader);
	free(present.run);
	return rc < 0 ? rc : 0;
}

