/*
 * The settings of an S3 store.  See s3_config.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "repo/store/http/url.h"
#include "repo/store/s3/s3_config.h"
#include "repo/store/aws/s3_profile.h"
#include "repo/util/text/when.h"

#define PART_SIZE_MIN (5u << 20)     /* S3 takes none below but the last */
#define PART_SIZE_MAX (5ull << 30)   /* and none above */
#define PART_SIZE_DEFAULT (64u << 20)
#define LOCK_DAYS_MAX 36500

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* What is being read. */
struct reading {
	struct url url;
	struct s3_profile profile;
	const struct log *log;
	struct s3_config *config;
};

static int refuse(const struct reading *r, const char *option, const char *wanted)
{
	log_error(r->log, "%s: the option \"%s\" is not %s", r->url.shown, option, wanted);
	return -EINVAL;
}

/* Only of letters, digits and ${more}, and neither empty nor long? */
static bool is_word(const char *text, const char *more)
{
	size_t len = strspn(text, letters);

	while (text[len] != '\0' && strchr(more, text[len]) != NULL)
		len += 1 + strspn(text + len + 1, letters);
	return text[len] == '\0' && len > 0 && len < S3_REGION_SIZE;
}

/* An option that is a word. */
static int take_word(struct reading *r, const char *option, char **out)
{
	int rc = url_option(&r->url, option, out);

	if (rc == 0 && *out != NULL && !is_word(*out, "-_"))
		rc = refuse(r, option, "a word of letters, digits, \"-\" and \"_\"");
	return rc;
}

static int copy_env(const char *name, char **out)
{
	const char *value = getenv(name);

	if (*out != NULL || value == NULL || *value == '\0')
		return 0;
	*out = strdup(value);
	return *out != NULL ? 0 : -ENOMEM;
}

static int copy_profile(const struct reading *r, const char *key, char **out)
{
	struct buf value = BUF_INIT;
	int rc = *out == NULL ? s3_profile_value(&r->profile, S3_FILE_CONFIG, key, &value) : 0;

	if (rc == 0 && value.len > 0) {
		*out = strdup((const char *)value.data);
		rc = *out != NULL ? 0 : -ENOMEM;
	}
	buf_free(&value);
	return rc;
}

static int take_region(struct reading *r)
{
	char **out = &r->config->region;
	int rc = take_word(r, "region", out);

	/* What AWS' variables say is of no concern to Google. */
	if (rc == 0 && !r->config->google)
		rc = copy_env("AWS_REGION", out);
	if (rc == 0 && !r->config->google)
		rc = copy_env("AWS_DEFAULT_REGION", out);
	if (rc == 0 && !r->config->google)
		rc = copy_profile(r, "region", out);
	if (rc == 0 && *out == NULL) {
		*out = strdup(r->config->google ? "auto" : "us-east-1");
		rc = *out != NULL ? 0 : -ENOMEM;
	}
	if (rc == 0 && !is_word(*out, "-_")) {
		log_error(r->log, "%s: the region is not a word of letters, digits, \"-\" and \"_\"", r->url.shown);
		rc = -EINVAL;
	}
	return rc;
}

/* "http[s]://host[:port][/path]", nothing else; its "/" at the end goes. */
static bool endpoint_valid(char *text)
{
	size_t len = strlen(text), scheme = strncasecmp(text, "https://", 8) == 0 ? 8 : 7;

	if (scheme == 7 && strncasecmp(text, "http://", 7) != 0)
		return false;
	while (len > scheme && text[len - 1] == '/')
		text[--len] = '\0';
	if (len == scheme || strspn(text + scheme, "/:") > 0)
		return false;
	for (const char *p = text; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("@?#\"<>\\^`{|}", *p) != NULL)
			return false;
	return true;
}

static int take_endpoint(struct reading *r)
{
	const char *ignore = getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
	bool configured = !r->config->google && (ignore == NULL || strcasecmp(ignore, "true") != 0);
	char **out = &r->config->endpoint;
	int rc = url_option(&r->url, "endpoint", out);

	if (rc == 0 && configured)
		rc = copy_env("AWS_ENDPOINT_URL_S3", out);
	if (rc == 0 && configured)
		rc = copy_env("AWS_ENDPOINT_URL", out);
	if (rc == 0 && configured)
		rc = copy_profile(r, "endpoint_url", out);
	if (rc == 0 && *out == NULL && r->config->google) {
		*out = strdup("https://storage.googleapis.com");
		rc = *out != NULL ? 0 : -ENOMEM;
	}
	if (rc == 0 && *out != NULL && !endpoint_valid(*out)) {
		log_error(r->log, "%s: the endpoint is not a URL as https://host:port, without user and query",
		    r->url.shown);
		rc = -EINVAL;
	}
	return rc;
}

/* One of two words; ${first} if there is no such option. */
static int take_choice(struct reading *r, const char *option, const char *first, const char *second,
    const char *wanted, bool *is_second, bool *given)
{
	char *value = NULL;
	int rc = url_option(&r->url, option, &value);

	*given = value != NULL;
	if (value != NULL) {
		*is_second = strcasecmp(value, second) == 0;
		if (!*is_second && strcasecmp(value, first) != 0)
			rc = refuse(r, option, wanted);
	}
	free(value);
	return rc;
}

/* A bucket with a dot in its name is no part of a host that a certificate is for. */
static int take_style(struct reading *r)
{
	struct s3_config *c = r->config;
	bool given, host = false;
	int rc = take_choice(r, "style", "path", "host", "\"path\" or \"host\"", &host, &given);

	c->path_style = given ? !host : c->endpoint != NULL || strchr(c->bucket, '.') != NULL;
	return rc;
}

static int take_lock(struct reading *r)
{
	bool given, compliance = false;
	char *days = NULL, *end;
	unsigned long n = 0;
	int rc;

	rc = take_choice(r, "lock", "governance", "compliance", "\"governance\" or \"compliance\"", &compliance,
	    &given);
	if (rc == 0)
		rc = url_option(&r->url, "lock-days", &days);
	if (rc == 0 && given != (days != NULL)) {
		log_error(r->log, "%s: the options \"lock\" and \"lock-days\" want each other", r->url.shown);
		rc = -EINVAL;
	}
	if (rc == 0 && days != NULL) {
		n = strtoul(days, &end, 10);
		if (*days < '0' || *days > '9' || *end != '\0' || n == 0 || n > LOCK_DAYS_MAX)
			rc = refuse(r, "lock-days", "a number of days from 1 to 36500");
	}
	if (rc == 0 && given) {
		r->config->lock = compliance ? "COMPLIANCE" : "GOVERNANCE";
		r->config->lock_days = (unsigned)n;
	}
	free(days);
	return rc;
}

static int take_part_size(struct reading *r)
{
	char *value = NULL;
	int rc = url_option(&r->url, "part-size", &value);

	r->config->part_size = PART_SIZE_DEFAULT;
	if (rc == 0 && value != NULL &&
	    (size_parse(value, &r->config->part_size) != 0 || r->config->part_size < PART_SIZE_MIN ||
		r->config->part_size > PART_SIZE_MAX))
		rc = refuse(r, "part-size", "a size from 5M to 5G");
	free(value);
	return rc;
}

static int take_options(struct reading *r)
{
	struct s3_config *c = r->config;
	bool given, none = false;
	int rc;

	rc = take_region(r);
	if (rc == 0)
		rc = take_endpoint(r);
	if (rc == 0)
		rc = take_style(r);
	if (rc == 0)
		rc = take_word(r, "storage-class", &c->class_packs);
	if (rc == 0)
		rc = take_word(r, "storage-class-hot", &c->class_hot);
	if (rc == 0)
		rc = take_word(r, "thaw-tier", &c->thaw_tier);
	if (rc == 0)
		rc = take_lock(r);
	if (rc == 0)
		rc = take_choice(r, "checksum", "sha256", "none", "\"sha256\" or \"none\"", &none, &given);
	if (rc == 0)
		rc = take_part_size(r);
	c->checksum = !none;
	return rc;
}

/* "/some/where" -> "some/where/".  What a URL would be changed by on its way is refused. */
static int take_prefix(struct reading *r)
{
	const char *path = r->url.path, *part = path;
	struct buf out = BUF_INIT;
	size_t len;
	int rc = 0;

	while (*part == '/') {
		part++;
		len = strcspn(part, "/");
		if (len == 0 || strncmp(part, ".", len) == 0 || strncmp(part, "..", len) == 0) {
			log_error(r->log, "%s: the path has an empty part, \".\" or \"..\"", r->url.shown);
			return -EINVAL;
		}
		part += len;
	}
	if (*path != '\0')
		rc = buf_printf(&out, "%s/", path + 1);
	if (rc == 0)
		rc = buf_append(&out, "", 1);
	r->config->prefix = (char *)out.data;
	return rc;
}

static int take_place(struct reading *r)
{
	struct url *u = &r->url;

	if (u->user != NULL || u->password != NULL || u->port != 0) {
		log_error(r->log, "%s: such a URL has no user, password or port", u->shown);
		return -EINVAL;
	}
	if (u->host == NULL || strlen(u->host) > 222 || strspn(u->host, letters) == 0 ||
	    u->host[strspn(u->host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] != '\0') {
		log_error(r->log, "%s: this is not the name of a bucket", u->shown);
		return -EINVAL;
	}
	r->config->bucket = strdup(u->host);
	r->config->shown = strdup(u->shown);
	return r->config->bucket != NULL && r->config->shown != NULL ? take_prefix(r) : -ENOMEM;
}

int s3_config_read(const char *url, const struct log *log, struct s3_config *out)
{
	static const char *const options[] = { "endpoint", "region", "style", "profile", "storage-class",
		"storage-class-hot", "thaw-tier", "lock", "lock-days", "checksum", "part-size", NULL };
	struct reading r = { .log = log, .config = out };
	int rc;

	*out = (struct s3_config){ 0 };
	rc = url_parse(url, log, &r.url);
	if (rc != 0)
		return rc;
	out->google = strcmp(r.url.scheme, "gs") == 0;
	rc = url_options_known(&r.url, options, log);
	if (rc == 0)
		rc = take_place(&r);
	if (rc == 0)
		rc = url_option(&r.url, "profile", &out->profile);
	if (rc == 0)
		rc = s3_profile_open(out->profile, NULL, &r.profile);
	if (rc == 0)
		rc = take_options(&r);
	s3_profile_close(&r.profile);
	url_free(&r.url);
	if (rc != 0)
		s3_config_free(out);
	return rc;
}

void s3_config_free(struct s3_config *c)
{
	free(c->bucket);
	free(c->prefix);
	free(c->endpoint);
	free(c->region);
	free(c->profile);
	free(c->class_packs);
	free(c->class_hot);
	free(c->thaw_tier);
	free(c->shown);
	*c = (struct s3_config){ 0 };
}
