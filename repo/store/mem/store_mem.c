/*
 * Store in memory that misbehaves on request.  See store_mem.h.
 *
 * The objects are in an array sorted by name, under one lock, which is not held while a call sleeps or a caller's
 * function runs.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "repo/store/mem/fault.h"
#include "repo/store/store_impl.h"
#include "repo/store/mem/store_mem.h"

struct object {
	char *name;
	struct buf bytes;
};

struct store_mem {
	struct store base;
	pthread_mutex_t lock;
	struct object *objects;
	size_t nobjects, cap;
	uint64_t held; /* bytes of objects, and of puts under way */
	struct faults faults;
};

struct mem_put {
	struct store_put base;
	struct buf bytes;
};

static struct store_mem *mem_of(struct store *s)
{
	return (struct store_mem *)s;
}

/* Index of the first object whose name is not below ${name}. */
static size_t find(const struct store_mem *m, const char *name)
{
	size_t low = 0, high = m->nobjects, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (strcmp(m->objects[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct object *lookup(const struct store_mem *m, const char *name)
{
	size_t i = find(m, name);

	return i < m->nobjects && strcmp(m->objects[i].name, name) == 0 ? &m->objects[i] : NULL;
}

/* Make ${name} hold ${*bytes}, which are taken over and already counted as held. */
static int insert(struct store_mem *m, const char *name, struct buf *bytes)
{
	struct object *o = lookup(m, name);
	size_t i, cap;

	if (o == NULL) {
		if (m->nobjects == m->cap) {
			cap = m->cap == 0 ? 16 : 2 * m->cap;
			o = reallocarray(m->objects, cap, sizeof(*o));
			if (o == NULL)
				return -ENOMEM;
			m->objects = o;
			m->cap = cap;
		}
		i = find(m, name);
		o = &m->objects[i];
		memmove(o + 1, o, (m->nobjects - i) * sizeof(*o));
		*o = (struct object){ .name = strdup(name) };
		if (o->name == NULL) {
			memmove(o, o + 1, (m->nobjects - i) * sizeof(*o));
			return -ENOMEM;
		}
		m->nobjects++;
	}
	m->held -= o->bytes.len;
	buf_free(&o->bytes);
	o->bytes = *bytes;
	*bytes = (struct buf)BUF_INIT;
	return 0;
}

/* Tell of the error ${rc} that the rules want. */
static int injected(struct store_mem *m, const char *name, int rc, unsigned wait_ms)
{
	if (rc == -EAGAIN)
		return store_transient(&m->base, wait_ms, "%s: fault injected", name);
	if (rc < 0 && rc != -ENOENT && rc != -EEXIST)
		log_error(m->base.log, "%s/%s: fault injected: %s", m->base.url, name, ERR(rc));
	return rc;
}

/* What the rules do to ${op} on ${name}.  Return 0, or the error that is to be returned. */
static int misbehave(struct store_mem *m, enum store_op op, const char *name, struct fault_effect *e)
{
	int rc = faults_apply(&m->faults, op, name, e);

	return injected(m, name, rc, e->wait_ms);
}

/* Copy ${len} bytes at ${off} of ${o} as ${e} lets them be seen.  Return false if the object seems to end before. */
static bool copy_range(const struct object *o, const struct fault_effect *e, uint64_t off, size_t len, uint8_t *out)
{
	uint64_t byte = e->flip_bit / 8;

	if (off + len > o->bytes.len || off + len > e->length)
		return false;
	if (len > 0)
		memcpy(out, o->bytes.data + off, len);
	if (e->flip && byte >= off && byte - off < len)
		out[byte - off] ^= (uint8_t)(1 << (e->flip_bit % 8));
	return true;
}

static int mem_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	struct store_mem *m = mem_of(s);
	struct object *o;
	struct fault_effect e;
	int rc;

	rc = misbehave(m, STORE_OP_GET, name, &e);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&m->lock);
	o = lookup(m, name);
	if (o == NULL)
		rc = -ENOENT;
	else if (!copy_range(o, &e, off, len, out))
		rc = -EBADMSG;
	pthread_mutex_unlock(&m->lock);
	if (rc == -EBADMSG)
		store_too_short(s, name, off, len);
	return rc;
}

static int mem_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	struct store_mem *m = mem_of(s);
	struct object *o;
	struct fault_effect e;
	size_t len = 0;
	int rc;

	rc = misbehave(m, STORE_OP_GET, name, &e);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&m->lock);
	o = lookup(m, name);
	if (o == NULL) {
		rc = -ENOENT;
	} else {
		len = o->bytes.len < e.length ? o->bytes.len : (size_t)e.length;
		rc = len > max ? -EBADMSG : buf_reserve(out, len);
	}
	if (rc == 0 && len > 0) {
		copy_range(o, &e, 0, len, out->data + out->len);
		out->len += len;
	}
	pthread_mutex_unlock(&m->lock);
	if (rc == -EBADMSG)
		log_error(s->log, "%s/%s: has %zu bytes, and can only have %zu", s->url, name, len, max);
	else if (rc == -ENOMEM)
		log_error(s->log, "%s/%s: read %zu bytes: out of memory", s->url, name, len);
	return rc;
}

static int mem_stat(struct store *s, const char *name, uint64_t *size)
{
	struct store_mem *m = mem_of(s);
	struct object *o;
	struct fault_effect e;
	int rc;

	rc = misbehave(m, STORE_OP_STAT, name, &e);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&m->lock);
	o = lookup(m, name);
	if (o == NULL)
		rc = -ENOENT;
	else
		*size = o->bytes.len;
	pthread_mutex_unlock(&m->lock);
	return rc;
}

/*
 * The first object above ${last}, if it begins with ${prefix}: its name and size.  Return false if there is none.  Each
 * step searches anew, so that ${fn} of a listing may change the store.
 */
static bool next_name(struct store_mem *m, const char *prefix, const char *last, char name[STORE_NAME_MAX + 1],
		      uint64_t *size)
{
	bool found = false;
	size_t i;

	pthread_mutex_lock(&m->lock);
	i = find(m, last);
	if (i < m->nobjects && last[0] != '\0' && strcmp(m->objects[i].name, last) == 0)
		i++;
	if (i < m->nobjects && strncmp(m->objects[i].name, prefix, strlen(prefix)) == 0) {
		memcpy(name, m->objects[i].name, strlen(m->objects[i].name) + 1);
		*size = m->objects[i].bytes.len;
		found = true;
	}
	pthread_mutex_unlock(&m->lock);
	return found;
}

static int mem_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	struct store_mem *m = mem_of(s);
	char last[STORE_NAME_MAX + 1], name[STORE_NAME_MAX + 1] = "";
	struct fault_effect e;
	uint64_t size;
	int rc;

	rc = misbehave(m, STORE_OP_LIST, prefix, &e);
	memcpy(last, prefix, strlen(prefix) + 1);
	while (rc == 0 && next_name(m, prefix, last, name, &size)) {
		memcpy(last, name, sizeof(last));
		if (!faults_hide(&m->faults, name))
			rc = fn(arg, name, size);
	}
	return rc;
}

static int mem_delete(struct store *s, const char *name)
{
	struct store_mem *m = mem_of(s);
	struct object *o;
	struct fault_effect e;
	int rc;

	rc = misbehave(m, STORE_OP_DELETE, name, &e);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&m->lock);
	o = lookup(m, name);
	if (o != NULL) {
		m->held -= o->bytes.len;
		buf_free(&o->bytes);
		free(o->name);
		m->nobjects--;
		memmove(o, o + 1, (size_t)(m->objects + m->nobjects - o) * sizeof(*o));
	}
	pthread_mutex_unlock(&m->lock);
	return injected(m, name, e.after, 0);
}

static int mem_info(struct store *s, struct store_info *out)
{
	(void)s;
	*out = (struct store_info){ 0 };
	return 0;
}

static int mem_put_begin(struct store *s, struct store_put **out)
{
	struct mem_put *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		log_error(s->log, "%s: put: out of memory", s->url);
		return -ENOMEM;
	}
	p->base.store = s;
	*out = &p->base;
	return 0;
}

static int mem_put_append(struct store_put *base, const void *data, size_t len)
{
	struct mem_put *p = (struct mem_put *)base;
	struct store_mem *m = mem_of(base->store);
	int rc;

	pthread_mutex_lock(&m->lock);
	rc = faults_no_space(&m->faults, m->held + len) ? -ENOSPC : buf_append(&p->bytes, data, len);
	if (rc == 0)
		m->held += len;
	pthread_mutex_unlock(&m->lock);
	if (rc < 0)
		log_error(m->base.log, "%s: put %zu bytes: %s", m->base.url, len, ERR(rc));
	return rc;
}

/* Make ${name} hold the bytes of ${p}, which keeps them too if there may be another commit.  Under the lock. */
static int insert_put(struct store_mem *m, const char *name, struct mem_put *p, bool keep)
{
	struct buf copy = BUF_INIT;
	int rc;

	if (!keep)
		return insert(m, name, &p->bytes);
	rc = buf_append(&copy, p->bytes.data, p->bytes.len);
	if (rc == 0)
		rc = insert(m, name, &copy);
	if (rc == 0)
		m->held += p->bytes.len;
	buf_free(&copy);
	return rc;
}

static int mem_put_commit(struct store_put *base, const char *name, unsigned flags)
{
	struct mem_put *p = (struct mem_put *)base;
	struct store_mem *m = mem_of(base->store);
	struct object *o;
	struct fault_effect e;
	int rc;

	rc = misbehave(m, STORE_OP_PUT, name, &e);
	if (rc == 0) {
		pthread_mutex_lock(&m->lock);
		o = lookup(m, name);
		if (o != NULL && (flags & STORE_EXCL) != 0)
			rc = -EEXIST;
		else if (o == NULL || o->bytes.len != p->bytes.len || (flags & STORE_REPLACE) != 0)
			rc = insert_put(m, name, p, e.after == -EAGAIN);
		pthread_mutex_unlock(&m->lock);
		if (rc == -ENOMEM)
			log_error(m->base.log, "%s/%s: put: out of memory", m->base.url, name);
	}
	if (rc == 0)
		rc = injected(m, name, e.after, 0);
	if (rc != -EAGAIN)
		store_put_abort(base);
	return rc;
}

/* Also frees what is left of a put after its commit: bytes that the store has not taken over. */
static void mem_put_abort(struct store_put *base)
{
	struct mem_put *p = (struct mem_put *)base;
	struct store_mem *m = mem_of(base->store);

	pthread_mutex_lock(&m->lock);
	m->held -= p->bytes.len;
	pthread_mutex_unlock(&m->lock);
	buf_free(&p->bytes);
	free(p);
}

static void mem_close(struct store *s)
{
	struct store_mem *m = mem_of(s);
	size_t i;

	for (i = 0; i < m->nobjects; i++) {
		buf_free(&m->objects[i].bytes);
		free(m->objects[i].name);
	}
	free(m->objects);
	faults_destroy(&m->faults);
	pthread_mutex_destroy(&m->lock);
	store_destroy(s);
	free(m);
}

static const struct store_ops mem_ops = {
	.get = mem_get,
	.get_all = mem_get_all,
	.stat = mem_stat,
	.list = mem_list,
	.del = mem_delete,
	.info = mem_info,
	.put_begin = mem_put_begin,
	.put_append = mem_put_append,
	.put_commit = mem_put_commit,
	.put_abort = mem_put_abort,
	.close = mem_close,
};

int store_mem_open(const struct log *log, struct store **out)
{
	struct store_mem *m = calloc(1, sizeof(*m));

	if (m == NULL || store_init(&m->base, &mem_ops, log, "mem:", NULL) != 0) {
		free(m);
		return -ENOMEM;
	}
	pthread_mutex_init(&m->lock, NULL);
	faults_init(&m->faults);
	*out = &m->base;
	return 0;
}

void store_mem_set_faults(struct store *s, const struct store_fault_rule *rules, size_t n)
{
	faults_set(&mem_of(s)->faults, rules, n);
}

int store_mem_replace(struct store *s, const char *name, const void *data, size_t len)
{
	struct store_mem *m = mem_of(s);
	struct buf bytes = BUF_INIT;
	int rc;

	rc = buf_append(&bytes, data, len);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&m->lock);
	rc = insert(m, name, &bytes);
	if (rc == 0)
		m->held += len;
	pthread_mutex_unlock(&m->lock);
	buf_free(&bytes);
	return rc;
}
