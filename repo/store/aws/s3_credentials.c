/*
 * Where credentials come from, and when they are read again.  See s3_credentials.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "repo/crypt/crypt.h"
#include "repo/store/aws/s3_credentials.h"
#include "repo/store/aws/s3_metadata.h"
#include "repo/store/aws/s3_profile.h"

#define REFRESH_BEFORE 300 /* seconds: services have new ones ready by then */
#define REFRESH_MIN 30     /* not more often than that */
#define FAILED_FOR 10      /* how long a failure is the answer to all who ask */

struct s3_credentials {
	char *profile;                    /* as asked for; NULL: the usual one */
	bool services;
	const struct store_options *opts;
	pthread_mutex_t lock;             /* of all that follows, and of each ${refs} */
	struct s3_keys *keys;             /* may be NULL */
	bool expired;                     /* the server said so of ${keys} */
	time_t refresh_at;                /* of ${keys} */
	time_t failed_until;              /* ${failure} is the answer until then */
	int failure;
	char cause[S3_CAUSE_SIZE];
};

struct s3_keys *s3_keys_new(const char *id, const char *secret, const char *token, int64_t expires)
{
	size_t id_size = strlen(id) + 1, secret_size = strlen(secret) + 1;
	size_t token_size = token != NULL ? strlen(token) + 1 : 0;
	struct s3_keys *k = crypt_secret_alloc(sizeof(*k) + id_size + secret_size + token_size);
	char *p;

	if (k == NULL)
		return NULL;
	p = k->text;
	k->id = memcpy(p, id, id_size);
	k->secret = memcpy(p + id_size, secret, secret_size);
	if (token != NULL)
		k->token = memcpy(p + id_size + secret_size, token, token_size);
	k->refs = 1;
	k->expires = expires;
	return k;
}

int s3_credentials_open(const char *profile, bool services, const struct store_options *opts,
    struct s3_credentials **out)
{
	struct s3_credentials *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	if (profile != NULL && (c->profile = strdup(profile)) == NULL) {
		free(c);
		return -ENOMEM;
	}
	c->services = services;
	c->opts = opts;
	pthread_mutex_init(&c->lock, NULL);
	*out = c;
	return 0;
}

void s3_credentials_close(struct s3_credentials *c)
{
	if (c == NULL)
		return;
	s3_credentials_put(c, c->keys);
	pthread_mutex_destroy(&c->lock);
	free(c->profile);
	free(c);
}

static const char *env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* All of these: 0 with keys, -ENOENT if there are none there, or an error with ${c->cause}. */

static int from_environment(struct s3_credentials *c, struct s3_keys **out)
{
	const char *id = env("AWS_ACCESS_KEY_ID"), *secret = env("AWS_SECRET_ACCESS_KEY");

	if (id == NULL && secret == NULL)
		return -ENOENT;
	if (id == NULL || secret == NULL) {
		snprintf(c->cause, sizeof(c->cause), "%s is set, and %s is not",
		    id != NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
		    id != NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
		return -EACCES;
	}
	*out = s3_keys_new(id, secret, env("AWS_SESSION_TOKEN"), INT64_MAX);
	return *out != NULL ? 0 : -ENOMEM;
}

static int from_file(const struct s3_profile *p, enum s3_file file, struct s3_keys **out)
{
	struct buf id = BUF_INIT, secret = BUF_INIT, token = BUF_INIT;
	int rc;

	rc = s3_profile_value(p, file, "aws_access_key_id", &id);
	if (rc == 0)
		rc = s3_profile_value(p, file, "aws_secret_access_key", &secret);
	if (rc == 0)
		rc = s3_profile_value(p, file, "aws_session_token", &token);
	if (rc == 0 && (id.len == 0 || secret.len == 0))
		rc = -ENOENT;
	if (rc == 0) {
		*out = s3_keys_new((char *)id.data, (char *)secret.data, (char *)token.data, INT64_MAX);
		rc = *out != NULL ? 0 : -ENOMEM;
	}
	buf_wipe(&id);
	buf_wipe(&secret);
	buf_wipe(&token);
	return rc;
}

/* What a profile may ask for that is not done here; NULL if it asks for nothing of the kind. */
static const char *unsupported(const struct s3_profile *p)
{
	static const char *const keys[] = { "credential_process", "sso_session", "sso_start_url", "role_arn",
		"web_identity_token_file" };
	const char *found = NULL;
	struct buf value = BUF_INIT;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && found == NULL; i++) {
		if (s3_profile_value(p, S3_FILE_CREDENTIALS, keys[i], &value) != 0 ||
		    s3_profile_value(p, S3_FILE_CONFIG, keys[i], &value) != 0)
			break;
		found = value.len > 0 ? keys[i] : NULL;
	}
	buf_wipe(&value);
	return found;
}

static int from_files(struct s3_credentials *c, struct s3_keys **out)
{
	struct s3_profile p;
	const char *key;
	char quoted[80];
	int rc;

	rc = s3_profile_open(c->profile, c->opts->log, &p);
	if (rc != 0)
		return rc;
	rc = from_file(&p, S3_FILE_CREDENTIALS, out);
	if (rc == -ENOENT)
		rc = from_file(&p, S3_FILE_CONFIG, out);
	key = rc == -ENOENT ? unsupported(&p) : NULL;
	quote_name(p.name, (unsigned)strnlen(p.name, 256), quoted, sizeof(quoted));
	if (key != NULL) {
		snprintf(c->cause, sizeof(c->cause), "the profile \"%s\" has %s, which this program does not do; "
		    "\"aws configure export-credentials --format env\" does", quoted, key);
		rc = -EACCES;
	} else if (rc == -ENOENT) {
		snprintf(c->cause, sizeof(c->cause), "none in the environment (AWS_ACCESS_KEY_ID, "
		    "AWS_SECRET_ACCESS_KEY), none in the profile \"%s\"%s", quoted,
		    c->services ? ", none from a metadata service" : "");
	}
	s3_profile_close(&p);
	return rc;
}

/* The chain.  -ENOENT if nobody has any. */
static int load(struct s3_credentials *c, struct s3_keys **out)
{
	char cause[S3_CAUSE_SIZE] = "";
	int rc = -ENOENT;

	if (c->profile == NULL)
		rc = from_environment(c, out);
	if (rc == -ENOENT)
		rc = from_files(c, out);
	if (rc == -ENOENT && c->services) {
		rc = s3_metadata_container(c->opts, out, cause);
		if (rc == -ENOENT)
			rc = s3_metadata_machine(c->opts, out, cause);
		if (rc == -EAGAIN || rc == -EACCES)
			memcpy(c->cause, cause, sizeof(cause));
	}
	return rc;
}

/* Replace the keys, or take note of the failure and keep those that are still good.  Under the lock. */
static int refresh(struct s3_credentials *c, time_t now)
{
	struct s3_keys *fresh = NULL;
	bool usable = c->keys != NULL && !c->expired && now < c->keys->expires;
	int rc;

	if (now < c->failed_until)
		return usable ? 0 : c->failure;
	rc = load(c, &fresh);
	if (rc == 0) {
		if (c->keys != NULL && --c->keys->refs == 0)
			crypt_secret_free(c->keys);
		c->keys = fresh;
		c->expired = false;
		c->failed_until = 0;
		/* Far in the future stays there. */
		c->refresh_at = fresh->expires == INT64_MAX ? INT64_MAX : fresh->expires - REFRESH_BEFORE;
		if (c->refresh_at < now + REFRESH_MIN)
			c->refresh_at = now + REFRESH_MIN;
		return 0;
	}
	if (rc == -ENOENT)
		rc = -EACCES;
	if (rc == -EACCES && !usable)
		log_error(c->opts->log, "no credentials: %s", c->cause);
	c->failure = rc;
	c->failed_until = rc == -ECANCELED ? 0 : now + FAILED_FOR;
	return usable ? 0 : rc;
}

int s3_credentials_get(struct s3_credentials *c, struct s3_keys **out, char cause[S3_CAUSE_SIZE])
{
	time_t now = time(NULL);
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	if (c->keys == NULL || c->expired || now >= c->refresh_at)
		rc = refresh(c, now);
	if (rc == 0 && c->keys != NULL) {
		c->keys->refs++;
		*out = c->keys;
	} else {
		memcpy(cause, c->cause, S3_CAUSE_SIZE);
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

void s3_credentials_put(struct s3_credentials *c, struct s3_keys *keys)
{
	if (keys == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	if (--keys->refs == 0)
		crypt_secret_free(keys);
	pthread_mutex_unlock(&c->lock);
}

void s3_credentials_expired(struct s3_credentials *c, const struct s3_keys *keys)
{
	pthread_mutex_lock(&c->lock);
	if (c->keys == keys) {
		c->expired = true;
		c->failed_until = 0;
	}
	pthread_mutex_unlock(&c->lock);
}
