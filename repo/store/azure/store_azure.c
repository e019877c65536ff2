/*
 * Azure Blob Storage: opening, and the operations of one request each.  See store_azure.h.
 */
#include "repo/store/azure/store_azure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "repo/store/azure/azure_impl.h"

#define TOLD_S 60 /* each archived blob is told of once in that time */

static int azure_get(struct store *s, const char *name, uint64_t off, size_t len, void *out)
{
	struct azure_call c = { .method = "GET", .name = name, .into = out, .max = len };
	struct http_reply r = { 0 };
	char range[64];
	int rc;

	snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)off,
	    (unsigned long long)(off + len - 1));
	azure_add_header(&c, "x-ms-range", range);
	rc = azure_perform(azure_of(s), &c, &r);
	if (rc == 0 && (r.status == 416 || (r.status == 206 && r.received < len)))
		rc = store_too_short(s, name, off, len);
	else if (rc < 0 || r.status != 206)
		rc = azure_failed(azure_of(s), rc, &r, "get", name);
	http_reply_free(&r);
	return rc;
}

static int azure_get_all(struct store *s, const char *name, size_t max, struct buf *out)
{
	struct azure_call c = { .method = "GET", .name = name, .append = out, .max = max };
	struct http_reply r = { 0 };
	int rc;

	rc = azure_perform(azure_of(s), &c, &r);
	if (rc == -EMSGSIZE)
		rc = store_too_long(s, name, max);
	else if (rc < 0 || r.status != 200)
		rc = azure_failed(azure_of(s), rc, &r, "get", name);
	http_reply_free(&r);
	return rc;
}

/* Ask for a blob's headers. */
static int head(struct store_azure *a, const char *name, struct http_reply *r)
{
	struct azure_call c = { .method = "HEAD", .name = name };
	int rc = azure_perform(a, &c, r);

	return rc < 0 || r->status != 200 ? azure_failed(a, rc, r, "stat", name) : 0;
}

int azure_stat(struct store *s, const char *name, uint64_t *size)
{
	struct http_reply r = { 0 };
	char length[32], *end;
	unsigned long long value;
	int rc;

	rc = head(azure_of(s), name, &r);
	if (rc == 0) {
		if (http_header(&r, "content-length", length, sizeof(length)) && *length >= '0' && *length <= '9') {
			value = strtoull(length, &end, 10);
			*size = value;
		} else {
			log_error(s->log, "%s/%s: stat: the answer has no length", s->url, name);
			rc = -EIO;
		}
	}
	http_reply_free(&r);
	return rc;
}

static int azure_delete(struct store *s, const char *name)
{
	struct azure_call c = { .method = "DELETE", .name = name };
	struct http_reply r = { 0 };
	int rc;

	rc = azure_perform(azure_of(s), &c, &r);
	if (rc < 0 || r.status != 202)
		rc = azure_failed(azure_of(s), rc, &r, "delete", name);
	http_reply_free(&r);
	return rc == -ENOENT ? 0 : rc;
}

static int azure_info(struct store *s, struct store_info *out)
{
	(void)s;
	*out = (struct store_info){ 0 };
	return 0;
}

/* Set Blob Tier: the service's only way back; the blob then stays hot. */
static int rehydrate(struct store_azure *a, const char *name)
{
	struct azure_call c = { .method = "PUT", .name = name };
	struct http_reply r = { 0 };
	int rc;

	azure_add_param(&c, "comp", "tier");
	azure_add_header(&c, "x-ms-access-tier", "Hot");
	azure_add_header(&c, "x-ms-rehydrate-priority", a->rehydrate);
	rc = azure_perform(a, &c, &r);
	if (azure_answered(rc, &r, "BlobBeingRehydrated"))
		rc = 0;
	else if (rc < 0 || (r.status != 200 && r.status != 202))
		rc = azure_failed(a, rc, &r, "rehydrate", name);
	http_reply_free(&r);
	return rc;
}

static int azure_thaw_state(struct store *s, const char *name, enum store_class *out)
{
	struct http_reply r = { 0 };
	char tier[32], status[64];
	int rc;

	rc = head(azure_of(s), name, &r);
	if (rc == 0) {
		*out = STORE_READABLE;
		if (http_header(&r, "x-ms-access-tier", tier, sizeof(tier)) && strcasecmp(tier, "Archive") == 0)
			*out = http_header(&r, "x-ms-archive-status", status, sizeof(status)) ? STORE_THAWING :
												STORE_ARCHIVED;
	}
	http_reply_free(&r);
	return rc;
}

static int azure_thaw(struct store *s, const char *name, unsigned days)
{
	enum store_class state = STORE_READABLE;
	int rc;

	(void)days;
	rc = azure_thaw_state(s, name, &state);
	return rc == 0 && state == STORE_ARCHIVED ? rehydrate(azure_of(s), name) : rc;
}

static void azure_close(struct store *s)
{
	struct store_azure *a = azure_of(s);

	http_close(a->http);
	azure_account_free(&a->account);
	free(a->container);
	free(a->prefix);
	store_destroy(s);
	free(a);
}

static const struct store_ops azure_ops = {
	.get = azure_get,
	.get_all = azure_get_all,
	.stat = azure_stat,
	.list = azure_list,
	.del = azure_delete,
	.info = azure_info,
	.thaw = azure_thaw,
	.thaw_state = azure_thaw_state,
	.put_begin = azure_put_begin,
	.put_append = azure_put_append,
	.put_commit = azure_put_commit,
	.put_abort = azure_put_abort,
	.close = azure_close,
};

/* A choice of the URL, and how the service calls it. */
struct choice {
	const char *name, *value;
};

static const struct choice tiers[] = {
	{ "hot", "Hot" }, { "cool", "Cool" }, { "cold", "Cold" }, { "archive", "Archive" }, { NULL, NULL },
};
static const struct choice priorities[] = { { "standard", "Standard" }, { "high", "High" }, { NULL, NULL } };

/* Leave ${*out} as it is if the URL does not have ${option}. */
static int choose(const struct url *u, const char *option, const struct choice *choices, const struct log *log,
    const char **out)
{
	const struct choice *c = choices;
	char *said = NULL;
	int rc = url_option(u, option, &said);

	if (rc < 0 || said == NULL)
		return rc;
	while (c->name != NULL && strcasecmp(c->name, said) != 0)
		c++;
	free(said);
	if (c->name == NULL) {
		log_error(log, "%s: the option \"%s\" has no such value", u->shown, option);
		return -EINVAL;
	}
	*out = c->value;
	return 0;
}

/* Names of containers are 3 to 63 small letters, digits and "-", or "$root". */
static bool container_valid(const char *name)
{
	return strlen(name) >= 3 && strlen(name) <= 63 &&
	       (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name) || strcmp(name, "$root") == 0);
}

/* Does the path have a component "." or "..", which would be taken out on its way? */
static bool has_dots(const char *path)
{
	size_t len;

	for (; *path != '\0'; path += len) {
		path += strspn(path, "/");
		len = strcspn(path, "/");
		if ((len == 1 || len == 2) && strspn(path, ".") >= len)
			return true;
	}
	return false;
}

static int take_place(const struct url *u, const struct log *log, struct store_azure *a)
{
	const char *path = u->path + strspn(u->path, "/");

	if (u->host == NULL || u->port != 0 || u->user != NULL || has_dots(path)) {
		log_error(log, "%s: an Azure URL is of the form azure://container/prefix?account=name", u->shown);
		return -EINVAL;
	}
	if (!container_valid(u->host)) {
		log_error(log, "%s: the name of a container is 3 to 63 small letters, digits and \"-\"", u->shown);
		return -EINVAL;
	}
	a->container = strdup(u->host);
	if (asprintf(&a->prefix, "%s%s", path, *path != '\0' ? "/" : "") < 0)
		a->prefix = NULL;
	return a->container != NULL && a->prefix != NULL ? 0 : -ENOMEM;
}

static int set_up(struct store_azure *a, const struct url *u, const struct store_options *opts)
{
	static const char *const known[] = { "account", "endpoint", "tier", "rehydrate", NULL };
	int rc;

	told_init(&a->told, TOLD_S);
	a->rehydrate = "Standard";
	a->spool_dir = opts->spool_dir;
	rc = url_options_known(u, known, opts->log);
	if (rc == 0)
		rc = take_place(u, opts->log, a);
	if (rc == 0)
		rc = choose(u, "tier", tiers, opts->log, &a->tier);
	if (rc == 0)
		rc = choose(u, "rehydrate", priorities, opts->log, &a->rehydrate);
	if (rc == 0)
		rc = azure_account_find(u, opts->log, &a->account);
	if (rc == 0)
		rc = http_open(opts, &a->http);
	return rc;
}

int store_azure_open(const struct store_options *opts, struct store **out)
{
	struct store_azure *a = calloc(1, sizeof(*a));
	struct url u = { 0 };
	int rc;

	if (a == NULL)
		return -ENOMEM;
	rc = url_parse(opts->url, opts->log, &u);
	if (rc == 0)
		rc = store_init(&a->base, &azure_ops, opts->log, u.shown, NULL);
	if (rc == 0) {
		rc = set_up(a, &u, opts);
		if (rc == 0)
			*out = &a->base;
		else
			azure_close(&a->base);
	} else {
		free(a);
	}
	url_free(&u);
	return rc;
}
