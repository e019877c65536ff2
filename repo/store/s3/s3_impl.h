/*
 * For the files of the S3 store only.
 */
#ifndef VARVE_STORE_S3_IMPL_H
#define VARVE_STORE_S3_IMPL_H

#include <stdatomic.h>

#include "repo/store/aws/s3_credentials.h"
#include "repo/store/http/http.h"
#include "repo/store/http/spool.h"
#include "repo/store/s3/s3_config.h"
#include "repo/store/s3/wire/s3_answer.h"
#include "repo/store/store_impl.h"
#include "repo/util/told.h"

struct store_s3 {
	struct store base;
	struct s3_config config;
	struct http *http;
	struct s3_credentials *credentials;
	const char *spool_dir;
	pthread_mutex_t lock;        /* of ${region} */
	char region[S3_REGION_SIZE]; /* what the server last said it is */
	struct told told;            /* which objects cannot be read, for they are archived */
	atomic_bool told_versions;   /* that what is deleted stays as a version */
};

/* Header lines of a request, "x-amz-" or "x-goog-" in front where the service has its own. */
#define S3_HEADERS_MAX 10

struct s3_headers {
	unsigned n;
	char line[S3_HEADERS_MAX][320];
};

/* One request.  All borrowed for the call. */
struct s3_request {
	const char *operation;  /* for messages: "get", "put", "delete", "list", ... */
	const char *method;
	const char *name;       /* the object's; NULL: the bucket */
	const char *shown;      /* what stands for the name in messages; NULL: ${name} */
	const char *query;      /* percent-encoded, sorted, "name=value" with "=" also without a value; NULL: none */
	struct s3_headers *headers; /* what is signed and sent besides; may be NULL */
	const struct http_body *body;
	const char *sha256;     /* hexadecimal, of ${body} */
	bool ranged;
	uint64_t range_off, range_len;
	void *into;
	struct buf *append;
	size_t max;
	int accept[3];          /* statuses that the caller understands, besides those below 300 */
};

/* Add a header: the service's own, or a common one. */
void s3_header(const struct store_s3 *s, struct s3_headers *h, const char *name, const char *value);
void s3_plain_header(struct s3_headers *h, const char *name, const char *value);

/**
 * s3_perform(s, q, r):
 * Sign, send, and wait for the answer, in ${r} (all zero before; to be freed in any case).  Sent once more if the
 * server says that the bucket is in another region, or that the credentials have expired.  Return 0 for a status below
 * 300 or one of ${q->accept}; else as s3_failed(); -EMSGSIZE is returned as it is, not logged.
 */
int s3_perform(struct store_s3 *s, struct s3_request *q, struct http_reply *r);

/**
 * s3_failed(s, q, r, e):
 * Map and log what a reply says (store.h's errors, or -EAGAIN by store_transient()).  -ENOENT for an object that is not
 * there is not logged, and only given if the server says that it is the object (a HEAD cannot say: s3_head()); or, for
 * "get" of the config, if it says that there is no bucket, which is logged.
 */
int s3_failed(struct store_s3 *s, const struct s3_request *q, const struct http_reply *r, const struct s3_error *e);

/* The sum of ${len} bytes at ${off} of what is to be sent.  Return 0, or a logged error. */
struct s3_sum {
	uint8_t sha256[32];
	char hex[65], base64[45];
};
int s3_sum(struct store_s3 *s, const char *name, const struct spool *spool, uint64_t off, uint64_t len,
    struct s3_sum *out);

/* The same of bytes in memory. */
void s3_sum_bytes(const void *data, size_t len, struct s3_sum *out);

/* Does the server say that it has stored what was sent?  Return 0, -EAGAIN if not, or a logged error. */
int s3_verify(struct store_s3 *s, const char *name, const struct spool *spool, uint64_t off, uint64_t len,
    const struct s3_sum *sum, const struct http_reply *r);

/* Is an object of this name to be locked?  Class and lock of a new object. */
bool s3_is_locked(const struct store_s3 *s, const char *name);
void s3_object_headers(const struct store_s3 *s, const char *name, struct s3_headers *h);

/* "2030-01-31T12:34:56Z" */
#define S3_TIME_SIZE 24
void s3_time(int64_t when, char out[S3_TIME_SIZE]);
int64_t s3_time_parse(const char *text); /* 0 if it is none */

/* s3_multipart.c: an upload in parts, which goes on where it was after -EAGAIN.  All zero before. */
struct s3_part {
	char etag[80];
	char sha256[45]; /* base64 */
};

struct s3_multipart {
	char *name;
	struct buf id;  /* percent-encoded, with a NUL; empty: not begun */
	struct s3_part *parts;
	uint64_t nparts, done;
	uint64_t part_size;
	bool completed; /* it is there, and nothing else is left of this; it may still have to be locked */
};

/* Return as put_commit() of store_impl.h. */
int s3_multipart_put(struct store_s3 *s, struct s3_multipart *m, const struct spool *spool, const char *name,
    unsigned flags);
/* Have the server forget the parts of an upload that does not come to its end, and free. */
void s3_multipart_free(struct store_s3 *s, struct s3_multipart *m);

/* s3_object.c, s3_list.c, s3_put.c, s3_keep.c: operations of store_impl.h. */
int s3_get(struct store *base, const char *name, uint64_t off, size_t len, void *out);
int s3_get_all(struct store *base, const char *name, size_t max, struct buf *out);
int s3_stat(struct store *base, const char *name, uint64_t *size);
int s3_delete(struct store *base, const char *name);
int s3_list(struct store *base, const char *prefix, store_list_fn *fn, void *arg);
int s3_put_begin(struct store *base, struct store_put **out);
int s3_put_append(struct store_put *base, const void *data, size_t len);
int s3_put_commit(struct store_put *base, const char *name, unsigned flags);
void s3_put_abort(struct store_put *base);
int s3_thaw(struct store *base, const char *name, unsigned days);
int s3_thaw_state(struct store *base, const char *name, enum store_class *out);
int s3_retain(struct store *base, const char *name, int64_t until);
unsigned s3_retain_days(const struct store *base);

/* HEAD: the headers in ${r}, to be freed in any case.  Return 0, -ENOENT, others as s3_perform(). */
int s3_head(struct store_s3 *s, const char *operation, const char *name, struct http_reply *r);

static inline struct store_s3 *s3_of(struct store *s)
{
	return (struct store_s3 *)s;
}

#endif
