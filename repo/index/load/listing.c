/*
 * Which runs there are: ids, what a listing of the store yields, and which of them cannot be loaded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "repo/index/index_impl.h"

#define PREFIX "index/"
#define BAD_RUN_RETRY 600 /* seconds until a run that could not be loaded is tried again */

int ids_add(struct ids *l, const uint8_t *id)
{
	struct id *grown;

	/* Double at powers of two. */
	if ((l->n & (l->n - 1)) == 0) {
		grown = realloc(l->id, (l->n ? 2 * l->n : 1) * sizeof(*l->id));
		if (!grown)
			return -ENOMEM;
		l->id = grown;
	}
	memcpy(l->id[l->n++].b, id, ID_LEN);
	return 0;
}

/* Also of what begins with an id. */
static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, ID_LEN);
}

void ids_sort(struct ids *l)
{
	if (l->n > 0)
		qsort(l->id, l->n, sizeof(*l->id), compare_ids);
}

bool ids_have(const struct ids *l, const struct id *id)
{
	return l->n > 0 && bsearch(id, l->id, l->n, sizeof(*l->id), compare_ids) != NULL;
}

static int take_name(void *arg, const char *name, uint64_t size)
{
	struct run_list *l = arg;
	struct listed_run *grown;
	struct id id;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || id_parse(name + strlen(PREFIX), &id) < 0)
		return 0;
	if ((l->n & (l->n - 1)) == 0) {
		grown = realloc(l->run, (l->n ? 2 * l->n : 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->run = grown;
	}
	l->run[l->n++] = (struct listed_run){ .id = id, .size = size };
	return 0;
}

int index_list_runs(struct index *x, struct run_list *out)
{
	int rc = store_list(x->opts.store, PREFIX, take_name, out);

	if (out->n > 0)
		qsort(out->run, out->n, sizeof(*out->run), compare_ids);
	return rc;
}

ssize_t run_list_find(const struct run_list *l, const struct id *id)
{
	const struct listed_run *r = NULL;

	if (l->n > 0)
		r = bsearch(id, l->run, l->n, sizeof(*l->run), compare_ids);
	return r ? r - l->run : -1;
}

static int compare_sizes(const void *a, const void *b)
{
	const struct listed_run *x = a, *y = b;

	return x->size != y->size ? (x->size < y->size) - (x->size > y->size) : compare_ids(a, b);
}

void run_list_by_size(struct run_list *l)
{
	if (l->n > 0)
		qsort(l->run, l->n, sizeof(*l->run), compare_sizes);
}

time_t index_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

void index_pause(unsigned n)
{
	const struct timespec t = { .tv_nsec = 25000000L << (n < 4 ? n : 4) };

	nanosleep(&t, NULL);
}

struct bad_run *bad_run_find(struct index *x, const struct id *id)
{
	for (size_t i = 0; i < x->nbad; i++)
		if (id_equal(&x->bad[i].id, id))
			return &x->bad[i];
	return NULL;
}

void bad_run_note(struct index *x, const struct id *id)
{
	struct bad_run *b = bad_run_find(x, id), *grown;

	if (!b) {
		grown = realloc(x->bad, (x->nbad + 1) * sizeof(*grown));
		if (!grown)
			return;
		x->bad = grown;
		b = &grown[x->nbad++];
		b->id = *id;
	}
	b->again = index_now() + BAD_RUN_RETRY;
}

void bad_run_forget(struct index *x, const struct id *id)
{
	struct bad_run *b = bad_run_find(x, id);

	if (b)
		*b = x->bad[--x->nbad];
}
