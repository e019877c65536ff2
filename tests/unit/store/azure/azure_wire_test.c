/*
 * The Azure store and a service whose answers are written here: what it is asked, and what is made of answers that a
 * service seldom gives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "repo/crypt/crypt.h"
#include "repo/store/azure/store_azure.h"
#include "tests/lib/scratch.h"
#include "tests/lib/web.h"

struct rig {
	struct scratch *scratch;
	struct web *web;
	struct store *store;
	char asked[8192]; /* a line for each request: method, target, and the headers that matter */
	bool refuse;        /* all requests, or those with ${method}, get the answer below */
	const char *method;
	int status;
	const char *code;
	uint64_t body_len; /* of the last request */
};

static void note(struct rig *r, const struct web_request *q)
{
	static const char *const names[] = { "If-None-Match", "x-ms-access-tier", "x-ms-range", "Content-MD5",
		"x-ms-rehydrate-priority" };
	char value[256];
	size_t len = strlen(r->asked);

	len += (size_t)snprintf(r->asked + len, sizeof(r->asked) - len, "%s %s", q->method, q->target);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (web_header(q, names[i], value) != NULL && len < sizeof(r->asked))
			len += (size_t)snprintf(r->asked + len, sizeof(r->asked) - len, " %s=%s", names[i], value);
	snprintf(r->asked + len, sizeof(r->asked) - len, "\n");
	r->body_len = q->body.len;
}

static void answer_list(const struct web_request *q)
{
	static const char first[] = "<EnumerationResults><Blobs><Blob><Name>p/keys/aa</Name><Properties>"
	    "<Content-Length>7</Content-Length></Properties></Blob></Blobs><NextMarker>2!/m=</NextMarker>"
	    "</EnumerationResults>";
	static const char second[] = "<EnumerationResults><Blobs><Blob><Name>p/keys/bb</Name><Properties>"
	    "<Content-Length>8</Content-Length></Properties></Blob></Blobs><NextMarker/></EnumerationResults>";

	if (strstr(q->target, "marker=") == NULL)
		web_answer(q, 200, "", first, sizeof(first) - 1);
	else
		web_answer(q, 200, "", second, sizeof(second) - 1);
}

static bool serve(void *arg, const struct web_request *q)
{
	struct rig *r = arg;
	char header[128], body[256];

	note(r, q);
	if (r->refuse && (r->method == NULL || strcmp(r->method, q->method) == 0)) {
		snprintf(header, sizeof(header), "x-ms-error-code: %s\r\n", r->code);
		snprintf(body, sizeof(body), "<Error><Code>%s</Code></Error>", r->code);
		web_answer(q, r->status, header, body, strlen(body));
	} else if (strcmp(q->method, "PUT") == 0) {
		web_answer(q, strstr(q->target, "comp=tier") != NULL ? 202 : 201, "", "", 0);
	} else if (strcmp(q->method, "HEAD") == 0) {
		web_answer(q, 200, "x-ms-access-tier: Archive\r\n", "12345", 5);
	} else if (strcmp(q->method, "DELETE") == 0) {
		web_answer(q, 202, "", "", 0);
	} else {
		answer_list(q);
	}
	return true;
}

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct store_options opts = { 0 };
	char url[256];

	assert_non_null(r);
	assert_int_equal(crypt_init(), 0);
	assert_int_equal(scratch_setup((void **)&r->scratch), 0);
	r->web = web_start(serve, r);
	unsetenv("AZURE_STORAGE_CONNECTION_STRING");
	unsetenv("AZURE_STORAGE_KEY");
	setenv("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=SECRET%3D", 1);
	snprintf(url, sizeof(url), "azure://box/p?account=acct&tier=cold&rehydrate=high&endpoint=%s/acct",
	    web_url(r->web));
	opts.url = url;
	opts.log = &r->scratch->log;
	opts.spool_dir = r->scratch->dir;
	assert_int_equal(store_azure_open(&opts, &r->store), 0);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *r = *state;

	store_close(r->store);
	web_stop(r->web);
	/* Whatever went wrong, nobody has been told the secret. */
	assert_false(scratch_logged(r->scratch, "SECRET"));
	scratch_teardown((void **)&r->scratch);
	free(r);
	return 0;
}

static int join(void *arg, const char *name, uint64_t size)
{
	char *text = arg;

	snprintf(text + strlen(text), 64, "%s=%llu ", name, (unsigned long long)size);
	return 0;
}

static void test_pages(void **state)
{
	struct rig *r = *state;
	char seen[128] = "";

	assert_int_equal(store_list(r->store, "keys/", join, seen), 0);
	assert_string_equal(seen, "keys/aa=7 keys/bb=8 ");
	assert_string_equal(r->asked,
	    "GET /acct/box?restype=container&comp=list&prefix=p%2Fkeys%2F&sv=1&sig=SECRET%3D\n"
	    "GET /acct/box?restype=container&comp=list&prefix=p%2Fkeys%2F&marker=2%21%2Fm%3D&sv=1&sig=SECRET%3D\n");
	/* No container is no empty list. */
	r->refuse = true;
	r->status = 404;
	r->code = "ContainerNotFound";
	assert_int_equal(store_list(r->store, "keys/", join, seen), -EIO);
	r->code = "BlobNotFound";
	assert_int_equal(store_list(r->store, "keys/", join, seen), -EIO);
}

/* The sum is that of md5sum; the tier is for data packs only. */
static void test_puts(void **state)
{
	struct rig *r = *state;

	assert_int_equal(store_put(r->store, "config", "hello", 5, STORE_EXCL), 0);
	assert_int_equal(store_put(r->store, "packs/12/34", "hello", 5, 0), 0);
	assert_string_equal(r->asked,
	    "PUT /acct/box/p/config?sv=1&sig=SECRET%3D If-None-Match=* Content-MD5=XUFAKrxLKna5cZ2REBfFkg==\n"
	    "PUT /acct/box/p/packs/12/34?sv=1&sig=SECRET%3D x-ms-access-tier=Cold "
	    "Content-MD5=XUFAKrxLKna5cZ2REBfFkg==\n");
	assert_int_equal(r->body_len, 5);
}

/* Who may only add is refused what is there already: that is the same object, if it is as long. */
static void test_put_without_overwriting(void **state)
{
	struct rig *r = *state;

	r->refuse = true;
	r->status = 403;
	r->code = "UnauthorizedBlobOverwrite";
	/* The stat is refused too: nothing is known. */
	assert_int_equal(store_put(r->store, "keys/aa", "hello", 5, 0), -EACCES);
	r->method = "PUT";
	assert_int_equal(store_put(r->store, "keys/aa", "hello", 5, 0), 0);
	assert_int_equal(store_put(r->store, "keys/aa", "hello", 5, STORE_EXCL), -EEXIST);
	assert_int_equal(store_put(r->store, "keys/aa", "longer", 6, 0), -EACCES);
	r->status = 409;
	r->code = "BlobAlreadyExists";
	assert_int_equal(store_put(r->store, "keys/aa", "hello", 5, STORE_EXCL), -EEXIST);
	r->status = 412;
	r->code = "ConditionNotMet";
	assert_int_equal(store_put(r->store, "keys/aa", "hello", 5, STORE_EXCL), -EEXIST);
}

/* After -EAGAIN a put is whole still, and can be committed again. */
static void test_put_again(void **state)
{
	struct rig *r = *state;
	struct store_put *p;

	r->refuse = true;
	r->status = 503;
	r->code = "ServerBusy";
	assert_int_equal(store_put_begin(r->store, &p), 0);
	assert_int_equal(store_put_append(p, "hello", 5), 0);
	assert_int_equal(store_put_commit(p, "keys/aa", 0), -EAGAIN);
	r->refuse = false;
	assert_int_equal(store_put_commit(p, "keys/aa", 0), 0);
	assert_int_equal(r->body_len, 5);
}

static void test_long_put(void **state)
{
	struct rig *r = *state;
	size_t len = (size_t)66 * 1024 * 1024;
	char *data = calloc(1, len);

	assert_non_null(data);
	assert_int_equal(store_put(r->store, "packs/12/34", data, len, STORE_EXCL), 0);
	free(data);
	assert_int_equal(web_requests(r->web), 6);
	assert_non_null(strstr(r->asked, "comp=block&blockid=MDAwMDAwMDQ%3D&"));
	assert_non_null(strstr(r->asked, "comp=blocklist&sv=1&sig=SECRET%3D If-None-Match=* x-ms-access-tier=Cold"));
	assert_null(strstr(strstr(r->asked, "comp=blocklist"), "\nPUT"));
}

static void test_thaw(void **state)
{
	struct rig *r = *state;
	enum store_class class = STORE_READABLE;

	assert_int_equal(store_thaw_state(r->store, "packs/12/34", &class), 0);
	assert_int_equal(class, STORE_ARCHIVED);
	assert_int_equal(store_thaw(r->store, "packs/12/34", 1), 0);
	assert_non_null(strstr(r->asked, "PUT /acct/box/p/packs/12/34?comp=tier&sv=1&sig=SECRET%3D "
	    "x-ms-access-tier=Hot x-ms-rehydrate-priority=High\n"));
}

static void test_delete(void **state)
{
	struct rig *r = *state;

	assert_int_equal(store_delete(r->store, "keys/aa"), 0);
	r->refuse = true;
	r->status = 404;
	r->code = "BlobNotFound";
	assert_int_equal(store_delete(r->store, "keys/aa"), 0);
	r->status = 403;
	r->code = "AuthorizationPermissionMismatch";
	assert_int_equal(store_delete(r->store, "keys/aa"), -EACCES);
	assert_true(scratch_logged(r->scratch, "no permission to delete"));
}

/* Each file that has something in an archived pack asks for it: one line is enough. */
static void test_archived_told_once(void **state)
{
	struct rig *r = *state;
	char c;

	r->refuse = true;
	r->status = 409;
	r->code = "BlobArchived";
	for (int i = 0; i < 3; i++)
		assert_int_equal(store_get(r->store, "packs/12/34", 0, 1, &c), -EIO);
	assert_int_equal(r->scratch->nmessages, 1);
	assert_int_equal(store_get(r->store, "packs/12/35", 0, 1, &c), -EIO);
	assert_int_equal(r->scratch->nmessages, 2);
	assert_true(scratch_logged(r->scratch, "packs/12/35: get: it is in the archive tier"));
}

static void test_no_container(void **state)
{
	struct rig *r = *state;
	struct buf all = BUF_INIT;
	uint64_t size;

	r->refuse = true;
	r->status = 404;
	r->code = "ContainerNotFound";
	assert_int_equal(store_get_all(r->store, "config", 9, &all), -ENOENT);
	assert_true(scratch_logged(r->scratch, "config: get: there is no such container: make it first"));
	assert_int_equal(store_get_all(r->store, "keys/aa", 9, &all), -EIO);
	assert_int_equal(store_stat(r->store, "config", &size), -EIO);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), -EIO);
	assert_int_equal(r->scratch->nmessages, 4);
	buf_free(&all);
}

#define WIRE_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_TEST(test_pages),
		WIRE_TEST(test_puts),
		WIRE_TEST(test_put_without_overwriting),
		WIRE_TEST(test_put_again),
		WIRE_TEST(test_long_put),
		WIRE_TEST(test_thaw),
		WIRE_TEST(test_delete),
		WIRE_TEST(test_archived_told_once),
		WIRE_TEST(test_no_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
