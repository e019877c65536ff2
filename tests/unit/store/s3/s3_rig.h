/*
 * For tests of the S3 store: a bare store at a server that follows a script.
 */
#ifndef VARVE_TEST_S3_RIG_H
#define VARVE_TEST_S3_RIG_H

#include "repo/store/s3/store_s3.h"
#include "tests/unit/store/s3/aws.h"
#include "tests/unit/store/s3/script.h"

/* What URLs of tests begin with, and the keys that this makes. */
#define S3_RIG_URL "s3://bucket/pre%20fix?"
#define S3_RIG_KEY "/bucket/pre%20fix/"

#define S3_ERROR(code) "<Error><Code>" code "</Code></Error>"

struct s3_rig {
	struct scratch *scratch;
	struct script *script;
	struct store_options opts;
	struct store *store;
	char url[400];
};

/**
 * s3_rig_open(r, state, url, steps, n, before):
 * Open the store of ${url}, which ends at a "?" or "&", with static credentials, at a server that expects ${steps} (see
 * script_start()).  ${state} is that of aws_setup().
 */
void s3_rig_open(struct s3_rig *r, void **state, const char *url, const struct script_step *steps, size_t n,
    script_before_fn *before);

/* Close it; the test has failed unless all steps came, or if the secret key is in a message. */
void s3_rig_close(struct s3_rig *r);

#endif
