/*
 * An S3 store at a server that follows a script.  See s3_rig.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/store/s3/s3_rig.h"

void s3_rig_open(struct s3_rig *r, void **state, const char *url, const struct script_step *steps, size_t n,
    script_before_fn *before)
{
	*r = (struct s3_rig){ .scratch = *state };
	setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "geheim", 1);
	r->script = script_start(steps, n, before);
	snprintf(r->url, sizeof(r->url), "%sendpoint=%s", url, script_url(r->script));
	r->opts = (struct store_options){ .url = r->url, .spool_dir = r->scratch->dir, .log = &r->scratch->log };
	assert_int_equal(store_s3_open(&r->opts, &r->store), 0);
}

void s3_rig_close(struct s3_rig *r)
{
	store_close(r->store);
	script_end(r->script);
	assert_false(scratch_logged(r->scratch, "geheim"));
}
