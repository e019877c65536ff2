/*
 * Unit tests of repo/snapshot/manifest/manifest.h: what is written is what is read.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repo/snapshot/manifest/manifest.h"
#include "tests/unit/snapshot/manifest_rig.h"

static void test_round_trip(void **state)
{
	struct buf object = BUF_INIT;
	struct manifest_rig *e = *state;
	struct manifest m;
	struct id id;

	assert_int_equal(buf_u8(&object, 0), 0); /* appended to what was there */
	assert_int_equal(manifest_rig_seal(e, e->owner, &object, &id), 0);
	memmove(object.data, object.data + 1, --object.len);
	assert_memory_equal(object.data, "VARVESN1\0\0\0\0\0\0\0\0", 16);
	assert_int_equal(snapshot_id_time(e->owner, &id), MANIFEST_RIG_TIME);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &m), 0);
	assert_int_equal(m.time_ns, MANIFEST_RIG_TIME);
	assert_int_equal(m.zone_s, -3600);
	assert_string_equal(m.host, "web");
	assert_string_equal(m.user, "alice");
	assert_string_equal(m.profile, "daily");
	assert_string_equal(m.program, "varve 0.1.0");
	assert_string_equal(m.writer, "tester");
	assert_int_equal(m.npaths, 3);
	assert_string_equal(m.paths[0], "/etc");
	assert_string_equal(m.paths[1], "/srv/\xff\n");
	assert_string_equal(m.paths[2], "/var");
	assert_int_equal(m.ntags, 1);
	assert_string_equal(m.tags[0], "weekly");
	assert_true(m.has_parent && m.parent.b[31] == 1);
	assert_true(m.has_previous && m.previous.b[31] == 2);
	assert_int_equal(m.unreadable, 1);
	assert_int_equal(m.files, 2);
	assert_int_equal(m.dirs, 3);
	assert_int_equal(m.others, 4);
	assert_int_equal(m.bytes, 5);
	assert_int_equal(m.added, 6);
	assert_true(m.stored == UINT64_MAX);
	assert_int_equal(m.duration_ns, 8);
	assert_int_equal(m.root_place.len, 129);
	assert_int_equal(m.root_pack_size, 123456);
	assert_int_equal(m.root.below, 12345);
	assert_int_equal(m.root.uid, 1000);
	assert_memory_equal(m.root.name, "root", 4);
	assert_int_equal(m.root.child.b[0], 0xee);
	manifest_destroy(&m);
	manifest_destroy(&m);
	buf_free(&object);
}

/* Only what must be there. */
static void test_least(void **state)
{
	struct tree_entry root = { .type = ENTRY_DIR, .name = "r", .name_len = 1 };
	struct buf object = BUF_INIT;
	struct manifest_rig *e = *state;
	struct manifest m;
	struct id id;

	manifest_init(&m);
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	manifest_rig_set_string(&m.host, "h");
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	assert_int_equal(manifest_set_root(&m, &root), 0);
	m.time_ns = -1;
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), 0);
	manifest_destroy(&m);
	assert_int_equal(snapshot_id_time(e->owner, &id), -1);
	assert_int_equal(manifest_rig_open(e, &object, &id, e->owner, &m), 0);
	assert_int_equal(m.time_ns, -1);
	assert_null(m.user);
	assert_int_equal(m.npaths, 0);
	assert_false(m.has_parent);
	assert_false(m.root.flags & ENTRY_HAS_CHILD);
	manifest_destroy(&m);
	buf_free(&object);
}

static void test_bounds(void **state)
{
	char *text = malloc(MANIFEST_PATH_MAX + 2);
	struct buf object = BUF_INIT;
	struct manifest_rig *e = *state;
	struct tree_entry root = manifest_rig_root();
	struct manifest m;
	struct id id;

	assert_non_null(text);
	memset(text, 'p', MANIFEST_PATH_MAX + 1);
	text[MANIFEST_PATH_MAX + 1] = '\0';
	manifest_rig_make(&m);
	assert_int_equal(manifest_add_path(&m, text), -EINVAL);
	assert_int_equal(manifest_add_path(&m, text + 1), 0);
	assert_int_equal(manifest_add_tag(&m, text + MANIFEST_PATH_MAX - MANIFEST_STRING_MAX), -EINVAL);
	for (uint32_t i = m.ntags; i < MANIFEST_LIST_MAX; i++)
		assert_int_equal(manifest_add_tag(&m, "t"), 0);
	assert_int_equal(manifest_add_tag(&m, "t"), -EINVAL);
	assert_int_equal(m.ntags, MANIFEST_LIST_MAX);
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(manifest_add_path(&m, text + 1), 0);
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EFBIG);
	manifest_destroy(&m);

	manifest_rig_make(&m);
	manifest_rig_set_string(&m.user, text + MANIFEST_PATH_MAX - MANIFEST_STRING_MAX);
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	manifest_rig_set_string(&m.user, "u");
	m.zone_s = 100000;
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	m.zone_s = 0;
	m.root_place.len = 100;
	assert_int_equal(manifest_seal(&m, e->owner, &e->metadata, &object, &id), -EINVAL);
	root.type = ENTRY_REG;
	assert_int_equal(manifest_set_root(&m, &root), -EINVAL);
	root = manifest_rig_root();
	root.below = 0;
	assert_int_equal(manifest_set_root(&m, &root), -EINVAL);
	assert_int_equal(m.root.below, 12345);
	manifest_destroy(&m);
	buf_free(&object);
	free(text);
}

static void test_names(void **state)
{
	char name[SNAPSHOT_NAME_SIZE];
	struct id id, back;

	(void)state;
	memset(&id, 0xab, sizeof(id));
	snapshot_object_name(&id, name);
	assert_int_equal(strlen(name), 10 + 64);
	assert_memory_equal(name, "snapshots/abab", 14);
	assert_int_equal(snapshot_object_parse(name, &back), 0);
	assert_true(id_equal(&id, &back));
	name[73] = 'A';
	assert_int_equal(snapshot_object_parse(name, &back), -EINVAL);
	name[73] = '\0';
	assert_int_equal(snapshot_object_parse(name, &back), -EINVAL);
	assert_int_equal(snapshot_object_parse("snapshots/", &back), -EINVAL);
	assert_int_equal(snapshot_object_parse("snapshot", &back), -EINVAL);
	assert_int_equal(snapshot_object_parse("", &back), -EINVAL);
	assert_true(id_equal(&id, &back));
}

/* Ids of equal times do not show that they are. */
static void test_ids_hide_times(void **state)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	struct manifest_rig *e = *state;
	struct id ia, ib;

	assert_int_equal(manifest_rig_seal(e, e->owner, &a, &ia), 0);
	assert_int_equal(manifest_rig_seal(e, e->owner, &b, &ib), 0);
	assert_memory_not_equal(ia.b, ib.b, 24);
	assert_memory_not_equal(ia.b + 24, ib.b + 24, 8);
	buf_free(&a);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_least),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ids_hide_times),
	};

	return cmocka_run_group_tests(tests, manifest_rig_setup, manifest_rig_teardown);
}
