/*
 * What an s3: or gs: URL, the environment and AWS' configuration file say of a store.  See store_s3.h.
 */
#ifndef VARVE_STORE_S3_CONFIG_H
#define VARVE_STORE_S3_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/util/log.h"

#define S3_REGION_SIZE 40

/* Strings are owned. */
struct s3_config {
	bool google;        /* headers "x-goog-...", and the signature that goes with them */
	char *bucket;
	char *prefix;       /* "" or "some/where/": what keys begin with */
	char *endpoint;     /* "https://host[:port][/path]"; NULL: AWS' of the region */
	char *region;       /* to begin with */
	bool path_style;
	char *profile;      /* NULL: the usual one */
	char *class_packs;  /* NULL: the bucket's */
	char *class_hot;
	char *thaw_tier;
	const char *lock;   /* "GOVERNANCE", "COMPLIANCE"; NULL: none.  Static. */
	unsigned lock_days;
	bool checksum;
	uint64_t part_size;
	char *shown;        /* the URL for messages */
};

/**
 * s3_config_read(url, log, out):
 * Return 0 with ${out} to be freed by s3_config_free(); -EINVAL (logged); -ENOMEM.
 */
int s3_config_read(const char *url, const struct log *log, struct s3_config *out);
void s3_config_free(struct s3_config *c);

#endif
