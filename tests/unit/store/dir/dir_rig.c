/*
 * Directory stores to test with.  See dir_rig.h.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/store/dir/dir_rig.h"

struct store *dir_rig_open(struct scratch *s)
{
	char path[SCRATCH_PATH_SIZE];
	struct store *store = NULL;

	assert_int_equal(store_dir_open(scratch_path(s, "store", path), true, &s->log, &store), 0);
	return store;
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

unsigned dir_rig_leftovers(struct scratch *s)
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

unsigned dir_rig_objects(struct store *store)
{
	unsigned n = 0;

	assert_int_equal(store_list(store, "", count_entry, &n), 0);
	return n;
}

int dir_rig_in_child(void (*child)(struct scratch *), struct scratch *s)
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
	return WEXITSTATUS(status);
}

unsigned dir_rig_open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}
