/*
 * Reading packs: which ones, and threads that take one after the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "repo/check/scan/scan.h"
#include "repo/check/share/plan.h"

#define THREADS_MAX 256
#define WAITING 1 /* thread; each has 20 MB or so in hand */

struct pool {
	struct check *c;
	unsigned at_once; /* packs that a thread has in hand */
	atomic_int rc; /* the first error */
};

static int count_object(void *arg, const struct id *id, const struct place *place)
{
	struct check *c = arg;

	(void)id;
	if (place->pack < c->nnumbers)
		c->objects_of[place->pack]++;
	return 0;
}

/* How many objects the index places in each pack. */
static int count_objects(struct check *c)
{
	if (c->r == NULL)
		return 0;
	c->objects_of = calloc(c->nnumbers + (size_t)1, sizeof(*c->objects_of));
	if (c->objects_of == NULL)
		return -ENOMEM;
	return index_each_object(c->index, count_object, c);
}

/* The next pack; none after an error of any thread. */
static struct check_pack *next_pack(void *arg)
{
	struct pool *l = arg;

	return l->rc == 0 ? plan_next(l->c->plan) : NULL;
}

static void *work(void *arg)
{
	struct pool *l = arg;
	struct scan *s = NULL;
	int rc = scan_new(l->c, l->at_once, &s), none = 0;

	if (rc == 0)
		rc = scan_packs(s, next_pack, l);
	if (rc != 0)
		atomic_compare_exchange_strong(&l->rc, &none, rc);
	scan_free(s);
	return NULL;
}

static unsigned wanted_threads(const struct check *c, size_t npacks)
{
	long n = c->o->threads;

	/* Beyond the processors, so that one may wait for the disk. */
	if (n == 0)
		n = sysconf(_SC_NPROCESSORS_ONLN) + WAITING;
	n = n < 1 ? 1 : n > THREADS_MAX ? THREADS_MAX : n;
	return (size_t)n < npacks ? (unsigned)n : (unsigned)npacks;
}

/* The caller is one of the threads; it does all of it if there are no others to be had. */
static int run(struct check *c)
{
	size_t npacks = plan_count(c->plan);
	pthread_t thread[THREADS_MAX];
	unsigned n = wanted_threads(c, npacks), started = 0;
	size_t share = n > 0 ? (npacks + n - 1) / n : 1; /* that nobody has all of a few packs */
	struct pool l = { .c = c, .at_once = share < SCAN_PACKS_MAX ? (unsigned)share : SCAN_PACKS_MAX };

	while (started + 1 < n && pthread_create(&thread[started], NULL, work, &l) == 0)
		started++;
	work(&l);
	while (started > 0)
		pthread_join(thread[--started], NULL);
	return l.rc;
}

int check_data(struct check *c)
{
	int rc;

	if (!c->o->read_data)
		return 0;
	rc = count_objects(c);
	if (rc == 0)
		rc = plan_make(c, c->r != NULL ? "data" : "packs", &c->plan);
	if (rc != 0)
		return rc;
	rc = run(c);
	plan_end(c->plan, rc == 0);
	c->plan = NULL;
	return rc;
}
