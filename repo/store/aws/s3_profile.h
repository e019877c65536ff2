/*
 * The two files in which AWS' programs keep what a user has set up: credentials and configuration, in profiles.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 */
#ifndef VARVE_STORE_S3_PROFILE_H
#define VARVE_STORE_S3_PROFILE_H

#include "repo/util/bytes/buf.h"
#include "repo/util/log.h"

enum s3_file {
	S3_FILE_CREDENTIALS, /* $AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials: sections [NAME] */
	S3_FILE_CONFIG,      /* $AWS_CONFIG_FILE, ~/.aws/config: sections [profile NAME], [default] */
};

/* One profile of both files. */
struct s3_profile {
	char *name;
	struct buf text[2]; /* of enum s3_file; empty if there is none */
};

/**
 * s3_profile_open(name, log, out):
 * Read both files; those that do not exist have nothing in them, what cannot be read gives a warning.  ${name}: NULL is
 * $AWS_PROFILE, or "default".  Return 0 with ${out} to be freed by s3_profile_close(), or -ENOMEM.
 */
int s3_profile_open(const char *name, const struct log *log, struct s3_profile *out);
void s3_profile_close(struct s3_profile *p); /* wipes; does nothing to what is all zero */

/**
 * s3_profile_value(p, file, key, out):
 * Append the value of ${key} in this profile to ${out}, with a NUL behind it that is counted; nothing if it is not
 * there or empty.  Return 0 or -ENOMEM.
 */
int s3_profile_value(const struct s3_profile *p, enum s3_file file, const char *key, struct buf *out);

#endif
