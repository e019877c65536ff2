/*
 * Reading packs: which ones, and threads that take one after the other.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "repo/check/pass/scan.h"
#include "repo/util/le.h"

#define THREADS_MAX 256
#define WAITING 1 /* thread; each has 20 MB or so in hand */

struct pool {
	struct check *c;
	struct check_pack **chosen;
	size_t n;
	unsigned at_once; /* packs that a thread has in hand */
	atomic_size_t next;
	atomic_int rc; /* the first error */
};

static bool in_part(const struct check *c, const struct check_pack *p)
{
	return c->o->parts == 0 || le64dec(p->id.b) % c->o->parts == c->o->part - 1;
}

/* A random share, by shuffling as far as wanted. */
static void choose_share(struct pool *l, uint32_t percent)
{
	size_t want = (l->n * percent + 99) / 100, at;
	struct check_pack *swap;
	uint64_t r;

	for (size_t i = 0; i < want && i < l->n; i++) {
		crypt_random(&r, sizeof(r));
		at = i + (size_t)(r % (l->n - i));
		swap = l->chosen[i];
		l->chosen[i] = l->chosen[at];
		l->chosen[at] = swap;
	}
	if (want < l->n)
		l->n = want;
}

/* Those that are missing or have another size are findings already. */
static int choose(struct check *c, struct pool *l)
{
	uint64_t bytes = 0;

	l->chosen = malloc((c->npacks + 1) * sizeof(struct check_pack *));
	if (l->chosen == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < c->npacks; i++) {
		if (c->packs[i].state == PACK_PRESENT && in_part(c, &c->packs[i]))
			l->chosen[l->n++] = &c->packs[i];
	}
	if (c->o->percent > 0)
		choose_share(l, c->o->percent);
	for (size_t i = 0; i < l->n; i++)
		bytes += l->chosen[i]->size;
	if (c->o->progress != NULL) {
		c->o->progress->total_packs = l->n;
		c->o->progress->total_bytes = bytes;
	}
	return 0;
}

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
	c->objects_of = calloc(c->nnumbers + (size_t)1, sizeof(*c->objects_of));
	if (c->objects_of == NULL)
		return -ENOMEM;
	return index_each_object(c->index, count_object, c);
}

/* The next pack; none after an error of any thread. */
static struct check_pack *next_pack(void *arg)
{
	struct pool *l = arg;
	size_t i = l->rc == 0 ? l->next++ : l->n;

	return i < l->n ? l->chosen[i] : NULL;
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
static void run(struct pool *l)
{
	pthread_t thread[THREADS_MAX];
	unsigned n = wanted_threads(l->c, l->n), started = 0;
	size_t share = n > 0 ? (l->n + n - 1) / n : 1; /* that nobody has all of a few packs */

	l->at_once = share < SCAN_PACKS_MAX ? (unsigned)share : SCAN_PACKS_MAX;
	while (started + 1 < n && pthread_create(&thread[started], NULL, work, l) == 0)
		started++;
	work(l);
	while (started > 0)
		pthread_join(thread[--started], NULL);
}

int check_data(struct check *c)
{
	struct pool l = { .c = c };
	int rc;

	if (!c->o->read_data)
		return 0;
	rc = count_objects(c);
	if (rc == 0)
		rc = choose(c, &l);
	if (rc == 0) {
		run(&l);
		rc = l.rc;
	}
	free(l.chosen);
	return rc;
}
