/*
 * Directory store: writing on a disk that is full, and on systems that cannot do everything.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/dir/store_dir.h"
#include "tests/lib/scratch.h"
#include "tests/unit/store/dir/dir_rig.h"

static void expect_child(void (*child)(struct scratch *), struct scratch *s)
{
	int status = dir_rig_in_child(child, s);

	if (status == 77)
		skip();
	assert_int_equal(status, 0);
}

static void child_no_space(struct scratch *s)
{
	struct store *store = NULL;
	char path[SCRATCH_PATH_SIZE], big[100 * 1024];
	struct store_put *p;
	struct store_info before, after;
	int i, rc = 0;

	memset(big, 'x', sizeof(big));
	scratch_path(s, "store", path);
	if (mkdir(path, 0700) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", path, "tmpfs", 0, "size=1m") < 0)
		_exit(77);
	EXPECT(store_dir_open(path, true, &s->log, &store) == 0);
	EXPECT(store_put(store, "packs/ab/first", big, sizeof(big), 0) == 0);
	EXPECT(store_info(store, &before) == 0);

	EXPECT(store_put_begin(store, &p) == 0);
	for (i = 0; i < 20 && rc == 0; i++)
		rc = store_put_append(p, big, sizeof(big));
	EXPECT(rc == -ENOSPC && i > 5);
	EXPECT(scratch_logged(s, "write: No space left on device"));
	store_put_abort(p);
	EXPECT(dir_rig_leftovers(s) == 0);
	EXPECT(store_info(store, &after) == 0 && after.free_bytes == before.free_bytes);

	/* What was there is whole, and what fits goes in again. */
	EXPECT(store_get(store, "packs/ab/first", sizeof(big) - 10, 10, big) == 0);
	EXPECT(store_put(store, "packs/ab/second", big, sizeof(big), 0) == 0);
	store_close(store);
}

static void test_no_space(void **state)
{
	expect_child(child_no_space, *state);
}

/* Let a system call fail with ${err} from now on.  Filters add up. */
static bool forbid(long call, int err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void expect_second_puts(struct scratch *s, struct store *store, const char *name)
{
	char text[3];

	EXPECT(store_put(store, name, "one", 3, STORE_EXCL) == 0);
	EXPECT(store_put(store, name, "two", 3, STORE_EXCL) == -EEXIST);
	EXPECT(store_put(store, name, "two", 3, 0) == 0);
	EXPECT(store_get(store, name, 0, 3, text) == 0 && memcmp(text, "one", 3) == 0);
	EXPECT(store_put(store, name, "three", 5, 0) == 0);
	EXPECT(store_get(store, name, 2, 3, text) == 0 && memcmp(text, "ree", 3) == 0);
	EXPECT(dir_rig_leftovers(s) == 0);
}

static void child_fallbacks(struct scratch *s)
{
	struct store *store = dir_rig_open(s);

	expect_second_puts(s, store, "packs/aa/1");
	if (!forbid(SYS_renameat2, EINVAL))
		_exit(77);
	expect_second_puts(s, store, "packs/bb/1");
	if (!forbid(SYS_linkat, EPERM))
		_exit(77);
	expect_second_puts(s, store, "packs/cc/1");
	EXPECT(s->nmessages == 0);
	store_close(store);
}

/* Filesystems that lack the atomic rename, and those that lack links too. */
static void test_fallbacks(void **state)
{
	expect_child(child_fallbacks, *state);
}

static void child_hints_fail(struct scratch *s)
{
	struct store *store = dir_rig_open(s);
	size_t len = 9 * 1024 * 1024;
	char *big = calloc(1, len);

	EXPECT(big != NULL);
	if (!forbid(SYS_sync_file_range, ENOSYS))
		_exit(77);
	EXPECT(store_put(store, "packs/aa/1", big, len, 0) == 0);
	EXPECT(s->nmessages == 0);
	free(big);
	store_close(store);
}

/* Early writeback is a hint. */
static void test_hints_fail(void **state)
{
	expect_child(child_hints_fail, *state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_space, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_fallbacks, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_hints_fail, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
