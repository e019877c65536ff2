/*
 * Credentials from the services that containers and machines of AWS have beside them.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
 */
#ifndef VARVE_STORE_S3_METADATA_H
#define VARVE_STORE_S3_METADATA_H

#include "repo/store/aws/s3_credentials.h"

/**
 * s3_metadata_container(opts, out, cause), s3_metadata_machine(opts, out, cause):
 * Ask the container's service, or EC2's.  A second for each request, not more.  Return 0 with new keys; -ENOENT if
 * there is no such service, or it has none; -EAGAIN with ${cause} if it should have and failed; -EACCES with ${cause}
 * if it refused or is not to be asked; -ECANCELED; -ENOMEM.
 */
int s3_metadata_container(const struct store_options *opts, struct s3_keys **out, char cause[S3_CAUSE_SIZE]);
int s3_metadata_machine(const struct store_options *opts, struct s3_keys **out, char cause[S3_CAUSE_SIZE]);

#endif
