/*
 * What implementations share: the common part of a store, and the note of its last trouble.  See store_impl.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/store/store_impl.h"

int store_init(struct store *s, const struct store_ops *ops, const struct log *log, const char *url,
    const char *local_path)
{
	s->url = strdup(url);
	s->local_path = local_path != NULL ? strdup(local_path) : NULL;
	if (s->url == NULL || (local_path != NULL && s->local_path == NULL)) {
		free(s->url);
		free(s->local_path);
		s->url = s->local_path = NULL;
		return -ENOMEM;
	}
	pthread_mutex_init(&s->trouble.lock, NULL);
	s->ops = ops;
	s->log = log;
	return 0;
}

void store_destroy(struct store *s)
{
	pthread_mutex_destroy(&s->trouble.lock);
	free(s->url);
	free(s->local_path);
}

int64_t store_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int store_transient(struct store *s, unsigned wait_ms, const char *fmt, ...)
{
	char cause[sizeof(s->trouble.cause)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cause, sizeof(cause), fmt, ap);
	va_end(ap);
	log_debug(s->log, "%s: %s", s->url, cause);
	pthread_mutex_lock(&s->trouble.lock);
	memcpy(s->trouble.cause, cause, sizeof(cause));
	s->trouble.not_before_ms = wait_ms > 0 ? store_now_ms() + wait_ms : 0;
	pthread_mutex_unlock(&s->trouble.lock);
	return -EAGAIN;
}

int store_invisible(struct store *s, const char *operation, const char *name)
{
	return store_transient(s, 0, "%s %s: the repository is not visible there, it has no config: is its disk "
	    "mounted?", operation, name);
}

int store_absent(struct store *s, const char *operation, const char *name, store_look_fn *look)
{
	int known = atomic_load(&s->config), rc;

	if (known == STORE_CONFIG_ABSENT)
		return -ENOENT;
	if (strcmp(name, STORE_CONFIG) == 0)
		return known == STORE_CONFIG_SEEN ? store_invisible(s, operation, name) : -ENOENT;
	rc = look(s, STORE_CONFIG);
	if (rc == -ENOENT)
		return store_invisible(s, operation, name);
	if (rc == 0)
		rc = look(s, name);
	return rc == 0 ? store_transient(s, 0, "%s %s: not there, and there again", operation, name) : rc;
}

int store_may_make(struct store *s, bool creates, store_look_fn *look)
{
	int rc;

	if (atomic_load(&s->config) != STORE_CONFIG_SEEN && creates)
		return 0;
	rc = look(s, STORE_CONFIG);
	return rc == -ENOENT ? store_invisible(s, "look for", STORE_CONFIG) : rc;
}

int store_too_short(struct store *s, const char *name, uint64_t off, size_t len)
{
	log_error(s->log, "%s/%s: read %zu bytes at %llu: the object is too short", s->url, name, len,
	    (unsigned long long)off);
	return -EBADMSG;
}

int store_too_long(struct store *s, const char *name, size_t max)
{
	log_error(s->log, "%s/%s: has more than the %zu bytes that it can have", s->url, name, max);
	return -EBADMSG;
}

int64_t store_last_trouble(struct store *s, char *cause, size_t size)
{
	int64_t not_before;

	pthread_mutex_lock(&s->trouble.lock);
	snprintf(cause, size, "%s", s->trouble.cause);
	not_before = s->trouble.not_before_ms;
	pthread_mutex_unlock(&s->trouble.lock);
	return not_before;
}
