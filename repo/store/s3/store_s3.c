/*
 * A store on S3.  See store_s3.h.
 *
 *   store_s3.c        opened and closed
 *   s3_config.c       URL, environment, configuration file     s3_profile.c  AWS' two files
 *   s3_credentials.c  keys, and when they are read again       s3_metadata.c from services
 *   s3_object.c       get, stat, delete                        s3_list.c     list
 *   s3_put.c          put, s3_multipart.c in parts             s3_keep.c     archives and locks
 *
 * and in wire/, what is sent and what comes back:
 *
 *   s3_request.c      URLs, signatures, a second try           s3_error.c    what errors mean
 *   s3_answer.c       what comes back in XML                   s3_sum.c      checksums
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "repo/crypt/crypt.h"
#include "repo/store/s3/s3_impl.h"
#include "repo/store/s3/store_s3.h"

/* What a bucket may hold is not limited. */
#define TOLD_S 60 /* each archived object is told of once in that time */

static int s3_info(struct store *base, struct store_info *out)
{
	(void)base;
	*out = (struct store_info){ 0 };
	return 0;
}

static void s3_close(struct store *base)
{
	struct store_s3 *s = s3_of(base);

	http_close(s->http);
	s3_credentials_close(s->credentials);
	s3_config_free(&s->config);
	pthread_mutex_destroy(&s->lock);
	store_destroy(base);
	free(s);
}

static const struct store_ops s3_ops = {
	.get = s3_get,
	.get_all = s3_get_all,
	.stat = s3_stat,
	.list = s3_list,
	.del = s3_delete,
	.info = s3_info,
	.thaw = s3_thaw,
	.thaw_state = s3_thaw_state,
	.retain = s3_retain,
	.retain_days = s3_retain_days,
	.put_begin = s3_put_begin,
	.put_append = s3_put_append,
	.put_commit = s3_put_commit,
	.put_abort = s3_put_abort,
	.close = s3_close,
};

/* What can fail once there is a store to be closed. */
static int start(struct store_s3 *s, const struct store_options *opts)
{
	int rc;

	if (crypt_init() != 0)
		return -EIO;
	rc = s3_credentials_open(s->config.profile, !s->config.google, opts, &s->credentials);
	return rc == 0 ? http_open(opts, &s->http) : rc;
}

int store_s3_open(const struct store_options *opts, struct store **out)
{
	struct store_s3 *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (s == NULL)
		return rc;
	rc = s3_config_read(opts->url, opts->log, &s->config);
	if (rc == 0)
		rc = store_init(&s->base, &s3_ops, opts->log, s->config.shown, NULL);
	if (rc != 0) {
		s3_config_free(&s->config);
		free(s);
		return rc;
	}
	pthread_mutex_init(&s->lock, NULL);
	told_init(&s->told, TOLD_S);
	snprintf(s->region, sizeof(s->region), "%s", s->config.region);
	s->spool_dir = opts->spool_dir;
	rc = start(s, opts);
	if (rc != 0)
		s3_close(&s->base);
	else
		*out = &s->base;
	return rc;
}
