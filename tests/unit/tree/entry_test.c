/*
 * Unit tests of repo/tree/entry.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "repo/tree/entry.h"

static void test_types(void **state)
{
	static const mode_t formats[] = { S_IFIFO, S_IFCHR, S_IFDIR, S_IFBLK, S_IFREG, S_IFLNK, S_IFSOCK };

	(void)state;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		uint8_t type = entry_type_of(formats[i] | 04755);

		assert_int_not_equal(type, 0);
		assert_int_equal(entry_ifmt(type), formats[i]);
	}
	assert_int_equal(entry_type_of(S_IFDIR), 4); /* as DT_DIR */
	assert_int_equal(entry_type_of(S_IFREG), 8);
	assert_int_equal(entry_type_of(0755), 0);
	assert_int_equal(entry_ifmt(0), 0);
	assert_int_equal(entry_ifmt(3), 0);
	assert_int_equal(entry_ifmt(255), 0);
}

static void test_stat(void **state)
{
	const struct tree_entry e = {
		.type = ENTRY_REG,
		.mode = 04751,
		.uid = 4000000000u,
		.gid = 70000,
		.nlink = 3,
		.mtime = -5,
		.mtime_ns = 999999999,
		.ctime = 1LL << 40,
		.ctime_ns = 7,
		.size = 1ull << 40,
		.data_bytes = 4097,
		.dev = 8,
		.ino = 99,
	};
	const struct tree_entry device = { .type = ENTRY_CHR, .rdev_major = 4095, .rdev_minor = 1000000 };
	struct stat st;

	(void)state;
	entry_stat(&e, &st);
	assert_int_equal(st.st_mode, S_IFREG | 04751);
	assert_int_equal(st.st_uid, 4000000000u);
	assert_int_equal(st.st_gid, 70000);
	assert_int_equal(st.st_nlink, 3);
	assert_int_equal(st.st_size, 1ll << 40);
	assert_int_equal(st.st_blocks, 9);
	assert_int_equal(st.st_blksize, 4096);
	assert_int_equal(st.st_mtim.tv_sec, -5);
	assert_int_equal(st.st_mtim.tv_nsec, 999999999);
	assert_int_equal(st.st_atim.tv_sec, -5);
	assert_int_equal(st.st_atim.tv_nsec, 999999999);
	assert_int_equal(st.st_ctim.tv_sec, 1LL << 40);
	assert_int_equal(st.st_ctim.tv_nsec, 7);
	assert_int_equal(st.st_ino, 0);
	assert_int_equal(st.st_dev, 0);

	entry_stat(&device, &st);
	assert_int_equal(major(st.st_rdev), 4095);
	assert_int_equal(minor(st.st_rdev), 1000000);
	assert_int_equal(st.st_blocks, 0);
}

static void test_names(void **state)
{
	char name[257];

	(void)state;
	memset(name, 'x', sizeof(name));
	assert_false(entry_name_valid(name, 0));
	assert_true(entry_name_valid(name, 1));
	assert_true(entry_name_valid(name, 255));
	assert_false(entry_name_valid(name, 256));
	assert_false(entry_name_valid(".", 1));
	assert_false(entry_name_valid("..", 2));
	assert_true(entry_name_valid("...", 3));
	assert_true(entry_name_valid(".x", 2));
	assert_true(entry_name_valid("\xff\n\"", 3));
	assert_false(entry_name_valid("a/b", 3));
	assert_false(entry_name_valid("a\0b", 3));
}

static void test_order(void **state)
{
	(void)state;
	assert_true(entry_name_compare("a", 1, "b", 1) < 0);
	assert_true(entry_name_compare("b", 1, "a", 1) > 0);
	assert_int_equal(entry_name_compare("ab", 2, "ab", 2), 0);
	assert_true(entry_name_compare("a", 1, "ab", 2) < 0);
	assert_true(entry_name_compare("ab", 2, "a", 1) > 0);
	assert_true(entry_name_compare("ab", 2, "b", 1) < 0);
	/* Bytes are unsigned. */
	assert_true(entry_name_compare("z", 1, "\xc3\xa4", 2) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_stat),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
