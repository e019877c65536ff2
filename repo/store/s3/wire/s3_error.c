/*
 * What S3's errors mean.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html; others' codes where they differ.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "repo/store/s3/s3_impl.h"

/* 0: it may go away. */
static const struct meaning {
	const char *code;
	int rc;
	const char *words;
} meanings[] = {
	{ "SignatureDoesNotMatch", -EACCES, "wrong credentials (the signature does not match)" },
	{ "InvalidAccessKeyId", -EACCES, "wrong credentials (the server does not know the access key)" },
	{ "InvalidToken", -EACCES, "wrong credentials (the session token is not valid)" },
	{ "InvalidSecurity", -EACCES, "wrong credentials" },
	{ "ExpiredToken", -EACCES, "the credentials have expired" },
	{ "ExpiredTokenException", -EACCES, "the credentials have expired" },
	{ "TokenRefreshRequired", -EACCES, "the credentials have expired" },
	{ "RequestTimeTooSkewed", -EIO, "this machine's clock differs too much from the server's" },
	{ "AuthorizationHeaderMalformed", -EIO, "the region is not the bucket's (option \"region\")" },
	{ "PermanentRedirect", -EIO, "the bucket is elsewhere (options \"region\" and \"endpoint\")" },
	{ "MethodNotAllowed", -EACCES, "the server does not allow it" },
	{ "QuotaExceeded", -ENOSPC, "the quota is used up" },
	{ "XMinioStorageFull", -ENOSPC, "the server is full" },
	{ "SlowDown", 0, NULL },
	{ "InternalError", 0, NULL },
	{ "ServiceUnavailable", 0, NULL },
	{ "Throttling", 0, NULL },
	{ "ThrottlingException", 0, NULL },
	{ "RequestLimitExceeded", 0, NULL },
	{ "RequestTimeout", 0, NULL },
	{ "OperationAborted", 0, NULL },
	{ "ConditionalRequestConflict", 0, NULL },
	{ "IncompleteBody", 0, NULL },
	/* The bytes were changed on their way. */
	{ "BadDigest", 0, NULL },
	{ "InvalidDigest", 0, NULL },
	{ "XAmzContentSHA256Mismatch", 0, NULL },
};

static int say(const struct store_s3 *s, const struct s3_request *q, int rc, const char *words)
{
	log_error(s->base.log, "%s/%s: %s: %s", s->base.url, q->shown, q->operation, words);
	return rc;
}

/* Who may not delete is told whether it is a lock that keeps him from it. */
static int denied(const struct store_s3 *s, const struct s3_request *q, const struct s3_error *e)
{
	const char *verb = q->operation;
	char words[64];

	if (strcasestr(e->message, "object lock") != NULL || strcasestr(e->message, "WORM") != NULL ||
	    strcasestr(e->message, "retention") != NULL || strcasestr(e->code, "Locked") != NULL)
		return say(s, q, -EACCES, "it is locked (Object Lock) until its retention ends");
	if (strcmp(verb, "get") == 0 || strcmp(verb, "stat") == 0)
		verb = "read";
	else if (strcmp(verb, "put") == 0)
		verb = "write";
	snprintf(words, sizeof(words), "no permission to %s", verb);
	return say(s, q, -EACCES, words);
}

/* It is asked for again by each file that has something in it. */
static int archived(struct store_s3 *s, const struct s3_request *q, const struct s3_error *e)
{
	char words[128], class[40];

	if (told_name_before(&s->told, q->shown))
		return -EIO;
	quote_name(e->class, (unsigned)strlen(e->class), class, sizeof(class));
	snprintf(words, sizeof(words), "is in an archive class%s%s%s and must be restored first",
	    *class != '\0' ? " (" : "", class, *class != '\0' ? ")" : "");
	return say(s, q, -EIO, words);
}

/*
 * Of an object this says nothing: the bucket's name or the endpoint may be wrong.  Only who opens the store and looks
 * for its config has learnt what it asked: there is no repository.
 */
static int missing_bucket(const struct store_s3 *s, const struct s3_request *q)
{
	log_error(s->base.log, "%s: %s: the bucket \"%s\" does not exist", s->base.url, q->operation, s->config.bucket);
	return strcmp(q->operation, "get") == 0 && strcmp(q->shown, "config") == 0 ? -ENOENT : -EIO;
}

/* What the options may have to do with it. */
static const char *hint(const struct store_s3 *s, const struct s3_request *q, const struct s3_error *e)
{
	const struct s3_config *c = &s->config;
	bool argument = strcmp(e->code, "InvalidArgument") == 0 || strcmp(e->code, "InvalidStorageClass") == 0;

	if (argument && strcmp(q->operation, "put") == 0 && (c->class_packs != NULL || c->class_hot != NULL))
		return " (does the server have the storage class?)";
	if (c->lock != NULL && strcmp(e->code, "InvalidRequest") == 0)
		return " (does the bucket have Object Lock?)";
	return "";
}

/* What no line above is for: the code, and what the server says of it. */
static int other(struct store_s3 *s, const struct s3_request *q, const struct http_reply *r, const struct s3_error *e)
{
	char code[64], message[200], words[384];

	if (*e->code == '\0' && r->status != 404 && r->status != 410)
		return http_failed(&s->base, 0, r, q->operation, q->shown);
	/* A proxy's, or some other server's, that knows of no object. */
	if (*e->code == '\0') {
		snprintf(words, sizeof(words), "the server answered %d, but not as S3 does: is the endpoint right?",
		    r->status);
		return say(s, q, -EIO, words);
	}
	quote_name(e->code, (unsigned)strlen(e->code), code, sizeof(code));
	quote_name(e->message, (unsigned)strlen(e->message), message, sizeof(message));
	snprintf(words, sizeof(words), "the server answered %d, %s%s%s%s", r->status, code,
	    *message != '\0' ? ": " : "", message, hint(s, q, e));
	return say(s, q, -EIO, words);
}

static int transient(struct store_s3 *s, const struct s3_request *q, const struct http_reply *r,
    const struct s3_error *e)
{
	return store_transient(&s->base, http_retry_after(r), "%s %s: the server answered %d, %s", q->operation,
	    q->shown, r->status, e->code);
}

int s3_failed(struct store_s3 *s, const struct s3_request *q, const struct http_reply *r, const struct s3_error *e)
{
	if (strcmp(e->code, "NoSuchKey") == 0)
		return -ENOENT;
	if (strcmp(e->code, "NoSuchBucket") == 0)
		return missing_bucket(s, q);
	if (strcmp(e->code, "InvalidObjectState") == 0)
		return archived(s, q, e);
	if (strcmp(e->code, "AccessDenied") == 0 || strcmp(e->code, "AllAccessDisabled") == 0 ||
	    strcmp(e->code, "ObjectLocked") == 0)
		return denied(s, q, e);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (strcmp(e->code, meanings[i].code) != 0)
			continue;
		return meanings[i].rc == 0 ? transient(s, q, r, e) : say(s, q, meanings[i].rc, meanings[i].words);
	}
	if (*e->code != '\0' && (r->status == 429 || r->status == 500 || r->status == 502 || r->status == 503 ||
				    r->status == 504))
		return transient(s, q, r, e);
	return other(s, q, r, e);
}
