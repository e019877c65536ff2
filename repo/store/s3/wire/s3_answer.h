/*
 * What S3 answers in XML: errors, listings, retentions, and the beginning of an upload in parts.
 */
#ifndef VARVE_STORE_S3_ANSWER_H
#define VARVE_STORE_S3_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "repo/store/s3/s3_config.h"
#include "repo/util/bytes/buf.h"

/* <Error>; "" for what it does not say.  Cut where it is longer. */
struct s3_error {
	char code[64];
	char message[200];
	char region[S3_REGION_SIZE]; /* the bucket's */
	char class[32];              /* storage class of the object */
};

/* Read an error from a reply's body; all of ${out} is "" if there is none.  Return 0 or -ENOMEM. */
int s3_error_parse(const void *data, size_t len, struct s3_error *out);

/* One page of a listing. */
struct s3_page {
	struct buf entries;   /* for each: the size as 8 bytes little-endian, the key, a NUL */
	struct buf next;      /* continuation token with a NUL; empty: this was the last page */
	bool encoded;         /* keys are percent-encoded */
};

/**
 * s3_page_parse(data, len, out), s3_page_free(p):
 * Read <ListBucketResult>.  ${out} is all zero before, and to be freed in any case.  Return 0; -EBADMSG if it is none;
 * -ENOMEM.
 */
int s3_page_parse(const void *data, size_t len, struct s3_page *out);
void s3_page_free(struct s3_page *p);

/**
 * s3_page_next(p, at, key, size):
 * The entry at ${*at} (0 to begin with), which then moves on.  ${*key} is decoded, and borrowed as long as the page.
 * Return false at the end.
 */
bool s3_page_next(struct s3_page *p, size_t *at, char **key, uint64_t *size);

/* <Retention> of an object. */
struct s3_retention {
	char mode[16];  /* "GOVERNANCE", "COMPLIANCE" */
	char until[40]; /* a date */
};

/* Read it.  Return 0; -EBADMSG if it is none; -ENOMEM. */
int s3_retention_parse(const void *data, size_t len, struct s3_retention *out);

/* <InitiateMultipartUploadResult>: its UploadId, with a NUL, appended to ${out}.  Return 0; -EBADMSG; -ENOMEM. */
int s3_upload_id_parse(const void *data, size_t len, struct buf *out);

/* Is it a whole <CompleteMultipartUploadResult>, whatever is in it?  Return 0; -EBADMSG if not; -ENOMEM. */
int s3_completion_parse(const void *data, size_t len);

#endif
