/*
 * The cache of checked pages.
 *
 * A page is checked when it enters; who holds it may use it without a lock, as it never changes.  Pages that nobody
 * holds stand in a list by the time of their last use and are freed from its old end when there are too many bytes.
 * One lock guards table, list and counts; pages are read, checked and freed outside of it.  Two threads that want the
 * same page at once may both read it (the segments below are shared anyway); the second then throws its own away.
 */
#include "repo/tree/tree.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "repo/tree/node.h"
#include "repo/tree/page/page_layout.h"
#include "repo/tree/span/span_layout.h"

#define CACHE_BYTES_MIN (1024u * 1024)
#define BYTES_PER_BUCKET 1024 /* about the smallest page, with its node */

struct tree {
	struct object_reader *reader;
	const struct log *log;
	pthread_mutex_t lock;
	struct tree_node **bucket;
	size_t mask;           /* number of buckets - 1, a power of two */
	struct tree_node idle; /* head of the ring of idle nodes: idle.older is the newest */
	size_t bytes, max_bytes;
};

int tree_new(struct object_reader *reader, size_t cache_bytes, const struct log *log, struct tree **out)
{
	struct tree *t = calloc(1, sizeof(*t));
	size_t buckets = 1;

	if (t == NULL)
		return -ENOMEM;
	t->reader = reader;
	t->log = log;
	t->max_bytes = cache_bytes > CACHE_BYTES_MIN ? cache_bytes : CACHE_BYTES_MIN;
	while (buckets < t->max_bytes / BYTES_PER_BUCKET)
		buckets *= 2;
	t->mask = buckets - 1;
	t->idle.newer = t->idle.older = &t->idle;
	t->bucket = calloc(buckets, sizeof(struct tree_node *));
	if (t->bucket == NULL || pthread_mutex_init(&t->lock, NULL) != 0) {
		free(t->bucket);
		free(t);
		return -ENOMEM;
	}
	*out = t;
	return 0;
}

static void free_nodes(struct tree_node *list)
{
	struct tree_node *n;

	while ((n = list) != NULL) {
		list = n->next;
		buf_free(&n->bytes);
		free(n);
	}
}

void tree_free(struct tree *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i <= t->mask; i++)
		free_nodes(t->bucket[i]);
	pthread_mutex_destroy(&t->lock);
	free(t->bucket);
	free(t);
}

struct object_reader *tree_reader(struct tree *t)
{
	return t->reader;
}

void node_log_damage(struct tree *t, const struct id *id, const char *what)
{
	char hex[ID_HEX_SIZE];

	log_error(t->log, "tree object %s: %s", id_hex(id, hex), what);
}

static size_t node_cost(const struct tree_node *n)
{
	return sizeof(*n) + n->bytes.cap;
}

static struct tree_node **bucket_of(struct tree *t, const struct id *id)
{
	return &t->bucket[id_hash(id) & t->mask];
}

/* Under the lock: the node of ${id}, held once more; or NULL. */
static struct tree_node *take(struct tree *t, const struct id *id)
{
	struct tree_node *n = *bucket_of(t, id);

	while (n != NULL && !id_equal(&n->id, id))
		n = n->next;
	if (n != NULL && n->held++ == 0) {
		n->newer->older = n->older;
		n->older->newer = n->newer;
	}
	return n;
}

/* Under the lock: take out what is too much, oldest first.  Return it, for free_nodes() without the lock. */
static struct tree_node *evict(struct tree *t)
{
	struct tree_node *list = NULL, *n, **link;

	while (t->bytes > t->max_bytes && (n = t->idle.newer) != &t->idle) {
		n->newer->older = n->older;
		n->older->newer = n->newer;
		for (link = bucket_of(t, &n->id); *link != n; link = &(*link)->next)
			;
		*link = n->next;
		t->bytes -= node_cost(n);
		n->next = list;
		list = n;
	}
	return list;
}

/* Enter ${n}, held once; or, if another was faster, free it and hold that one's. */
static struct tree_node *enter(struct tree *t, struct tree_node *n)
{
	struct tree_node **bucket, *other, *freed;

	pthread_mutex_lock(&t->lock);
	other = take(t, &n->id);
	if (other != NULL) {
		n->next = NULL;
		freed = n;
		n = other;
	} else {
		bucket = bucket_of(t, &n->id);
		n->held = 1;
		n->next = *bucket;
		*bucket = n;
		t->bytes += node_cost(n);
		freed = evict(t);
	}
	pthread_mutex_unlock(&t->lock);
	free_nodes(freed);
	return n;
}

/* Check the bytes of a page of either kind. */
static int open_page(struct tree_node *n)
{
	n->is_spans = n->bytes.len >= 4 && memcmp(n->bytes.data, SPAN_MAGIC, 4) == 0;
	if (n->is_spans)
		return span_page_open(&n->spans, n->bytes.data, n->bytes.len);
	return tree_page_open(&n->page, n->bytes.data, n->bytes.len);
}

static int load(struct tree *t, const struct id *id, struct tree_node **out)
{
	struct tree_node *n = calloc(1, sizeof(*n));
	int rc = -ENOMEM;

	if (n == NULL)
		goto out;
	n->id = *id;
	rc = object_read(t->reader, PACK_TREE, id, TREE_PAGE_MAX, &n->bytes);
	if (rc == 0 && open_page(n) < 0)
		rc = node_damaged(t, id, "malformed");
	if (rc == 0)
		*out = enter(t, n);
	else
		free_nodes(n);
out:
	return rc;
}

static int hold(struct tree *t, const struct id *id, struct tree_node **out)
{
	struct tree_node *n;

	pthread_mutex_lock(&t->lock);
	n = take(t, id);
	pthread_mutex_unlock(&t->lock);
	if (n == NULL)
		return load(t, id, out);
	*out = n;
	return 0;
}

void tree_release(struct tree *t, struct tree_node *n)
{
	struct tree_node *freed = NULL;

	if (n == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	if (--n->held == 0) {
		n->older = t->idle.older;
		n->newer = &t->idle;
		n->older->newer = n;
		t->idle.older = n;
		freed = evict(t);
	}
	pthread_mutex_unlock(&t->lock);
	free_nodes(freed);
}

static int hold_kind(struct tree *t, const struct id *id, bool spans, struct tree_node **out)
{
	const char *what = spans ? "is a directory's, not a span list's" : "is a span list's, not a directory's";
	struct tree_node *n;
	int rc = hold(t, id, &n);

	if (rc != 0)
		return rc;
	if (n->is_spans != spans) {
		tree_release(t, n);
		return node_damaged(t, id, what);
	}
	*out = n;
	return 0;
}

int node_hold_page(struct tree *t, const struct id *id, struct tree_node **out)
{
	return hold_kind(t, id, false, out);
}

int node_hold_dir(struct tree *t, const struct tree_entry *dir, struct tree_node **out)
{
	int rc = node_hold_page(t, &dir->child, out);

	if (rc != 0 || (*out)->page.total == dir->below)
		return rc;
	tree_release(t, *out);
	return node_damaged(t, &dir->child, "has another number of entries than its directory says");
}

int node_hold_spans(struct tree *t, const struct id *id, struct tree_node **out)
{
	return hold_kind(t, id, true, out);
}

int tree_hold_page(struct tree *t, const struct id *id, struct tree_node **node, struct tree_page *page)
{
	int rc = node_hold_page(t, id, node);

	if (rc == 0)
		*page = (*node)->page;
	return rc;
}

int tree_hold_spans(struct tree *t, const struct id *id, struct tree_node **node, struct span_page *spans)
{
	int rc = node_hold_spans(t, id, node);

	if (rc == 0)
		*spans = (*node)->spans;
	return rc;
}

void name_limit_set(struct name_limit *limit, const struct tree_page *p, uint32_t i)
{
	const char *name;

	if (i >= p->count)
		return;
	name = page_name(p, i, &limit->len);
	memcpy(limit->name, name, limit->len);
}

/* What of the page contradicts the reference to it?  NULL: nothing. */
static const char *contradiction(const struct tree_page *parent, uint32_t i, const struct tree_ref *ref,
    const struct name_limit *limit, const struct tree_page *child)
{
	struct tree_ref next = { .before = parent->total };
	const char *name;
	uint16_t len;

	if (i + 1 < parent->count)
		tree_page_ref(parent, i + 1, &next);
	if (child->level + 1 != parent->level)
		return "has another level than its parent says";
	if (child->total != next.before - ref->before)
		return "has another number of entries than its parent says";
	name = page_name(child, 0, &len);
	if (entry_name_compare(name, len, ref->name, ref->name_len) != 0)
		return "begins with another name than its parent says";
	name = page_name(child, child->count - 1, &len);
	if (limit->len > 0 && entry_name_compare(name, len, limit->name, limit->len) >= 0)
		return "ends with a name that belongs to the next one";
	return NULL;
}

int node_hold_child(struct tree *t, const struct tree_page *parent, uint32_t i, const struct name_limit *limit,
    struct tree_node **out)
{
	struct tree_node *n;
	struct tree_ref ref;
	const char *what;
	int rc;

	tree_page_ref(parent, i, &ref);
	rc = node_hold_page(t, &ref.id, &n);
	if (rc != 0)
		return rc;
	what = contradiction(parent, i, &ref, limit, &n->page);
	if (what != NULL) {
		tree_release(t, n);
		return node_damaged(t, &ref.id, what);
	}
	*out = n;
	return 0;
}
