/*
 * Which runs the environment holds, as a whole or in part.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/index_impl.h"

/* Take one record of the table "runs". */
static int take_loaded(const struct run_list *present, struct loaded_runs *f, struct rd key, struct rd data)
{
	struct run_record rec;
	struct id id;
	int rc;

	if (key.len != ID_LEN)
		return -EBADMSG;
	memcpy(id.b, key.p, ID_LEN);
	rc = run_record_decode(data, &rec);
	if (rc == 0)
		rc = ids_add(&f->loaded, id.b);
	if (rc == 0 && rec.whole)
		rc = ids_add(&f->whole, id.b);
	if (!rec.whole || run_list_find(present, &id) < 0)
		return rc;
	for (size_t i = 0; i < rec.nreplaced && rc == 0; i++)
		rc = ids_add(&f->replaced, rec.replaced + i * ID_LEN);
	return rc;
}

int loaded_runs_read(struct env *env, const struct run_list *present, struct loaded_runs *f)
{
	struct lmdb_txn *txn;
	struct lmdb_cursor *c;
	struct rd key, data;
	int rc;

	rc = env_read(env, &txn);
	if (rc < 0)
		return rc;
	rc = env_generation(txn, &f->generation);
	if (rc == 0)
		rc = lmdb_seek(txn, ENV_RUNS + f->generation % 2, NULL, 0, &c);
	if (rc == 0) {
		while ((rc = lmdb_next(c, &key, &data)) > 0 && (rc = take_loaded(present, f, key, data)) == 0)
			;
		lmdb_cursor_close(c);
	}
	lmdb_end(txn);
	ids_sort(&f->replaced);
	return rc;
}

void loaded_runs_free(struct loaded_runs *l)
{
	free(l->loaded.id);
	free(l->whole.id);
	free(l->replaced.id);
}

int loaded_runs_mark(struct env *env, struct run_list *present)
{
	struct loaded_runs f = { .generation = 0 };
	int rc = loaded_runs_read(env, present, &f);

	for (size_t i = 0; i < present->n && rc == 0; i++) {
		struct listed_run *l = &present->run[i];

		l->superseded = ids_have(&f.replaced, &l->id);
		l->left = !l->superseded && !ids_have(&f.whole, &l->id);
	}
	loaded_runs_free(&f);
	return rc;
}

int index_mark_loaded(struct index *x, struct run_list *present)
{
	int rc;

	pthread_mutex_lock(&x->loader);
	rc = loaded_runs_mark(x->env, present);
	for (size_t i = 0; i < present->n && rc == 0; i++)
		present->run[i].left |= present->run[i].superseded;
	pthread_mutex_unlock(&x->loader);
	return rc == 0 || rc == -ENOMEM ? rc : -EIO;
}

int index_adopt_run(struct index *x, const struct id *id, const struct ids *replaced, const struct id *merged,
    size_t n)
{
	const struct load_adopt a = { id, replaced, merged, n };
	int rc;

	pthread_mutex_lock(&x->loader);
	rc = env_try_load(x->env);
	if (rc == 0) {
		rc = load_adopt_run(x->env, &a);
		env_unlock_load(x->env);
	}
	pthread_mutex_unlock(&x->loader);
	return rc == 0 || rc == -EAGAIN ? 0 : rc == -ENOMEM ? rc : -EIO;
}
