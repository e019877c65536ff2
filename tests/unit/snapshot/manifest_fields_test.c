/*
 * The parser of a manifest's fields.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "repo/snapshot/manifest/manifest.h"
#include "repo/tree/page/page.h"
#include "tests/unit/snapshot/manifest_rig.h"

struct field {
	uint16_t tag;
	const void *value;
	size_t len;
};

static const struct field time_field = { MANIFEST_TIME, "12345678", 8 };
static const struct field host_field = { MANIFEST_HOST, "h", 1 };
static const struct field cert_field = { MANIFEST_CERT, "cert", 4 };

/* Decode the four that are needed and ${extra}, sorted by tag; ${leave} is left out. */
static int decode(const struct field *extra, uint16_t leave)
{
	const struct tree_entry root = manifest_rig_root();
	struct buf fields = BUF_INIT;
	struct manifest page, m;
	struct field all[6];
	size_t n = 0;
	int rc;

	manifest_init(&page);
	assert_int_equal(manifest_set_root(&page, &root), 0);
	all[n++] = time_field;
	all[n++] = host_field;
	all[n++] = (struct field){ MANIFEST_ROOT, page.root_page.data, page.root_page.len };
	all[n++] = cert_field;
	for (size_t at = n; extra != NULL; n++, extra = NULL) {
		for (; at > 0 && all[at - 1].tag > extra->tag; at--)
			all[at] = all[at - 1];
		all[at] = *extra;
	}
	for (size_t i = 0; i < n; i++) {
		if (all[i].tag != leave)
			assert_int_equal(tlv_put(&fields, all[i].tag, all[i].value, all[i].len), 0);
	}
	rc = manifest_decode(fields.data, fields.len, &m);
	if (rc == 0)
		manifest_destroy(&m);
	manifest_destroy(&page);
	buf_free(&fields);
	return rc;
}

static void test_decode(void **state)
{
	static const char zeros[80];
	const struct { struct field field; int rc; } cases[] = {
		{ { MANIFEST_TIME, "12345678", 8 }, -EBADMSG }, /* twice */
		{ { MANIFEST_HOST, "h", 1 }, -EBADMSG },
		{ { MANIFEST_ZONE, zeros, 4 }, 0 },
		{ { MANIFEST_ZONE, zeros, 8 }, -EBADMSG },
		{ { MANIFEST_ZONE, "\xff\xff\xff\x7f", 4 }, -EBADMSG },
		{ { MANIFEST_ZONE, "\0\0\0\x80", 4 }, -EBADMSG },
		{ { MANIFEST_USER, "a\0b", 3 }, -EBADMSG },
		{ { MANIFEST_USER, "", 0 }, 0 },
		{ { MANIFEST_PATH, "a\0b", 3 }, -EBADMSG },
		{ { MANIFEST_PATH, "/", 1 }, 0 },
		{ { MANIFEST_TAG, "a\0b", 3 }, -EBADMSG },
		{ { MANIFEST_PARENT, zeros, 31 }, -EBADMSG },
		{ { MANIFEST_PARENT, zeros, 32 }, 0 },
		{ { MANIFEST_PREVIOUS, zeros, 33 }, -EBADMSG },
		{ { MANIFEST_FILES, zeros, 4 }, -EBADMSG },
		{ { MANIFEST_FILES, zeros, 8 }, 0 },
		{ { 21, zeros, 8 }, -EPROTONOSUPPORT },
		{ { TLV_OPTIONAL - 1, zeros, 8 }, -EPROTONOSUPPORT },
		{ { TLV_OPTIONAL, zeros, 8 }, 0 },
		{ { MANIFEST_ROOT_PLACE, zeros, 80 }, -EBADMSG },
		{ { MANIFEST_ROOT_PACK_SIZE, zeros, 4 }, 0 },
		{ { MANIFEST_ROOT_PACK_SIZE, zeros, 8 }, -EBADMSG },
	};

	(void)state;
	assert_int_equal(decode(NULL, 0), 0);
	assert_int_equal(decode(NULL, MANIFEST_TIME), -EBADMSG);
	assert_int_equal(decode(NULL, MANIFEST_HOST), -EBADMSG);
	assert_int_equal(decode(NULL, MANIFEST_ROOT), -EBADMSG);
	assert_int_equal(decode(NULL, MANIFEST_CERT), -EBADMSG);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (decode(&cases[i].field, 0) != cases[i].rc)
			fail_msg("field %zu: not %d", i, cases[i].rc);
	}
}

/* What stands for the root must be one directory named "root". */
static void test_decode_root(void **state)
{
	struct tree_entry dir = manifest_rig_root(), file = { .name = "root", .name_len = 4, .type = ENTRY_REG };
	const struct { const char *first, *second; const struct tree_entry *base; int rc; } cases[] = {
		{ "root", NULL, &dir, 0 },
		{ "roof", NULL, &dir, -EBADMSG },
		{ "root", "z", &dir, -EBADMSG },
		{ "root", NULL, &file, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tree_entry e = *cases[i].base;
		struct buf fields = BUF_INIT, page = BUF_INIT;
		struct tree_page_builder b;
		struct manifest m;

		tree_page_builder_init(&b, 0);
		for (int k = 0; k < 2 && (k == 0 || cases[i].second); k++) {
			e.name = k ? cases[i].second : cases[i].first;
			e.name_len = (uint16_t)strlen(e.name);
			assert_int_equal(tree_page_builder_add(&b, &e), 0);
		}
		assert_int_equal(tree_page_builder_finish(&b, &page), 0);
		assert_int_equal(tlv_put(&fields, MANIFEST_TIME, "12345678", 8), 0);
		assert_int_equal(tlv_put(&fields, MANIFEST_HOST, "h", 1), 0);
		assert_int_equal(tlv_put(&fields, MANIFEST_ROOT, page.data, page.len), 0);
		assert_int_equal(tlv_put(&fields, MANIFEST_CERT, "c", 1), 0);
		assert_int_equal(manifest_decode(fields.data, fields.len, &m), cases[i].rc);
		if (cases[i].rc == 0)
			manifest_destroy(&m);
		tree_page_builder_destroy(&b);
		buf_free(&fields);
		buf_free(&page);
	}
}

static void test_decode_long_list(void **state)
{
	struct buf fields = BUF_INIT;
	struct manifest m;

	(void)state;
	assert_int_equal(tlv_put(&fields, MANIFEST_TIME, "12345678", 8), 0);
	for (int i = 0; i <= MANIFEST_LIST_MAX; i++)
		assert_int_equal(tlv_put(&fields, MANIFEST_PATH, "/", 1), 0);
	assert_int_equal(manifest_decode(fields.data, fields.len, &m), -EBADMSG);
	buf_free(&fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_root),
		cmocka_unit_test(test_decode_long_list),
	};

	return cmocka_run_group_tests(tests, manifest_rig_setup, manifest_rig_teardown);
}
