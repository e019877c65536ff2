/*
 * Directory store: writing.  What is durable when, and what is left behind when it fails.
 *
 * fsync() is replaced: it notes the inodes that are synced, and fails on request.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/dir/store_dir.h"
#include "tests/lib/scratch.h"

/* Noted by fsync(). */
static struct {
	pthread_mutex_t lock; /* of the two below while there are threads */
	ino_t synced[64];
	unsigned n;
	int file_error, dir_error; /* errno to fail with; 0: none */
} syncs = { .lock = PTHREAD_MUTEX_INITIALIZER };

int fsync(int fd)
{
	struct stat st;
	int err;

	if (fstat(fd, &st) < 0)
		return -1;
	err = S_ISDIR(st.st_mode) ? syncs.dir_error : syncs.file_error;
	if (err != 0) {
		errno = err;
		return -1;
	}
	pthread_mutex_lock(&syncs.lock);
	if (syncs.n < 64)
		syncs.synced[syncs.n++] = st.st_ino;
	pthread_mutex_unlock(&syncs.lock);
	return (int)syscall(SYS_fsync, fd);
}

static struct store *open_store(struct scratch *s)
{
	char path[SCRATCH_PATH_SIZE];
	struct store *store = NULL;

	assert_int_equal(store_dir_open(scratch_path(s, "store", path), true, &s->log, &store), 0);
	syncs.n = 0;
	return store;
}

static ino_t inode_of(struct scratch *s, const char *name)
{
	char path[SCRATCH_PATH_SIZE];
	struct stat st;

	assert_int_equal(stat(scratch_path(s, name, path), &st), 0);
	return st.st_ino;
}

/* Number of files in a directory. */
static unsigned files_in(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	unsigned n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static unsigned leftovers(struct scratch *s)
{
	char path[SCRATCH_PATH_SIZE];

	return files_in(scratch_path(s, "store/tmp", path));
}

static int count_entry(void *arg, const char *name, uint64_t size)
{
	unsigned *n = arg;

	(void)name;
	(void)size;
	(*n)++;
	return 0;
}

static unsigned objects(struct store *store)
{
	unsigned n = 0;

	assert_int_equal(store_list(store, "", count_entry, &n), 0);
	return n;
}

/* First the file, then the directory that holds it; new directories from the top. */
static void test_sync_order(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	ino_t root = inode_of(s, "store"), packs, ab;

	assert_int_equal(store_put(store, "config", "x", 1, 0), 0);
	assert_int_equal(syncs.n, 2);
	assert_int_equal(syncs.synced[0], inode_of(s, "store/config"));
	assert_int_equal(syncs.synced[1], root);

	syncs.n = 0;
	assert_int_equal(store_put(store, "packs/ab/1", "x", 1, 0), 0);
	packs = inode_of(s, "store/packs");
	ab = inode_of(s, "store/packs/ab");
	assert_int_equal(syncs.n, 4);
	assert_int_equal(syncs.synced[0], inode_of(s, "store/packs/ab/1"));
	assert_int_equal(syncs.synced[1], root);
	assert_int_equal(syncs.synced[2], packs);
	assert_int_equal(syncs.synced[3], ab);

	syncs.n = 0;
	assert_int_equal(store_put(store, "packs/ab/2", "x", 1, STORE_EXCL), 0);
	assert_int_equal(syncs.n, 2);
	assert_int_equal(syncs.synced[0], inode_of(s, "store/packs/ab/2"));
	assert_int_equal(syncs.synced[1], ab);
	assert_int_equal(leftovers(s), 0);
	store_close(store);
}

/* One that is there may have been put by somebody who has not come to the sync, or come by other ways. */
static void test_sync_of_existing(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	ino_t file;

	assert_int_equal(store_put(store, "packs/ab/1", "x", 1, 0), 0);
	file = inode_of(s, "store/packs/ab/1");
	syncs.n = 0;
	assert_int_equal(store_put(store, "packs/ab/1", "y", 1, 0), 0);
	assert_int_equal(syncs.n, 3);
	assert_int_equal(syncs.synced[1], file);
	assert_int_equal(syncs.synced[2], inode_of(s, "store/packs/ab"));
	assert_int_equal(inode_of(s, "store/packs/ab/1"), file);

	assert_int_equal(store_put(store, "packs/ab/1", "yz", 2, 0), 0);
	assert_true(inode_of(s, "store/packs/ab/1") != file);

	/* What is damaged is replaced though it is as long. */
	file = inode_of(s, "store/packs/ab/1");
	assert_int_equal(store_put(store, "packs/ab/1", "ab", 2, STORE_REPLACE), 0);
	assert_true(inode_of(s, "store/packs/ab/1") != file);
	assert_int_equal(leftovers(s), 0);
	store_close(store);
}

/*
 * A directory that somebody else has made may not be durable yet: whoever puts the first object into it sees to that.
 * What was deleted stays so, but for packs.
 */
static void test_sync_of_others(void **state)
{
	struct scratch *s = *state;
	struct store *first = open_store(s), *store;
	char path[SCRATCH_PATH_SIZE];

	assert_int_equal(store_put(first, "packs/ab/1", "x", 1, 0), 0);
	store_close(first);
	assert_int_equal(store_dir_open(scratch_path(s, "store", path), false, &s->log, &store), 0);
	syncs.n = 0;
	assert_int_equal(store_put(store, "packs/ab/2", "x", 1, 0), 0);
	assert_int_equal(syncs.n, 4);
	assert_int_equal(syncs.synced[1], inode_of(s, "store"));
	assert_int_equal(syncs.synced[2], inode_of(s, "store/packs"));
	assert_int_equal(syncs.synced[3], inode_of(s, "store/packs/ab"));
	syncs.n = 0;
	assert_int_equal(store_put(store, "packs/ab/3", "x", 1, 0), 0);
	assert_int_equal(syncs.n, 2);

	assert_int_equal(store_put(store, "snapshots/1", "x", 1, 0), 0);
	syncs.n = 0;
	assert_int_equal(store_delete(store, "packs/ab/3"), 0);
	assert_int_equal(syncs.n, 0);
	assert_int_equal(store_delete(store, "snapshots/1"), 0);
	assert_int_equal(syncs.n, 1);
	assert_int_equal(syncs.synced[0], inode_of(s, "store/snapshots"));
	store_close(store);
}

/* The directory that is created, and its parts, are durable too. */
static void test_sync_of_create(void **state)
{
	struct scratch *s = *state;
	struct store *store;
	char path[SCRATCH_PATH_SIZE];

	syncs.n = 0;
	assert_int_equal(store_dir_open(scratch_path(s, "store", path), true, &s->log, &store), 0);
	assert_int_equal(syncs.n, 2);
	assert_int_equal(syncs.synced[0], inode_of(s, "."));
	assert_int_equal(syncs.synced[1], inode_of(s, "store"));
	store_close(store);
	syncs.n = 0;
	assert_int_equal(store_dir_open(path, false, &s->log, &store), 0);
	assert_int_equal(syncs.n, 0);
	store_close(store);
}

static void test_sync_fails(void **state)
{
	static const int errors[][2] = { { EIO, -EIO }, { ENOSPC, -ENOSPC }, { EDQUOT, -ENOSPC } };
	struct scratch *s = *state;
	struct store *store = open_store(s);
	size_t i;

	for (i = 0; i < 3; i++) {
		scratch_log_clear(s);
		syncs.file_error = errors[i][0];
		assert_int_equal(store_put(store, "packs/ab/1", "x", 1, 0), errors[i][1]);
		assert_int_equal(s->nmessages, 1);
		assert_true(scratch_logged(s, ": sync: "));
		assert_int_equal(objects(store), 0);
		assert_int_equal(leftovers(s), 0);
	}
	syncs.file_error = 0;

	syncs.dir_error = EIO;
	assert_int_equal(store_put(store, "config", "x", 1, 0), -EIO);
	assert_int_equal(leftovers(s), 0);
	syncs.dir_error = EINVAL; /* a filesystem that cannot sync directories */
	assert_int_equal(store_put(store, "index/1", "x", 1, 0), 0);
	syncs.dir_error = 0;
	store_close(store);
}

static void test_abort(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	struct store_put *p;

	assert_int_equal(store_put_begin(store, &p), 0);
	assert_int_equal(store_put_append(p, "abc", 3), 0);
	assert_int_equal(leftovers(s), 1);
	assert_int_equal(objects(store), 0);
	store_put_abort(p);
	assert_int_equal(leftovers(s), 0);

	assert_int_equal(store_put_begin(store, &p), 0);
	assert_int_equal(store_put_commit(p, "Not a name", 0), -EINVAL);
	assert_int_equal(leftovers(s), 0);

	assert_int_equal(store_put(store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(store, "config", "y", 1, STORE_EXCL), -EEXIST);
	assert_int_equal(leftovers(s), 0);
	store_close(store);
}

/* Longer than what is written at once, in pieces that fit no page. */
static void test_big(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	size_t len = 20 * 1024 * 1024 + 4711, at, n, i;
	uint8_t *data = malloc(len);
	struct store_put *p;
	struct buf b = BUF_INIT;

	assert_non_null(data);
	for (i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
	assert_int_equal(store_put_begin(store, &p), 0);
	for (at = 0; at < len; at += n) {
		n = 1 + at % 777777;
		n = n < len - at ? n : len - at;
		assert_int_equal(store_put_append(p, data + at, n), 0);
	}
	assert_int_equal(store_put_commit(p, "packs/00/1", 0), 0);
	assert_int_equal(store_get_all(store, "packs/00/1", len, &b), 0);
	assert_int_equal(b.len, len);
	assert_memory_equal(b.data, data, len);
	buf_free(&b);
	free(data);
	store_close(store);
}

/* Make what is in tmp/ older. */
static void age_leftovers(struct scratch *s, time_t seconds)
{
	char path[SCRATCH_PATH_SIZE];
	struct timespec times[2];
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(scratch_path(s, "store/tmp", path));

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		assert_int_equal(fstatat(dirfd(d), e->d_name, &st, 0), 0);
		times[0] = times[1] = st.st_mtim;
		times[1].tv_sec -= seconds;
		assert_int_equal(utimensat(dirfd(d), e->d_name, times, 0), 0);
	}
	closedir(d);
}

static void killed_writer(struct store *store)
{
	struct store_put *p;

	if (store_put_begin(store, &p) == 0 && store_put_append(p, "abc", 3) == 0)
		raise(SIGKILL);
	_exit(1);
}

/* A killed writer leaves nothing that can be seen, and what it leaves in tmp/ goes after a day. */
static void test_killed(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		killed_writer(store);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(objects(store), 0);
	assert_int_equal(leftovers(s), 1);

	/* Young, it may be somebody's who is at work. */
	assert_int_equal(store_put(store, "config", "x", 1, 0), 0);
	store_close(store);
	store = open_store(s);
	assert_int_equal(store_put(store, "index/1", "x", 1, 0), 0);
	assert_int_equal(leftovers(s), 1);
	store_close(store);

	age_leftovers(s, 24 * 3600 + 10);
	store = open_store(s);
	assert_int_equal(leftovers(s), 1);
	assert_int_equal(store_put(store, "index/2", "x", 1, 0), 0);
	assert_int_equal(leftovers(s), 0);
	assert_int_equal(objects(store), 3);
	assert_true(scratch_logged(s, "removed, left by a writer"));
	store_close(store);
}

struct racer {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct store *store;
	const char *name;
	unsigned flags;
	char content[32];
	int rc;
};

static void *race(void *arg)
{
	struct racer *r = arg;
	struct store_put *p;

	r->rc = store_put_begin(r->store, &p);
	if (r->rc == 0)
		r->rc = store_put_append(p, r->content, sizeof(r->content));
	pthread_barrier_wait(r->barrier);
	if (r->rc == 0)
		r->rc = store_put_commit(p, r->name, r->flags);
	return NULL;
}

/* Let ${n} threads put the same name at once; return the number of those that succeeded. */
static int run_race(struct racer *r, int n, struct store *store, const char *name, unsigned flags)
{
	pthread_barrier_t barrier;
	int i, won = 0;

	pthread_barrier_init(&barrier, NULL, (unsigned)n);
	for (i = 0; i < n; i++) {
		r[i] = (struct racer){ .barrier = &barrier, .store = store, .name = name, .flags = flags };
		memset(r[i].content, 'a' + i, sizeof(r[i].content));
		assert_int_equal(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
	}
	for (i = 0; i < n; i++) {
		pthread_join(r[i].thread, NULL);
		won += r[i].rc == 0;
	}
	pthread_barrier_destroy(&barrier);
	return won;
}

#define NRACERS 8

static void test_exclusive_race(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	struct racer r[NRACERS];
	char name[32], content[32];
	int round, i;

	for (round = 0; round < 20; round++) {
		snprintf(name, sizeof(name), "keys/%02x/%d", round, round);
		assert_int_equal(run_race(r, NRACERS, store, name, STORE_EXCL), 1);
		assert_int_equal(store_get(store, name, 0, sizeof(content), content), 0);
		for (i = 0; i < NRACERS; i++) {
			if (r[i].rc == 0)
				assert_memory_equal(content, r[i].content, sizeof(content));
			else
				assert_int_equal(r[i].rc, -EEXIST);
		}
		assert_int_equal(leftovers(s), 0);
	}
	assert_int_equal(s->nmessages, 0);
	store_close(store);
}

static void test_race(void **state)
{
	struct scratch *s = *state;
	struct store *store = open_store(s);
	struct racer r[NRACERS];
	char name[32];
	int round;

	for (round = 0; round < 20; round++) {
		snprintf(name, sizeof(name), "packs/%02x/%d", round, round);
		assert_int_equal(run_race(r, NRACERS, store, name, 0), NRACERS);
	}
	assert_int_equal(objects(store), 20);
	assert_int_equal(leftovers(s), 0);
	assert_int_equal(s->nmessages, 0);
	store_close(store);
}

/* In a child of its own, with which goes what it mounts or forbids.  It exits 0: as expected; 77: cannot be tried. */
#define EXPECT(condition)               \
	do {                            \
		if (!(condition))       \
			_exit(__LINE__ % 64 + 1); \
	} while (0)

static void run_child(void (*child)(struct scratch *), struct scratch *s)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		child(s);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
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
	EXPECT(leftovers(s) == 0);
	EXPECT(store_info(store, &after) == 0 && after.free_bytes == before.free_bytes);

	/* What was there is whole, and what fits goes in again. */
	EXPECT(store_get(store, "packs/ab/first", sizeof(big) - 10, 10, big) == 0);
	EXPECT(store_put(store, "packs/ab/second", big, sizeof(big), 0) == 0);
	store_close(store);
}

static void test_no_space(void **state)
{
	run_child(child_no_space, *state);
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
	EXPECT(leftovers(s) == 0);
}

static void child_fallbacks(struct scratch *s)
{
	struct store *store = open_store(s);

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
	run_child(child_fallbacks, *state);
}

static void child_hints_fail(struct scratch *s)
{
	struct store *store = open_store(s);
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
	run_child(child_hints_fail, *state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sync_order, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_sync_of_existing, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_sync_of_others, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_sync_of_create, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_sync_fails, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_abort, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_big, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_killed, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_exclusive_race, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_race, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_no_space, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_fallbacks, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(test_hints_fail, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
