/*
 * Credentials for S3, from where AWS' programs take them, in their order:
 *
 *   1. $AWS_ACCESS_KEY_ID, $AWS_SECRET_ACCESS_KEY, $AWS_SESSION_TOKEN (not if a profile was asked for by name)
 *   2. the profile in the credentials file, 3. in the configuration file (s3_profile.h)
 *   4. the container's service, if $AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is set
 *   5. EC2's instance metadata service, version 2, unless $AWS_EC2_METADATA_DISABLED is "true"
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
 *
 * They are in locked memory, are wiped at the end, and appear in no message.
 */
#ifndef VARVE_STORE_S3_CREDENTIALS_H
#define VARVE_STORE_S3_CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/store/store.h"

#define S3_CAUSE_SIZE 320

/* One set of keys.  Immutable, counted. */
struct s3_keys {
	unsigned refs;      /* under the lock of struct s3_credentials */
	int64_t expires;    /* seconds since 1970; INT64_MAX: never */
	const char *id, *secret;
	const char *token;  /* NULL: none */
	char text[];        /* the three */
};

/* New keys with one reference, or NULL if there is no memory.  Copies; ${token} may be NULL. */
struct s3_keys *s3_keys_new(const char *id, const char *secret, const char *token, int64_t expires);

struct s3_credentials;

/**
 * s3_credentials_open(profile, services, opts, out):
 * Set up; nothing is read yet.  ${profile}: its name, or NULL for the usual one; copied.  ${services}: also ask the
 * services of containers and machines.  Of ${opts}, ${log} and ${cancel} are heeded, and borrowed.  Return 0 or
 * -ENOMEM.
 */
int s3_credentials_open(const char *profile, bool services, const struct store_options *opts,
    struct s3_credentials **out);
void s3_credentials_close(struct s3_credentials *c); /* all keys must have been put back; does nothing for NULL */

/**
 * s3_credentials_get(c, out, cause):
 * The keys of the moment, to be given back to s3_credentials_put(): read when they are first wanted, and anew five
 * minutes before they expire.  Return 0; -EACCES if there are none (logged); -EAGAIN with ${cause} if the service that
 * has them does not answer; -ECANCELED; -ENOMEM.  Thread-safe; waits for another thread that is reading them.
 */
int s3_credentials_get(struct s3_credentials *c, struct s3_keys **out, char cause[S3_CAUSE_SIZE]);
void s3_credentials_put(struct s3_credentials *c, struct s3_keys *keys); /* does nothing for NULL */

/* The server says that ${keys} have expired: the next get reads anew. */
void s3_credentials_expired(struct s3_credentials *c, const struct s3_keys *keys);

#endif
