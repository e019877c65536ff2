/*
 * Where credentials for S3 come from, and when they are read again.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "repo/crypt/crypt.h"
#include "repo/store/aws/s3_credentials.h"
#include "tests/lib/web.h"
#include "tests/unit/store/s3/aws.h"

static atomic_long shift;

/* In place of the system's: the tests' own time. */
time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += atomic_load(&shift);
	if (out != NULL)
		*out = now.tv_sec;
	return now.tv_sec;
}

/* So many seconds after the test began. */
static void later(long seconds)
{
	atomic_store(&shift, seconds);
}

/* The store's options and the service that is faked. */
struct rig {
	struct store_options opts;
	struct s3_credentials *c;
	char cause[S3_CAUSE_SIZE];
};

static void rig_open(struct rig *r, const struct scratch *s, const char *profile, bool services)
{
	*r = (struct rig){ .opts = { .url = "s3://b", .log = &s->log } };
	assert_int_equal(crypt_init(), 0);
	assert_int_equal(s3_credentials_open(profile, services, &r->opts, &r->c), 0);
}

static void expect(struct rig *r, const char *id, const char *secret, const char *token)
{
	struct s3_keys *k = NULL;

	assert_int_equal(s3_credentials_get(r->c, &k, r->cause), 0);
	assert_string_equal(k->id, id);
	assert_string_equal(k->secret, secret);
	if (token != NULL)
		assert_string_equal(k->token, token);
	else
		assert_null(k->token);
	s3_credentials_put(r->c, k);
}

static int get_fails(struct rig *r)
{
	struct s3_keys *k = NULL;
	int rc = s3_credentials_get(r->c, &k, r->cause);

	assert_null(k);
	return rc;
}

static void set_environment(void)
{
	setenv("AWS_ACCESS_KEY_ID", "env-id", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "env-secret", 1);
}

static void test_environment(void **state)
{
	struct rig r;

	set_environment();
	rig_open(&r, *state, NULL, true);
	expect(&r, "env-id", "env-secret", NULL);
	setenv("AWS_SESSION_TOKEN", "env-token", 1);
	expect(&r, "env-id", "env-secret", NULL); /* they do not expire */
	s3_credentials_close(r.c);
	rig_open(&r, *state, NULL, true);
	expect(&r, "env-id", "env-secret", "env-token");
	s3_credentials_close(r.c);
	s3_credentials_close(NULL);
}

static void test_half_an_environment(void **state)
{
	struct scratch *s = *state;
	struct rig r;

	setenv("AWS_ACCESS_KEY_ID", "env-id", 1);
	aws_file(s, "credentials", "[default]\naws_access_key_id = a\naws_secret_access_key = b\n");
	rig_open(&r, s, NULL, true);
	assert_int_equal(get_fails(&r), -EACCES);
	assert_int_equal(get_fails(&r), -EACCES);
	assert_int_equal(s->nmessages, 1); /* told once, not asked again for a while */
	assert_true(scratch_logged(s, "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not"));
	s3_credentials_close(r.c);
}

static void test_files(void **state)
{
	struct scratch *s = *state;
	struct rig r;

	aws_file(s, "credentials", "[default]\naws_access_key_id = cred-id\naws_secret_access_key = cred-secret\n"
	    "[half]\naws_access_key_id = half-id\n");
	aws_file(s, "config", "[default]\naws_access_key_id = conf-id\naws_secret_access_key = conf-secret\n"
	    "[profile only]\naws_access_key_id = only-id\naws_secret_access_key = only-secret\n"
	    "aws_session_token = only-token\n");
	rig_open(&r, s, NULL, true);
	expect(&r, "cred-id", "cred-secret", NULL);
	s3_credentials_close(r.c);

	setenv("AWS_PROFILE", "only", 1);
	rig_open(&r, s, NULL, true);
	expect(&r, "only-id", "only-secret", "only-token");
	s3_credentials_close(r.c);

	/* The environment comes first, but not before a profile that was asked for. */
	set_environment();
	rig_open(&r, s, NULL, true);
	expect(&r, "env-id", "env-secret", NULL);
	s3_credentials_close(r.c);
	rig_open(&r, s, "default", true);
	expect(&r, "cred-id", "cred-secret", NULL);
	s3_credentials_close(r.c);

	rig_open(&r, s, "half", true);
	assert_int_equal(get_fails(&r), -EACCES);
	assert_true(scratch_logged(s, "none in the profile \"half\""));
	assert_false(scratch_logged(s, "half-id"));
	s3_credentials_close(r.c);
}

static void test_unsupported(void **state)
{
	struct scratch *s = *state;
	struct rig r;

	aws_file(s, "config", "[default]\ncredential_process = /usr/bin/geheim\n");
	rig_open(&r, s, NULL, true);
	assert_int_equal(get_fails(&r), -EACCES);
	assert_true(scratch_logged(s, "credential_process, which this program does not do"));
	assert_false(scratch_logged(s, "geheim"));
	s3_credentials_close(r.c);
}

/* The server says that they have expired: the file may have newer ones. */
static void test_expired(void **state)
{
	struct scratch *s = *state;
	struct s3_keys *old, *k;
	struct rig r;

	aws_file(s, "credentials", "[default]\naws_access_key_id = id1\naws_secret_access_key = s1\n");
	rig_open(&r, s, NULL, true);
	assert_int_equal(s3_credentials_get(r.c, &old, r.cause), 0);
	aws_file(s, "credentials", "[default]\naws_access_key_id = id2\naws_secret_access_key = s2\n");
	expect(&r, "id1", "s1", NULL);
	s3_credentials_expired(r.c, old);
	assert_int_equal(s3_credentials_get(r.c, &k, r.cause), 0);
	assert_string_equal(k->id, "id2");
	assert_string_equal(old->id, "id1"); /* still held */
	/* Somebody else was late to say so. */
	aws_file(s, "credentials", "");
	s3_credentials_expired(r.c, old);
	expect(&r, "id2", "s2", NULL);
	s3_credentials_expired(r.c, k);
	assert_int_equal(get_fails(&r), -EACCES);
	s3_credentials_put(r.c, k);
	s3_credentials_put(r.c, old);
	s3_credentials_close(r.c);
}

/* --- Services ----------------------------------------------------------------------------------------------------- */

/* A service: what it says, and what it was asked. */
struct fake {
	atomic_int status;
	atomic_int lifetime; /* seconds */
	atomic_uint served;
};

static void answer_keys(struct fake *f, const struct web_request *q)
{
	time_t expires = time(NULL) + atomic_load(&f->lifetime);
	char body[512], date[32];
	struct tm tm;

	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&expires, &tm));
	snprintf(body, sizeof(body),
	    "{\n  \"Code\" : \"Success\",\n  \"AccessKeyId\" : \"id%u\",\n  \"SecretAccessKey\" : "
	    "\"se/cret\",\n  \"Token\" : \"to/ken==\",\n  \"Expiration\" : \"%s\"\n}",
	    atomic_fetch_add(&f->served, 1) + 1, date);
	web_answer(q, atomic_load(&f->status), "Content-Type: application/json\r\n", body, strlen(body));
}

/* EC2's, version 2. */
static bool machine(void *arg, const struct web_request *q)
{
	static const char path[] = "/latest/meta-data/iam/security-credentials/";
	char text[256];

	if (strcmp(q->target, "/latest/api/token") == 0) {
		if (strcmp(q->method, "PUT") != 0 || q->body.len != 0 ||
		    web_header(q, "X-aws-ec2-metadata-token-ttl-seconds", text) == NULL)
			web_answer(q, 400, "", "", 0);
		else
			web_answer(q, 200, "", "SESSION==\n", 10);
	} else if (web_header(q, "X-aws-ec2-metadata-token", text) == NULL || strcmp(text, "SESSION==") != 0) {
		web_answer(q, 401, "", "", 0);
	} else if (strcmp(q->target, path) == 0) {
		web_answer(q, 200, "", "the role\nanother", 16);
	} else if (strncmp(q->target, path, sizeof(path) - 1) == 0 && strcmp(q->target + sizeof(path) - 1,
	    "the%20role") == 0) {
		answer_keys(arg, q);
	} else {
		web_answer(q, 404, "", "", 0);
	}
	return true;
}

static void test_machine(void **state)
{
	struct fake f = { .status = 200, .lifetime = 3600 };
	struct web *w = web_start(machine, &f);
	struct rig r;

	setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", web_url(w), 1);
	rig_open(&r, *state, NULL, true);
	expect(&r, "id1", "se/cret", "to/ken==");
	expect(&r, "id1", "se/cret", "to/ken==");
	assert_int_equal(web_requests(w), 3);
	s3_credentials_close(r.c);

	/* Nothing that Google's store would ask. */
	rig_open(&r, *state, NULL, false);
	assert_int_equal(get_fails(&r), -EACCES);
	s3_credentials_close(r.c);
	setenv("AWS_EC2_METADATA_DISABLED", "TRUE", 1);
	rig_open(&r, *state, NULL, true);
	assert_int_equal(get_fails(&r), -EACCES);
	s3_credentials_close(r.c);
	assert_int_equal(web_requests(w), 3);
	web_stop(w);
}

/* A proxy for all the rest is nothing to it: it would see the token, and the service it cannot reach. */
static void test_machine_no_proxy(void **state)
{
	struct fake f = { .status = 200, .lifetime = 3600 };
	struct web *w = web_start(machine, &f);
	struct rig r;

	setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", web_url(w), 1);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	rig_open(&r, *state, NULL, true);
	expect(&r, "id1", "se/cret", "to/ken==");
	assert_int_equal(web_requests(w), 3);
	unsetenv("http_proxy");
	s3_credentials_close(r.c);
	web_stop(w);
}

/* Nobody there: no waiting, and no credentials. */
static void test_no_machine(void **state)
{
	struct scratch *s = *state;
	struct rig r;

	setenv("AWS_EC2_METADATA_DISABLED", "false", 1);
	setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1", 1);
	rig_open(&r, s, NULL, true);
	assert_int_equal(get_fails(&r), -EACCES);
	assert_true(scratch_logged(s, "none from a metadata service"));
	s3_credentials_close(r.c);
}

static bool container(void *arg, const struct web_request *q)
{
	char text[256];

	if (strcmp(q->target, "/creds?x=1") != 0 || web_header(q, "Authorization", text) == NULL ||
	    strcmp(text, "Bearer t") != 0)
		web_answer(q, 403, "", "", 0);
	else
		answer_keys(arg, q);
	return true;
}

/* Sets the variables to a container service. */
static void set_container(const struct web *w)
{
	char url[128];

	snprintf(url, sizeof(url), "%s/creds?x=1", web_url(w));
	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer t", 1);
}

static void test_container(void **state)
{
	struct fake f = { .status = 200, .lifetime = 3600 };
	struct web *w = web_start(container, &f);
	struct scratch *s = *state;
	char path[SCRATCH_PATH_SIZE];
	struct rig r;

	set_container(w);
	rig_open(&r, s, NULL, true);
	expect(&r, "id1", "se/cret", "to/ken==");
	s3_credentials_close(r.c);

	/* A file with the token goes before it. */
	aws_file(s, "token", "Bearer wrong\n");
	setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", scratch_path(s, ".aws/token", path), 1);
	rig_open(&r, s, NULL, true);
	assert_int_equal(get_fails(&r), -EACCES);
	assert_true(scratch_logged(s, "the service answered 403"));
	assert_false(scratch_logged(s, "Bearer"));
	s3_credentials_close(r.c);
	aws_file(s, "token", "Bearer t\n");
	rig_open(&r, s, NULL, true);
	expect(&r, "id2", "se/cret", "to/ken==");
	s3_credentials_close(r.c);
	web_stop(w);

	setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example/creds", 1);
	rig_open(&r, s, NULL, true);
	assert_int_equal(get_fails(&r), -EACCES);
	assert_true(scratch_logged(s, "must be https"));
	s3_credentials_close(r.c);
}

/* What should have them and fails may come back. */
static void test_container_fails(void **state)
{
	struct fake f = { .status = 503, .lifetime = 3600 };
	struct web *w = web_start(container, &f);
	struct scratch *s = *state;
	struct rig r;

	set_container(w);
	rig_open(&r, s, NULL, true);
	assert_int_equal(get_fails(&r), -EAGAIN);
	assert_string_equal(r.cause, "the service answered 503");
	assert_int_equal(s->nmessages, 0);
	s3_credentials_close(r.c);
	web_stop(w);
}

/* Those that are about to expire are replaced; if that fails they serve to their end. */
static void test_refresh(void **state)
{
	struct fake f = { .status = 200, .lifetime = 3600 };
	struct web *w = web_start(container, &f);
	struct scratch *s = *state;
	struct rig r;

	set_container(w);
	rig_open(&r, s, NULL, true);
	expect(&r, "id1", "se/cret", "to/ken==");
	later(3290);
	expect(&r, "id1", "se/cret", "to/ken==");
	later(3305);
	expect(&r, "id2", "se/cret", "to/ken==");
	later(2 * 3305);
	atomic_store(&f.status, 500);
	expect(&r, "id2", "se/cret", "to/ken==");
	expect(&r, "id2", "se/cret", "to/ken==");
	assert_int_equal(web_requests(w), 3); /* not at each request */
	later(2 * 3305 + 11);
	expect(&r, "id2", "se/cret", "to/ken==");
	assert_int_equal(web_requests(w), 4);
	assert_int_equal(s->nmessages, 0);
	later(3305 + 3600);
	assert_int_equal(get_fails(&r), -EAGAIN);
	later(3305 + 3600 + 11);
	atomic_store(&f.status, 200);
	expect(&r, "id6", "se/cret", "to/ken==");
	s3_credentials_close(r.c);
	web_stop(w);
}

/* Short-lived ones. */
static void test_refuse(void **state)
{
	struct fake f = { .status = 200, .lifetime = 299 };
	struct web *w = web_start(container, &f);
	struct scratch *s = *state;
	struct s3_keys *k;
	struct rig r;

	set_container(w);
	rig_open(&r, s, NULL, true);
	expect(&r, "id1", "se/cret", "to/ken==");
	expect(&r, "id1", "se/cret", "to/ken=="); /* not at each request */
	assert_int_equal(s3_credentials_get(r.c, &k, r.cause), 0);
	assert_in_range(k->expires, time(NULL) + 290, time(NULL) + 300);
	s3_credentials_expired(r.c, k);
	atomic_store(&f.status, 500);
	assert_int_equal(get_fails(&r), -EAGAIN);
	s3_credentials_expired(r.c, k);
	atomic_store(&f.status, 200);
	expect(&r, "id3", "se/cret", "to/ken==");
	s3_credentials_put(r.c, k);
	s3_credentials_close(r.c);
	assert_int_equal(s->nmessages, 0);
	web_stop(w);
}

static int setup(void **state)
{
	later(0);
	return aws_setup(state);
}

#define WITH_AWS(f) cmocka_unit_test_setup_teardown(f, setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_AWS(test_environment),
		WITH_AWS(test_half_an_environment),
		WITH_AWS(test_files),
		WITH_AWS(test_unsupported),
		WITH_AWS(test_expired),
		WITH_AWS(test_machine),
		WITH_AWS(test_machine_no_proxy),
		WITH_AWS(test_no_machine),
		WITH_AWS(test_container),
		WITH_AWS(test_container_fails),
		WITH_AWS(test_refresh),
		WITH_AWS(test_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
