/*
 * What the service says when it refuses, in words for people.  Codes are those of Microsoft's "Blob service error
 * codes" and "Common REST API error codes"; they come in the header x-ms-error-code, and in the body with their
 * details.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/store/azure/azure_impl.h"
#include "repo/store/parse/xml.h"

#define CLOCK_TOLERANCE 900 /* seconds: what the service accepts */
#define DETAIL_SIZE 240

/* What a code stands for.  ${err}: 0 if it may go away by itself; -ENOENT is not logged. */
static const struct meaning {
	const char *code;
	int err;
	const char *text; /* NULL: the code alone says it */
} meanings[] = {
	{ "BlobNotFound", -ENOENT, NULL },
	{ "ContainerNotFound", -EIO, "there is no such container: make it first" },
	{ "ContainerBeingDeleted", -EIO, "the container is being deleted" },
	{ "ContainerDisabled", -EIO, "the container is disabled" },
	{ "AccountIsDisabled", -EACCES, "the account is disabled" },
	{ "AuthorizationFailure", -EACCES,
	    "not authorised: the credentials are wrong or have ended, or a firewall keeps this machine out" },
	{ "AuthorizationPermissionMismatch", -EACCES, "no permission" },
	{ "AuthorizationResourceTypeMismatch", -EACCES,
	    "the shared access signature is not for this kind of thing (containers and objects are wanted)" },
	{ "AuthorizationServiceMismatch", -EACCES, "the shared access signature is not for the blob service" },
	{ "AuthorizationProtocolMismatch", -EACCES, "the shared access signature wants https" },
	{ "AuthorizationSourceIPMismatch", -EACCES, "the shared access signature is not for this machine's address" },
	{ "InsufficientAccountPermissions", -EACCES, "no permission: the account, or the key, can only be read" },
	{ "UnauthorizedBlobOverwrite", -EACCES, "no permission to overwrite" },
	{ "KeyBasedAuthenticationNotPermitted", -EACCES,
	    "the account takes no shared key: use a shared access signature of a user delegation" },
	{ "PublicAccessNotPermitted", -EACCES, "nothing is public in this account: credentials are needed" },
	{ "NoAuthenticationInformation", -EACCES, "credentials are needed" },
	{ "InvalidAuthenticationInfo", -EACCES, "the credentials are malformed" },
	{ "BlobImmutableDueToPolicy", -EACCES, "an immutability policy or a legal hold protects it" },
	{ "ContainerImmutableStorageNotEnabled", -EACCES, NULL },
	{ "BlobArchived", -EIO,
	    "it is in the archive tier: it must be rehydrated first (restore --thaw, or set its tier)" },
	{ "BlobBeingRehydrated", -EIO, "it is on its way back from the archive tier, and cannot be read before" },
	{ "LeaseIdMissing", -EACCES, "somebody has a lease on it" },
	{ "SnapshotsPresent", -EIO, "it has snapshots of the service's own: remove those first" },
	{ "ServerBusy", 0, NULL },
	{ "OperationTimedOut", 0, NULL },
	{ "InternalError", 0, NULL },
	/* Damaged on its way, or blocks that another writer of the same object has just used. */
	{ "Md5Mismatch", 0, "what arrived is not what was sent" },
	{ "InvalidBlockList", 0, "the blocks are gone" },
};

/* What is taken of an error's body. */
struct answer {
	char code[AZURE_CODE_SIZE];
	char message[DETAIL_SIZE]; /* its first line */
	char detail[DETAIL_SIZE];
};

static int on_element(void *arg, const char *path, const char *text)
{
	struct answer *a = arg;

	if (strcmp(path, "/Error/Code") == 0)
		snprintf(a->code, sizeof(a->code), "%.*s", (int)sizeof(a->code) - 1, text);
	else if (strcmp(path, "/Error/Message") == 0)
		snprintf(a->message, sizeof(a->message), "%.*s", (int)strcspn(text, "\r\n"), text);
	else if (strcmp(path, "/Error/AuthenticationErrorDetail") == 0)
		snprintf(a->detail, sizeof(a->detail), "%s", text);
	return 0;
}

/* A body that is no XML, of some proxy, says nothing; what has been read of a broken one is as good as any. */
static void read_answer(const struct http_reply *r, struct answer *a)
{
	char code[AZURE_CODE_SIZE];

	*a = (struct answer){ "", "", "" };
	(void)xml_parse(r->error.data, r->error.len, on_element, a);
	if (http_header(r, "x-ms-error-code", code, sizeof(code)))
		memcpy(a->code, code, sizeof(code));
}

void azure_error_code(const struct http_reply *r, char code[AZURE_CODE_SIZE])
{
	struct answer a;

	read_answer(r, &a);
	memcpy(code, a.code, AZURE_CODE_SIZE);
}

bool azure_answered(int rc, const struct http_reply *r, const char *code)
{
	char got[AZURE_CODE_SIZE];

	if (rc < 0)
		return false;
	azure_error_code(r, got);
	return strcmp(got, code) == 0;
}

/* Seconds that this machine's clock is ahead of the server's; 0 if that did not say. */
static int64_t clock_ahead(const struct http_reply *r)
{
	char date[64];
	int64_t theirs = http_header(r, "date", date, sizeof(date)) ? http_date(date) : -1;

	return theirs >= 0 ? time(NULL) - theirs : 0;
}

/*
 * The one code for a wrong signature, a wrong clock and a shared access signature that has ended.  Of the detail only
 * what has no signature in it is shown.
 */
static int authentication_failed(struct store_azure *a, const struct http_reply *r, const struct answer *answer,
    const char *operation, const char *name)
{
	int64_t ahead = clock_ahead(r);
	const struct log *log = a->base.log;

	if (ahead > CLOCK_TOLERANCE || ahead < -CLOCK_TOLERANCE)
		log_error(log, "%s/%s: %s: refused, as this machine's clock is %lld minutes %s", a->base.url, name,
		    operation, (long long)(ahead < 0 ? -ahead : ahead) / 60, ahead < 0 ? "slow" : "fast");
	else if (strstr(answer->detail, "date header too old") != NULL)
		log_error(log, "%s/%s: %s: refused, as this machine's clock is off: %s", a->base.url, name, operation,
		    answer->detail);
	else if (strstr(answer->detail, "not valid in the specified time frame") != NULL)
		log_error(log, "%s/%s: %s: the shared access signature has ended, or does not hold yet: %s",
		    a->base.url, name, operation, answer->detail);
	else
		log_error(log, "%s/%s: %s: authentication failed: the %s is wrong", a->base.url, name, operation,
		    a->account.sas != NULL ? "shared access signature" : "account's key");
	return -EACCES;
}

/* It is asked for again by each file that has something in it. */
static bool is_archived(const struct meaning *m)
{
	return strcmp(m->code, "BlobArchived") == 0 || strcmp(m->code, "BlobBeingRehydrated") == 0;
}

static int tell_meaning(struct store_azure *a, const struct meaning *m, const struct http_reply *r,
    const char *operation, const char *name)
{
	const char *text = m->text != NULL ? m->text : m->code;

	if (m->err == 0)
		return store_transient(&a->base, http_retry_after(r), "%s %s: %s", operation, name, text);
	if (m->err == -ENOENT || (is_archived(m) && told_name_before(&a->told, name)))
		return m->err;
	if (strcmp(text, "no permission") == 0)
		log_error(a->base.log, "%s/%s: no permission to %s", a->base.url, name, operation);
	else
		log_error(a->base.log, "%s/%s: %s: %s", a->base.url, name, operation, text);
	/* Of an object that says nothing; who opens the store has learnt that there is no repository. */
	if (strcmp(m->code, "ContainerNotFound") == 0 && strcmp(operation, "get") == 0 &&
	    strcmp(name, STORE_CONFIG) == 0)
		return -ENOENT;
	return m->err;
}

int azure_failed(struct store_azure *a, int rc, const struct http_reply *r, const char *operation, const char *name)
{
	struct answer answer;
	char quoted[DETAIL_SIZE];

	if (rc < 0)
		return http_failed(&a->base, rc, r, operation, name);
	read_answer(r, &answer);
	if (strcmp(answer.code, "AuthenticationFailed") == 0)
		return authentication_failed(a, r, &answer, operation, name);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(answer.code, meanings[i].code) == 0)
			return tell_meaning(a, &meanings[i], r, operation, name);
	/* Without a code it was not the service that spoke: a proxy, or another server, knows of no blob. */
	if (answer.code[0] == '\0' && (r->status < 300 || r->status == 404 || r->status == 410)) {
		log_error(a->base.log, "%s/%s: %s: the answer %d is none of Azure's: is the endpoint right?",
		    a->base.url, name, operation, r->status);
		return -EIO;
	}
	if (answer.code[0] == '\0' || r->status >= 500 || r->status == 429 || r->status == 408)
		return http_failed(&a->base, rc, r, operation, name);
	log_error(a->base.log, "%s/%s: %s: the server answered %d: %s (%s)", a->base.url, name, operation, r->status,
	    quote_name(answer.message, (unsigned)strlen(answer.message), quoted, sizeof(quoted)), answer.code);
	return r->status == 401 || r->status == 403 ? -EACCES : -EIO;
}
