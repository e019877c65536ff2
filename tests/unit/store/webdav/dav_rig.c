/*
 * Stores on a WebDAV server.  See dav_rig.h.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "repo/store/web/store_static.h"
#include "repo/store/webdav/store_webdav.h"
#include "tests/unit/store/webdav/dav_rig.h"

struct store *dav_rig_open(struct dav_rig *r, const char *url, bool create)
{
	struct store_options o = { .url = url, .create = create, .deadline_ms = 1500, .log = &r->scratch->log };
	struct store *s = NULL;

	assert_int_equal(store_webdav_open(&o, &s), 0);
	return s;
}

struct store *dav_rig_open_static(struct dav_rig *r)
{
	struct store_options o = { .url = r->static_url, .deadline_ms = 1500, .log = &r->scratch->log };
	struct store *s = NULL;

	assert_int_equal(store_static_open(&o, &s), 0);
	return s;
}

static bool answer(void *arg, const struct web_request *q)
{
	struct dav_rig *r = arg;
	bool more;

	pthread_mutex_lock(&r->lock);
	more = dav_answer(&r->dav, q);
	pthread_mutex_unlock(&r->lock);
	return more;
}

void dav_rig_now(struct dav_rig *r, bool (*before)(void *, const struct web_request *, bool *),
		bool (*after)(void *, const struct web_request *, bool *), const char *method, const char *what,
		int times)
{
	pthread_mutex_lock(&r->lock);
	r->dav.before = before;
	r->dav.after = after;
	r->method = method;
	r->what = what;
	r->times = times;
	pthread_mutex_unlock(&r->lock);
}

void dav_rig_now_lists(struct dav_rig *r, enum dav_index index, bool quota)
{
	pthread_mutex_lock(&r->lock);
	r->dav.index = index;
	r->dav.quota = quota;
	pthread_mutex_unlock(&r->lock);
}

int dav_rig_setup(void **state)
{
	struct dav_rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(scratch_setup((void **)&r->scratch), 0);
	scratch_path(r->scratch, "files", r->root);
	assert_int_equal(mkdir(r->root, 0700), 0);
	r->dav = (struct dav){ .root = r->root, .arg = r };
	pthread_mutex_init(&r->lock, NULL);
	r->web = web_start(answer, r);
	snprintf(r->url, sizeof(r->url), "webdav+%s/a%%20b", web_url(r->web));
	snprintf(r->static_url, sizeof(r->static_url), "%s/repo", web_url(r->web));
	*state = r;
	return 0;
}

int dav_rig_teardown(void **state)
{
	struct dav_rig *r = *state;

	store_close(r->store);
	web_stop(r->web);
	pthread_mutex_destroy(&r->lock);
	assert_int_equal(scratch_teardown((void **)&r->scratch), 0);
	free(r);
	return 0;
}

void dav_rig_begin(struct dav_rig *r)
{
	snprintf(r->url, sizeof(r->url), "webdav+%s/repo", web_url(r->web));
	r->store = dav_rig_open(r, r->url, true);
}

bool dav_rig_exists(struct dav_rig *r, const char *name)
{
	char path[2 * SCRATCH_PATH_SIZE];
	struct stat st;

	snprintf(path, sizeof(path), "%s/repo/%s", r->root, name);
	return stat(path, &st) == 0;
}

int dav_rig_count(void *arg, const char *name, uint64_t size)
{
	struct dav_rig *r = arg;

	(void)name;
	r->times += 1 + (int)size * 1000;
	return 0;
}

/* A listing of keys/ that has no more than a status for ${href}. */
static void answer_refused(const struct web_request *q, const char *href, const char *status)
{
	char text[512];
	int n;

	n = snprintf(text, sizeof(text), "<multistatus xmlns=\"DAV:\"><response><href>/repo/keys/</href></response>"
	    "<response><href>%s</href><status>HTTP/1.1 %s x</status></response></multistatus>", href, status);
	web_answer(q, 207, "", text, (size_t)n);
}

bool dav_rig_go_wrong(void *arg, const struct web_request *q, bool *more)
{
	struct dav_rig *r = arg;

	if (r->times == 0 || strcmp(q->method, r->method) != 0)
		return false;
	r->times--;
	if (strcmp(r->what, "busy") == 0)
		web_answer(q, 503, "Retry-After: 3\r\n", "", 0);
	else if (strcmp(r->what, "gone") == 0)
		web_answer(q, 404, "", "", 0);
	else if (strcmp(r->what, "full") == 0)
		web_answer(q, 507, "", "", 0);
	else if (strcmp(r->what, "not-dav") == 0)
		web_answer(q, 200, "", "<html>", 6);
	else if (strcmp(r->what, "not-xml") == 0)
		web_answer(q, 207, "", "<a><b></a>", 10);
	else if (strcmp(r->what, "partly") == 0)
		web_answer(q, 207, "", "<multistatus/>", 14);
	else if (strncmp(r->what, "part ", 5) == 0)
		answer_refused(q, "/repo/keys/aa", r->what + 5);
	else if (*r->what >= '3' && *r->what <= '5')
		web_answer(q, atoi(r->what), "", "", 0);
	else if (strcmp(r->what, "later") == 0)
		web_answer(q, 202, "", "", 0);
	else if (strncmp(r->what, "member ", 7) == 0)
		answer_refused(q, "/repo/keys/aa", r->what + 7);
	else if (strncmp(r->what, "itself ", 7) == 0)
		answer_refused(q, "/repo/keys/", r->what + 7);
	else if (strcmp(r->what, "other-xml") == 0)
		web_answer(q, 207, "", "<a><b/></a>", 11);
	else
		*more = false;
	return true;
}
