/*
 * Read-only stores on any web server, with and without listings.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "tests/lib/fixture.h"
#include "tests/unit/store/webdav/dav.h"
#include "tests/unit/store/webdav/dav_rig.h"

/* What a server for single-page applications does: all that is not there is the start page. */
static bool start_page(void *arg, const struct web_request *q, bool *more)
{
	struct dav_rig *r = arg;

	if (q->target[strlen(q->target) - 1] != '/')
		return false;
	*more = true;
	web_answer(q, r->what != NULL ? atoi(r->what) : 200, "Content-Type: text/html\r\n",
	    "<a href=\"start\">x</a>", 21);
	return true;
}

static void test_static_without_listings(void **state)
{
	static const char *const answers[] = { NULL, "403", "404" };
	struct dav_rig *r = *state;
	struct buf out = BUF_INIT;

	dav_rig_begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, "keys/aa", "x", 1, 0), 0);
	store_close(r->store);
	r->store = dav_rig_open_static(r);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		scratch_log_clear(r->scratch);
		dav_rig_now(r, start_page, NULL, NULL, answers[i], 0);
		assert_int_equal(store_list(r->store, "keys/", dav_rig_count, r), -EIO);
		assert_int_equal(r->scratch->nmessages, 1);
		assert_true(scratch_logged(r->scratch, "the server makes no listings of directories"));
	}
	assert_int_equal(store_get_all(r->store, "config", 10, &out), 0);
	buf_free(&out);

	/* One whose listing has the directory, and no page for it. */
	dav_rig_now(r, NULL, NULL, NULL, NULL, 0);
	dav_rig_now_lists(r, DAV_INDEX_HTML, false);
	assert_int_equal(store_list(r->store, "keys/", dav_rig_count, r), 0);
	assert_int_equal(r->times, 1001);
	assert_int_equal(store_list(r->store, "doomed/", dav_rig_count, r), 0);
}

static void test_static_read_only(void **state)
{
	struct dav_rig *r = *state;

	r->store = dav_rig_open_static(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), -EROFS);
	assert_int_equal(store_delete(r->store, "config"), -EROFS);
	assert_true(scratch_logged(r->scratch, "a store at an https:// URL is read-only"));
	assert_int_equal(r->scratch->nmessages, 2);
	assert_int_equal(web_requests(r->web), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_static_without_listings, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_static_read_only, dav_rig_setup, dav_rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
