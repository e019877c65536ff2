/*
 * WebDAV, and read-only any web server: what is not visible is not absent.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/store_impl.h"
#include "tests/unit/store/webdav/dav.h"
#include "tests/unit/store/webdav/dav_rig.h"

static int found(void *arg, const char *name, uint64_t size)
{
	(void)arg;
	(void)name;
	(void)size;
	return 1;
}

/* Take the repository from the server's sight, as a disk that is not mounted is; or bring it back. */
static void hide(struct dav_rig *r, bool hidden)
{
	char here[2 * SCRATCH_PATH_SIZE], away[2 * SCRATCH_PATH_SIZE];

	snprintf(here, sizeof(here), "%s/repo", r->root);
	snprintf(away, sizeof(away), "%s/away", r->root);
	if (hidden) {
		assert_int_equal(rename(here, away), 0);
		assert_int_equal(mkdir(here, 0700), 0);
	} else {
		assert_int_equal(rmdir(here), 0);
		assert_int_equal(rename(away, here), 0);
	}
}

/* Whether WebDAV or read-only: what a server does not see is not absent. */
static void try_hidden(struct dav_rig *r)
{
	struct buf out = BUF_INIT;
	uint64_t size;
	char c;

	assert_int_equal(store_get_all(r->store, "config", 10, &out), 0);
	assert_int_equal(store_list(r->store, "doomed/", dav_rig_count, r), 0);
	for (int hidden = 1; hidden >= 0; hidden--) {
		hide(r, hidden);
		assert_int_equal(store_get(r->store, "packs/ab/none", 0, 1, &c), hidden ? -EAGAIN : -ENOENT);
		assert_int_equal(store_get_all(r->store, "packs/ab/none", 9, &out), hidden ? -EAGAIN : -ENOENT);
		assert_int_equal(store_stat(r->store, "packs/cd/none", &size), hidden ? -EAGAIN : -ENOENT);
		assert_int_equal(store_list(r->store, "packs/ef/", dav_rig_count, r), hidden ? -EAGAIN : 0);
		assert_int_equal(store_list(r->store, "doomed/", dav_rig_count, r), hidden ? -EAGAIN : 0);
		buf_clear(&out);
		assert_int_equal(store_get_all(r->store, "config", 10, &out), hidden ? -EAGAIN : 0);
	}
	assert_int_equal(r->times, 0);
	assert_int_equal(r->scratch->nmessages, 0);
	buf_free(&out);
}

static void test_hidden(void **state)
{
	struct dav_rig *r = *state;

	dav_rig_begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, DAV_RIG_NAME, "x", 1, 0), 0);
	store_close(r->store);
	r->store = dav_rig_open(r, r->url, false);
	try_hidden(r);
	hide(r, true);
	assert_int_equal(store_delete(r->store, DAV_RIG_NAME), -EAGAIN);
	/* Nothing may be written below where the disk belongs. */
	assert_int_equal(store_put(r->store, "packs/ab/other", "x", 1, 0), -EAGAIN);
	assert_false(dav_rig_exists(r, "tmp"));
	hide(r, false);
	assert_int_equal(store_delete(r->store, "packs/ab/other"), 0);
	assert_int_equal(store_put(r->store, "packs/ab/other", "x", 1, 0), 0);

	store_close(r->store);
	dav_rig_now_lists(r, DAV_INDEX_HTML, false);
	r->store = dav_rig_open_static(r);
	try_hidden(r);
}

/* Who has not found a config is told honestly that there is nothing: it may be about to make one. */
static void test_nothing_there(void **state)
{
	struct dav_rig *r = *state;
	struct buf out = BUF_INIT;
	uint64_t size;

	dav_rig_begin(r);
	assert_int_equal(store_list(r->store, "", dav_rig_count, r), 0);
	assert_int_equal(store_list(r->store, "keys/", dav_rig_count, r), -EAGAIN);
	assert_int_equal(store_get_all(r->store, "config", 10, &out), -ENOENT);
	assert_int_equal(store_list(r->store, "keys/", dav_rig_count, r), 0);
	assert_int_equal(store_stat(r->store, "keys/aa", &size), -ENOENT);
	assert_int_equal(store_delete(r->store, "keys/aa"), 0);
	buf_free(&out);
}

/* One 404 is no answer if the next one differs: a proxy says so while its server restarts. */
static void test_restarting(void **state)
{
	static const struct {
		const char *method;
		int times, rc, after;
	} cases[] = {
		{ "PROPFIND", 1, -EAGAIN, 1 }, { "PROPFIND", 2, -EAGAIN, 1 }, { "GET", 1, -EAGAIN, 0 },
		{ "HEAD", 1, -EAGAIN, 0 }, { "DELETE", 1, -EAGAIN, 0 },
	};
	struct dav_rig *r = *state;
	uint64_t size;
	char c;

	dav_rig_begin(r);
	assert_int_equal(store_put(r->store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(r->store, DAV_RIG_NAME, "x", 1, 0), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int round = 0; round < 2; round++) {
			int rc;

			dav_rig_now(r, round == 0 ? dav_rig_go_wrong : NULL, NULL, cases[i].method, "gone",
			    cases[i].times);
			rc = strcmp(r->method, "PROPFIND") == 0 ? store_list_names(r->store, "packs/", found, r) :
			     strcmp(r->method, "GET") == 0 ? store_get(r->store, DAV_RIG_NAME, 0, 1, &c) :
			     strcmp(r->method, "HEAD") == 0 ? store_stat(r->store, DAV_RIG_NAME, &size) :
			     store_delete(r->store, DAV_RIG_NAME);
			if (rc != (round == 0 ? cases[i].rc : cases[i].after))
				fail_msg("%s, %d: %d, %s", r->method, round, rc, r->scratch->messages);
		}
	}
	assert_false(dav_rig_exists(r, DAV_RIG_NAME));
	assert_int_equal(r->scratch->nmessages, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hidden, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_nothing_there, dav_rig_setup, dav_rig_teardown),
		cmocka_unit_test_setup_teardown(test_restarting, dav_rig_setup, dav_rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
