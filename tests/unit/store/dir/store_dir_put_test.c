/*
 * Directory store: writing.  What is durable when, and what is left behind when it fails.
 *
 * fsync() is replaced: it notes the inodes that are synced, and fails on request.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/store/dir/store_dir.h"
#include "tests/lib/scratch.h"
#include "tests/unit/store/dir/dir_rig.h"

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
	struct store *store = dir_rig_open(s);

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
	assert_int_equal(dir_rig_leftovers(s), 0);
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
	assert_int_equal(dir_rig_leftovers(s), 0);
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
		assert_int_equal(dir_rig_objects(store), 0);
		assert_int_equal(dir_rig_leftovers(s), 0);
	}
	syncs.file_error = 0;

	syncs.dir_error = EIO;
	assert_int_equal(store_put(store, "config", "x", 1, 0), -EIO);
	assert_int_equal(dir_rig_leftovers(s), 0);
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
	assert_int_equal(dir_rig_leftovers(s), 1);
	assert_int_equal(dir_rig_objects(store), 0);
	store_put_abort(p);
	assert_int_equal(dir_rig_leftovers(s), 0);

	assert_int_equal(store_put_begin(store, &p), 0);
	assert_int_equal(store_put_commit(p, "Not a name", 0), -EINVAL);
	assert_int_equal(dir_rig_leftovers(s), 0);

	assert_int_equal(store_put(store, "config", "x", 1, 0), 0);
	assert_int_equal(store_put(store, "config", "y", 1, STORE_EXCL), -EEXIST);
	assert_int_equal(dir_rig_leftovers(s), 0);
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
	assert_int_equal(dir_rig_objects(store), 0);
	assert_int_equal(dir_rig_leftovers(s), 1);

	/* Young, it may be somebody's who is at work. */
	assert_int_equal(store_put(store, "config", "x", 1, 0), 0);
	store_close(store);
	store = open_store(s);
	assert_int_equal(store_put(store, "index/1", "x", 1, 0), 0);
	assert_int_equal(dir_rig_leftovers(s), 1);
	store_close(store);

	age_leftovers(s, 24 * 3600 + 10);
	store = open_store(s);
	assert_int_equal(dir_rig_leftovers(s), 1);
	assert_int_equal(store_put(store, "index/2", "x", 1, 0), 0);
	assert_int_equal(dir_rig_leftovers(s), 0);
	assert_int_equal(dir_rig_objects(store), 3);
	assert_true(scratch_logged(s, "removed, left by a writer"));
	store_close(store);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
