/*
 * Contents of hard links: a hash table by device and inode.
 *
 *   (none) --ask: READ--> pending --tell ok--> known --ask of the last name--> (none)
 *                            \-----tell not ok--> (none)
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "repo/backup/fill/links.h"

#define BUCKETS_MIN 256
#define SPANS_MAX 4096 /* more are not kept: such a file is read again */

struct link {
	struct link *next;
	uint64_t dev, ino;
	uint32_t left;     /* names that have not asked yet */
	bool pending;
	bool large;        /* the producer's: workers do not wait for it */
	uint64_t size;     /* what it is the contents of: */
	int64_t mtime, ctime;
	uint32_t mtime_ns, ctime_ns;
	uint64_t data_bytes;
	struct id child;
	uint32_t nspans, xattrs_len;
	uint8_t flags;     /* ENTRY_HAS_CHILD */
	size_t bytes;      /* of all this */
	uint8_t *kept;     /* spans, then xattrs */
};

struct links {
	pthread_mutex_t lock;
	pthread_cond_t told;
	struct link **bucket;
	size_t nbuckets, count;
	size_t bytes, max_bytes;
	bool stopped;
};

struct links *links_new(size_t max_bytes)
{
	struct links *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->nbuckets = BUCKETS_MIN;
	l->max_bytes = max_bytes;
	l->bucket = calloc(l->nbuckets, sizeof(struct link *));
	if (!l->bucket) {
		free(l);
		return NULL;
	}
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->told, NULL);
	return l;
}

static void link_free(struct links *l, struct link *k)
{
	l->bytes -= k->bytes;
	l->count--;
	free(k->kept);
	free(k);
}

void links_free(struct links *l)
{
	struct link *k;
	size_t i;

	if (!l)
		return;
	for (i = 0; i < l->nbuckets; i++) {
		while ((k = l->bucket[i]) != NULL) {
			l->bucket[i] = k->next;
			link_free(l, k);
		}
	}
	pthread_cond_destroy(&l->told);
	pthread_mutex_destroy(&l->lock);
	free(l->bucket);
	free(l);
}

static size_t bucket_of(const struct links *l, uint64_t dev, uint64_t ino)
{
	uint64_t h = (ino ^ dev << 40) * 0x9e3779b97f4a7c15u;

	return (size_t)(h >> 32) & (l->nbuckets - 1);
}

/* Where the link is, or the end of the chain that it would be in. */
static struct link **find(struct links *l, uint64_t dev, uint64_t ino)
{
	struct link **at = &l->bucket[bucket_of(l, dev, ino)];

	while (*at && ((*at)->ino != ino || (*at)->dev != dev))
		at = &(*at)->next;
	return at;
}

/* Twice the buckets; without memory chains just get longer. */
static void grow(struct links *l)
{
	struct link **old = l->bucket, *k;
	size_t n = l->nbuckets, i;

	l->bucket = calloc(n * 2, sizeof(struct link *));
	if (!l->bucket) {
		l->bucket = old;
		return;
	}
	l->nbuckets = n * 2;
	for (i = 0; i < n; i++) {
		while ((k = old[i]) != NULL) {
			struct link **at = &l->bucket[bucket_of(l, k->dev, k->ino)];

			old[i] = k->next;
			k->next = *at;
			*at = k;
		}
	}
	free(old);
}

static void remove_at(struct links *l, struct link **at)
{
	struct link *k = *at;

	*at = k->next;
	link_free(l, k);
}

/* Begin a pending link for the inode of ${e}, if it may be kept. */
static bool begin(struct links *l, const struct tree_entry *e, bool large)
{
	struct link **at, *k;

	if (l->bytes + sizeof(*k) > l->max_bytes)
		return false;
	k = calloc(1, sizeof(*k));
	if (!k)
		return false;
	*k = (struct link){ .dev = e->dev, .ino = e->ino, .left = e->nlink - 1, .pending = true, .large = large,
		.bytes = sizeof(*k) };
	if (l->count >= l->nbuckets)
		grow(l);
	at = find(l, e->dev, e->ino);
	*at = k;
	l->count++;
	l->bytes += k->bytes;
	return true;
}

static bool same_state(const struct link *k, const struct tree_entry *e)
{
	return k->size == e->size && k->mtime == e->mtime && k->mtime_ns == e->mtime_ns && k->ctime == e->ctime &&
	       k->ctime_ns == e->ctime_ns;
}

/* Copy what is kept into ${e}. */
static int take(const struct link *k, struct tree_entry *e, struct job *j)
{
	size_t spans = (size_t)k->nspans * SPAN_RECORD_LEN;
	uint8_t *p = job_alloc(j, spans + k->xattrs_len);

	if (!p)
		return -ENOMEM;
	if (spans + k->xattrs_len > 0)
		memcpy(p, k->kept, spans + k->xattrs_len);
	e->size = k->size;
	e->data_bytes = k->data_bytes;
	e->flags = (uint8_t)((e->flags & ~ENTRY_HAS_CHILD) | k->flags);
	e->child = k->child;
	e->spans = p;
	e->nspans = k->nspans;
	e->xattrs = p + spans;
	e->xattrs_len = k->xattrs_len;
	return LINKS_KNOWN;
}

int links_ask(struct links *l, struct tree_entry *e, struct job *j, bool producer)
{
	struct link **at;
	int answer = LINKS_ALONE;

	pthread_mutex_lock(&l->lock);
	while (*(at = find(l, e->dev, e->ino)) && (*at)->pending && (!(*at)->large || producer) && !l->stopped)
		pthread_cond_wait(&l->told, &l->lock);
	if (!*at) {
		if (!l->stopped && begin(l, e, producer))
			answer = LINKS_READ;
	} else if (!(*at)->pending && same_state(*at, e)) {
		answer = take(*at, e, j);
		if (--(*at)->left == 0)
			remove_at(l, at);
	}
	pthread_mutex_unlock(&l->lock);
	return answer;
}

/* Keep what ${e} has.  False if it is too much. */
static bool keep(struct links *l, struct link *k, const struct tree_entry *e)
{
	size_t spans = e->flags & ENTRY_HAS_CHILD ? 0 : (size_t)e->nspans * SPAN_RECORD_LEN;
	size_t len = spans + e->xattrs_len;

	if (e->flags & ENTRY_XATTRS_BY_ID || e->xattrs_len > ENTRY_XATTRS_INLINE ||
	    spans > SPANS_MAX * SPAN_RECORD_LEN || l->bytes + len > l->max_bytes)
		return false;
	k->kept = malloc(len ? len : 1);
	if (!k->kept)
		return false;
	if (spans)
		memcpy(k->kept, e->spans, spans);
	if (e->xattrs_len)
		memcpy(k->kept + spans, e->xattrs, e->xattrs_len);
	k->size = e->size;
	k->mtime = e->mtime;
	k->mtime_ns = e->mtime_ns;
	k->ctime = e->ctime;
	k->ctime_ns = e->ctime_ns;
	k->data_bytes = e->data_bytes;
	k->child = e->child;
	k->nspans = (uint32_t)(spans / SPAN_RECORD_LEN);
	k->xattrs_len = e->xattrs_len;
	k->flags = e->flags & ENTRY_HAS_CHILD;
	k->bytes += len;
	l->bytes += len;
	k->pending = false;
	return true;
}

void links_tell(struct links *l, uint64_t dev, uint64_t ino, const struct tree_entry *found)
{
	struct link **at;

	pthread_mutex_lock(&l->lock);
	at = find(l, dev, ino);
	if (*at && (*at)->pending && !(found && (*at)->left > 0 && keep(l, *at, found)))
		remove_at(l, at);
	pthread_cond_broadcast(&l->told);
	pthread_mutex_unlock(&l->lock);
}

void links_stop(struct links *l)
{
	pthread_mutex_lock(&l->lock);
	l->stopped = true;
	pthread_cond_broadcast(&l->told);
	pthread_mutex_unlock(&l->lock);
}
