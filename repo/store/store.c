/*
 * What all stores have in common: names are checked, and requests counted.  See store.h.
 */
#include <errno.h>
#include <string.h>

#include "repo/store/store_impl.h"

/* Indices of struct store's ${counter}. */
enum { GETS, GET_BYTES, PUTS, PUT_BYTES, STATS, LISTS, DELETES };

_Static_assert(sizeof(struct store_counters) == 7 * sizeof(uint64_t), "a counter for each field");

static void count(struct store *s, int which, uint64_t n)
{
	atomic_fetch_add_explicit(&s->counter[which], n, memory_order_relaxed);
}

bool store_name_valid(const char *name)
{
	size_t i, start = 0, components = 1;

	for (i = 0; name[i] != '\0'; i++) {
		if (name[i] == '/') {
			if (i == start || ++components > STORE_NAME_DEPTH)
				return false;
			start = i + 1;
		} else if (!((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9'))) {
			return false;
		}
	}
	/* The directory store keeps unfinished objects in tmp/. */
	if (strcmp(name, "tmp") == 0 || strncmp(name, "tmp/", 4) == 0)
		return false;
	return i > start && i <= STORE_NAME_MAX;
}

/* As a name, or empty, or with a "/" behind it. */
static bool prefix_valid(const char *prefix)
{
	char name[STORE_NAME_MAX + 1];
	size_t len = strlen(prefix);

	if (len == 0)
		return true;
	if (len > STORE_NAME_MAX || prefix[len - 1] != '/')
		return false;
	memcpy(name, prefix, len - 1);
	name[len - 1] = '\0';
	return store_name_valid(name);
}

static int refuse(const struct store *s, const char *operation, const char *name)
{
	char quoted[80];
	size_t len = strnlen(name, 2 * sizeof(quoted));

	log_error(s->log, "%s: %s \"%s\": not a valid object name", s->url, operation,
		  quote_name(name, (unsigned)len, quoted, sizeof(quoted)));
	return -EINVAL;
}

/* Take note of what an operation on ${name} has told of the config. */
static int note_config(struct store *s, const char *name, int rc)
{
	int unknown = STORE_CONFIG_UNKNOWN;

	if ((rc == 0 || rc == -EEXIST) && strcmp(name, STORE_CONFIG) == 0)
		atomic_store(&s->config, STORE_CONFIG_SEEN);
	else if (rc == -ENOENT && strcmp(name, STORE_CONFIG) == 0)
		atomic_compare_exchange_strong(&s->config, &unknown, STORE_CONFIG_ABSENT);
	return rc;
}

void store_close(struct store *s)
{
	if (s != NULL)
		s->ops->close(s);
}

const char *store_url(const struct store *s)
{
	return s->url;
}

const struct log *store_log(const struct store *s)
{
	return s->log;
}

const char *store_local_path(const struct store *s)
{
	return s->local_path;
}

/* Return 0, or what is wrong with asking for these bytes (logged). */
static int check_range(const struct store *s, const char *name, uint64_t off, size_t len)
{
	uint64_t end;

	if (!store_name_valid(name))
		return refuse(s, "get", name);
	if (__builtin_add_overflow(off, len, &end) || end > INT64_MAX) {
		log_error(s->log, "%s/%s: read of %zu bytes at %llu: no object is as long", s->url, name, len,
			  (unsigned long long)off);
		return -EBADMSG;
	}
	return 0;
}

/* No range of a protocol says "no bytes": only whether the object is there, and reaches so far. */
static int get_nothing(struct store *s, const char *name, uint64_t off)
{
	uint64_t size;
	int rc = s->ops->stat(s, name, &size);

	return rc == 0 && size < off ? store_too_short(s, name, off, 0) : rc;
}

int store_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	int rc = check_range(s, name, off, len);

	if (rc < 0)
		return rc;
	count(s, GETS, 1);
	if (len == 0)
		return get_nothing(s, name, off);
	rc = s->ops->get(s, name, off, len, out);
	if (rc == 0)
		count(s, GET_BYTES, len);
	return rc;
}

int store_get_once(struct store *s, const char *name, uint64_t off, size_t len, void *out, size_t room)
{
	int rc;

	if (!s->ops->get_once || len == 0)
		return store_get(s, name, off, len, out);
	rc = check_range(s, name, off, len);
	if (rc < 0)
		return rc;
	count(s, GETS, 1);
	rc = s->ops->get_once(s, name, off, len, out, room);
	if (rc == 0)
		count(s, GET_BYTES, len);
	return rc;
}

int store_get_in(struct store *s, const char *name, uint64_t size, uint64_t off, size_t len, void *out)
{
	int rc;

	if (!s->ops->get_in || len == 0)
		return store_get(s, name, off, len, out);
	rc = check_range(s, name, off, len);
	if (rc < 0)
		return rc;
	count(s, GETS, 1);
	rc = s->ops->get_in(s, name, size, off, len, out);
	if (rc == 0)
		count(s, GET_BYTES, len);
	return rc;
}

int store_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	size_t before = out->len;
	int rc;

	if (!store_name_valid(name))
		return refuse(s, "get", name);
	count(s, GETS, 1);
	rc = note_config(s, name, s->ops->get_all(s, name, max, out));
	if (rc == 0)
		count(s, GET_BYTES, out->len - before);
	else
		out->len = before;
	return rc;
}

int store_distrust(struct store *s, const char *name, uint64_t off, uint64_t len)
{
	if (!store_name_valid(name))
		return refuse(s, "distrust", name);
	return s->ops->distrust != NULL ? s->ops->distrust(s, name, off, len) : -ENOENT;
}

void store_follows(struct store *s, const char *name, const char *next, uint64_t size)
{
	if (s->ops->follows != NULL && store_name_valid(name) && store_name_valid(next))
		s->ops->follows(s, name, next, size);
}

int store_stat(struct store *s, const char *name, uint64_t *size)
{
	if (!store_name_valid(name))
		return refuse(s, "stat", name);
	count(s, STATS, 1);
	return note_config(s, name, s->ops->stat(s, name, size));
}

int store_list(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	if (!prefix_valid(prefix))
		return refuse(s, "list", prefix);
	count(s, LISTS, 1);
	return s->ops->list(s, prefix, fn, arg);
}

int store_list_names(struct store *s, const char *prefix, store_list_fn *fn, void *arg)
{
	if (!s->ops->list_names)
		return store_list(s, prefix, fn, arg);
	if (!prefix_valid(prefix))
		return refuse(s, "list", prefix);
	count(s, LISTS, 1);
	return s->ops->list_names(s, prefix, fn, arg);
}

int store_delete(struct store *s, const char *name)
{
	int rc;

	if (!store_name_valid(name))
		return refuse(s, "delete", name);
	count(s, DELETES, 1);
	rc = s->ops->del(s, name);
	if (rc == 0 && strcmp(name, STORE_CONFIG) == 0)
		atomic_store(&s->config, STORE_CONFIG_ABSENT);
	return rc;
}

int store_thaw(struct store *s, const char *name, unsigned days)
{
	if (!store_name_valid(name))
		return refuse(s, "thaw", name);
	return s->ops->thaw != NULL ? s->ops->thaw(s, name, days) : -ENOTSUP;
}

int store_thaw_state(struct store *s, const char *name, enum store_class *out)
{
	if (!store_name_valid(name))
		return refuse(s, "thaw", name);
	if (s->ops->thaw_state != NULL)
		return s->ops->thaw_state(s, name, out);
	*out = STORE_READABLE;
	return 0;
}

int store_retain(struct store *s, const char *name, int64_t until)
{
	if (!store_name_valid(name))
		return refuse(s, "retain", name);
	return s->ops->retain != NULL ? s->ops->retain(s, name, until) : -ENOTSUP;
}

unsigned store_retain_days(const struct store *s)
{
	return s->ops->retain_days != NULL ? s->ops->retain_days(s) : 0;
}

int store_info(struct store *s, struct store_info *out)
{
	return s->ops->info(s, out);
}

unsigned store_parallel_puts(const struct store *s)
{
	return s->local_path != NULL ? 2 : 4;
}

int store_put_begin(struct store *s, struct store_put **out)
{
	return s->ops->put_begin(s, out);
}

void store_put_keep(struct store_put *p)
{
	if (p->store->ops->put_keep != NULL)
		p->store->ops->put_keep(p);
}

int store_put_append(struct store_put *p, const void *data, size_t len)
{
	uint64_t end;
	int rc;

	if (len == 0)
		return 0;
	if (__builtin_add_overflow(p->len, len, &end) || end > INT64_MAX) {
		log_error(p->store->log, "%s: put: the object grows too long", p->store->url);
		return -EINVAL;
	}
	rc = p->store->ops->put_append(p, data, len);
	if (rc == 0)
		p->len = end;
	return rc;
}

int store_put_commit(struct store_put *p, const char *name, unsigned flags)
{
	struct store *s = p->store;
	uint64_t len = p->len;
	int rc;

	if (!store_name_valid(name)) {
		rc = refuse(s, "put", name);
		store_put_abort(p);
		return rc;
	}
	count(s, PUTS, 1);
	rc = note_config(s, name, s->ops->put_commit(p, name, flags));
	if (rc == 0)
		count(s, PUT_BYTES, len);
	return rc;
}

void store_put_abort(struct store_put *p)
{
	if (p != NULL)
		p->store->ops->put_abort(p);
}

int store_put(struct store *s, const char *name, const void *data, size_t len, unsigned flags)
{
	struct store_put *p = NULL;
	int rc;

	rc = store_put_begin(s, &p);
	if (rc == 0)
		rc = store_put_append(p, data, len);
	if (rc == 0) {
		rc = store_put_commit(p, name, flags);
		if (rc != -EAGAIN)
			return rc;
	}
	store_put_abort(p);
	return rc;
}

void store_get_counters(const struct store *s, struct store_counters *out)
{
	out->gets = atomic_load_explicit(&s->counter[GETS], memory_order_relaxed);
	out->get_bytes = atomic_load_explicit(&s->counter[GET_BYTES], memory_order_relaxed);
	out->puts = atomic_load_explicit(&s->counter[PUTS], memory_order_relaxed);
	out->put_bytes = atomic_load_explicit(&s->counter[PUT_BYTES], memory_order_relaxed);
	out->stats = atomic_load_explicit(&s->counter[STATS], memory_order_relaxed);
	out->lists = atomic_load_explicit(&s->counter[LISTS], memory_order_relaxed);
	out->deletes = atomic_load_explicit(&s->counter[DELETES], memory_order_relaxed);
}
