/*
 * A server that follows a script.  See script.h.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/web.h"
#include "tests/unit/store/s3/script.h"

struct script {
	struct web *web;
	const struct script_step *steps;
	size_t n;
	script_before_fn *before;
	pthread_mutex_t lock;
	size_t at;
	char wrong[2048]; /* the first thing that was not as expected */
};

/* Is the header "Name: value" there; or is "Name:" not? */
static bool has_header(const struct web_request *q, const char *want)
{
	char name[128], got[256];
	const char *colon = strchr(want, ':');

	snprintf(name, sizeof(name), "%.*s", (int)(colon - want), want);
	if (web_header(q, name, got) == NULL)
		return colon[1] == '\0';
	return colon[1] != '\0' && strcmp(got, colon + 2) == 0;
}

/* What is wrong with the request, or NULL. */
static const char *judge(const struct script_step *step, const struct web_request *q)
{
	char request[sizeof(q->method) + sizeof(q->target) + 1];

	snprintf(request, sizeof(request), "%s %s", q->method, q->target);
	if (step->request != NULL && strcmp(request, step->request) != 0)
		return step->request;
	for (size_t i = 0; step->with != NULL && step->with[i] != NULL; i++)
		if (!has_header(q, step->with[i]))
			return step->with[i];
	if (step->body != NULL &&
	    (q->body.len != strlen(step->body) ||
		(q->body.len > 0 && memcmp(q->body.data, step->body, q->body.len) != 0)))
		return step->body;
	return NULL;
}

static bool answer(void *arg, const struct web_request *q)
{
	const struct script_step *step;
	struct script *s = arg;
	const char *wrong;

	pthread_mutex_lock(&s->lock);
	step = s->at < s->n ? &s->steps[s->at++] : NULL;
	wrong = step != NULL ? judge(step, q) : "nothing more";
	if (wrong != NULL && s->wrong[0] == '\0')
		snprintf(s->wrong, sizeof(s->wrong), "request %zu: %s %.500s\n%.800s\nexpected: %.500s", s->at,
		    q->method, q->target,
		    q->headers, wrong);
	pthread_mutex_unlock(&s->lock);
	if (wrong == NULL && s->before != NULL)
		s->before((size_t)(step - s->steps));
	if (wrong != NULL)
		web_answer(q, 418, "", "", 0);
	else
		web_answer(q, step->status, step->headers != NULL ? step->headers : "",
		    step->answer != NULL ? step->answer : "", step->answer != NULL ? strlen(step->answer) : 0);
	return true;
}

struct script *script_start(const struct script_step *steps, size_t n, script_before_fn *before)
{
	struct script *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->steps = steps;
	s->n = n;
	s->before = before;
	pthread_mutex_init(&s->lock, NULL);
	s->web = web_start(answer, s);
	return s;
}

const char *script_url(const struct script *s)
{
	return web_url(s->web);
}

void script_end(struct script *s)
{
	char wrong[sizeof(s->wrong)];
	size_t missing = s->n - s->at;

	web_stop(s->web);
	memcpy(wrong, s->wrong, sizeof(wrong));
	pthread_mutex_destroy(&s->lock);
	free(s);
	if (wrong[0] != '\0')
		fail_msg("%s", wrong);
	assert_int_equal(missing, 0);
}
