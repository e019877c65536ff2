/*
 * The groups: an open table with linear probing and without gaps (what is removed is filled from behind).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "repo/restore/work/linkset.h"
#include "repo/tree/span/span.h"

#define SLOTS_MIN 1024 /* a power of two */

enum state { EMPTY, AT_WORK, THERE, FAILED };

struct group {
	uint64_t dev, ino;
	uint64_t print;  /* of the contents */
	uint64_t number; /* of the first */
	uint32_t left;   /* names that are not done */
	uint32_t state;
};

struct linkset {
	pthread_mutex_t lock;
	pthread_cond_t settled;
	struct group *table;
	size_t slots, used; /* slots: a power of two */
	size_t max_bytes;
	int dirfd;
	bool stopped;
};

/* Memory for a table, zeroed: in the process, or if that is much, of an unnamed file where there is room for it. */
static struct group *map_table(const struct linkset *l, size_t slots)
{
	size_t bytes = slots * sizeof(struct group);
	void *p = MAP_FAILED;
	int fd = -1;

	if (bytes > l->max_bytes && l->dirfd >= 0)
		fd = openat(l->dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0) {
		if (fallocate(fd, 0, 0, (off_t)bytes) == 0)
			p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (p == MAP_FAILED)
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

struct linkset *linkset_new(int dirfd, size_t max_bytes)
{
	struct linkset *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->dirfd = dirfd;
	l->max_bytes = max_bytes;
	l->slots = SLOTS_MIN;
	l->table = map_table(l, l->slots);
	if (l->table == NULL) {
		free(l);
		return NULL;
	}
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->settled, NULL);
	return l;
}

void linkset_free(struct linkset *l)
{
	if (l == NULL)
		return;
	munmap(l->table, l->slots * sizeof(struct group));
	pthread_cond_destroy(&l->settled);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15;
	return h ^ h >> 32;
}

/* What must be the same for two names to be one file. */
static uint64_t print_of(const struct tree_entry *e)
{
	uint64_t h = mix(e->type, e->size);
	struct span s;

	h = mix(h, (uint64_t)e->mtime);
	h = mix(h, e->mtime_ns);
	h = mix(h, (uint64_t)e->rdev_major << 32 | e->rdev_minor);
	if (e->flags & ENTRY_HAS_CHILD)
		h = mix(h, id_hash(&e->child));
	for (uint32_t i = 0; i < e->nspans; i++) {
		span_decode(e->spans + (size_t)i * SPAN_RECORD_LEN, &s);
		h = mix(mix(h, s.off), id_hash(&s.id));
	}
	for (uint16_t i = 0; i < e->target_len; i++)
		h = mix(h, (uint8_t)e->target[i]);
	return h;
}

static struct group key_of(const struct tree_entry *e)
{
	return (struct group){ .dev = e->dev, .ino = e->ino, .print = print_of(e) };
}

static size_t home_of(const struct linkset *l, const struct group *g)
{
	return mix(mix(mix(1, g->dev), g->ino), g->print) & (l->slots - 1);
}

/* The group with that key, or the empty slot where it belongs. */
static struct group *find(struct linkset *l, const struct group *key)
{
	size_t i = home_of(l, key);
	struct group *g;

	for (;; i = (i + 1) & (l->slots - 1)) {
		g = &l->table[i];
		if (g->state == EMPTY || (g->dev == key->dev && g->ino == key->ino && g->print == key->print))
			return g;
	}
}

/* Twice as many slots, if there are not enough for one more. */
static int grow(struct linkset *l)
{
	struct group *old = l->table;
	size_t slots = l->slots;

	if (l->used + 1 <= slots / 4 * 3)
		return 0;
	l->table = map_table(l, slots * 2);
	if (l->table == NULL) {
		l->table = old;
		return -ENOMEM;
	}
	l->slots = slots * 2;
	for (size_t i = 0; i < slots; i++)
		if (old[i].state != EMPTY)
			*find(l, &old[i]) = old[i];
	munmap(old, slots * sizeof(struct group));
	return 0;
}

/* Take a group out: whatever stands behind it and may move up does. */
static void forget(struct linkset *l, struct group *g)
{
	size_t mask = l->slots - 1, gap = (size_t)(g - l->table), i, home;

	for (i = (gap + 1) & mask; l->table[i].state != EMPTY; i = (i + 1) & mask) {
		home = home_of(l, &l->table[i]);
		if (((i - home) & mask) >= ((i - gap) & mask)) {
			l->table[gap] = l->table[i];
			gap = i;
		}
	}
	l->table[gap].state = EMPTY;
	l->used--;
}

int linkset_meet(struct linkset *l, const struct tree_entry *e, uint64_t number)
{
	struct group key = key_of(e), *g;
	int role;

	pthread_mutex_lock(&l->lock);
	role = grow(l);
	if (role == 0) {
		g = find(l, &key);
		role = g->state == EMPTY ? LINK_FIRST : LINK_LATER;
		if (role == LINK_FIRST) {
			*g = key;
			g->number = number;
			g->left = e->nlink;
			g->state = AT_WORK;
			l->used++;
		}
	}
	pthread_mutex_unlock(&l->lock);
	return role;
}

bool linkset_claim(struct linkset *l, const struct tree_entry *e, uint64_t number, uint64_t *first)
{
	struct group key = key_of(e), *g;
	bool link;

	pthread_mutex_lock(&l->lock);
	while ((g = find(l, &key))->state == AT_WORK && !l->stopped)
		pthread_cond_wait(&l->settled, &l->lock);
	link = g->state == THERE;
	if (link) {
		*first = g->number;
	} else if (g->state == FAILED) {
		g->number = number;
		g->state = AT_WORK;
	}
	pthread_mutex_unlock(&l->lock);
	return link;
}

static void name_done(struct linkset *l, struct group *g)
{
	if (g->state != EMPTY && --g->left == 0)
		forget(l, g);
}

void linkset_linked(struct linkset *l, const struct tree_entry *e)
{
	struct group key = key_of(e);

	pthread_mutex_lock(&l->lock);
	name_done(l, find(l, &key));
	pthread_mutex_unlock(&l->lock);
}

void linkset_settle(struct linkset *l, const struct tree_entry *e, bool ok)
{
	struct group key = key_of(e), *g;

	pthread_mutex_lock(&l->lock);
	g = find(l, &key);
	if (g->state != EMPTY)
		g->state = ok ? THERE : FAILED;
	name_done(l, g);
	pthread_cond_broadcast(&l->settled);
	pthread_mutex_unlock(&l->lock);
}

void linkset_stop(struct linkset *l)
{
	if (l == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	l->stopped = true;
	pthread_cond_broadcast(&l->settled);
	pthread_mutex_unlock(&l->lock);
}
