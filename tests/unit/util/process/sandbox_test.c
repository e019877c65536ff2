/*
 * Unit tests of repo/util/process/sandbox.h and harden.h.  There is no way out of a sandbox, so each is entered by a
 * child.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "repo/util/process/harden.h"
#include "repo/util/process/sandbox.h"
#include "tests/lib/scratch.h"

#define NTHREADS 3

/* Version of the kernel's interface; less than 1: it has none. */
static long landlock(void)
{
	return syscall(444, NULL, 0, 1u);
}

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static int setup(void **state)
{
	const struct scratch *s;

	if (scratch_setup(state) != 0)
		return -1;
	s = *state;
	if (chdir(s->dir) != 0 || mkdir("mine", 0700) != 0 || mkdir("mine/sub", 0700) != 0 ||
	    mkdir("read", 0700) != 0 || mkdir("other", 0700) != 0)
		return -1;
	put("mine/old");
	put("read/file");
	put("other/file");
	return 0;
}

static int teardown(void **state)
{
	return chdir("/") == 0 ? scratch_teardown(state) : -1;
}

/* Run ${fn} in a child: what it returns is the line where it was not content, or 0. */
static int in_child(int (*fn)(struct scratch *), struct scratch *s)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		int line = fn(s);

		if (line != 0)
			fprintf(stderr, "%s:%d: %s\n", __FILE__, line, strerror(errno));
		_exit(line != 0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

#define WANT(x) do { if (!(x)) return __LINE__; } while (0)

/* The errno of opening ${path}, or 0. */
static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* What each thread can do in the sandbox: 0, or the line of what it cannot, or can. */
static int look_around(unsigned n)
{
	char made[32], moved[32];

	snprintf(made, sizeof(made), "mine/new%u", n);
	snprintf(moved, sizeof(moved), "mine/sub/new%u", n);
	WANT(try_open("read/file", O_RDONLY) == 0);
	WANT(try_open("read/file", O_WRONLY) == EACCES);
	WANT(try_open("read/new", O_WRONLY | O_CREAT) == EACCES);
	WANT(try_open("other/file", O_RDONLY) == EACCES);
	WANT(try_open("other", O_RDONLY | O_DIRECTORY) == EACCES);
	WANT(mkdir("other/dir", 0700) != 0 && errno == EACCES);
	WANT(unlink("read/file") != 0 && errno == EACCES);
	WANT(try_open(made, O_RDWR | O_CREAT | O_EXCL) == 0);
	WANT(rename(made, moved) == 0);
	/* Out of the place that may be changed: refused, however the kernel says it. */
	WANT(rename(moved, "read/moved") != 0 && (errno == EACCES || errno == EXDEV));
	WANT(unlink(moved) == 0);
	WANT(mknod("mine/null", S_IFCHR | 0600, 0x103) != 0 && (errno == EACCES || errno == EPERM));
	WANT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	return 0;
}

struct looker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	unsigned n;
	int line;
};

static void *run_looker(void *arg)
{
	struct looker *l = arg;

	pthread_barrier_wait(l->barrier); /* there */
	pthread_barrier_wait(l->barrier); /* confined */
	l->line = look_around(l->n);
	return NULL;
}

/* With threads that were there before, and one of them that takes no signals, as those of the stores. */
static int enter_with_threads(struct scratch *s)
{
	struct looker lookers[NTHREADS];
	pthread_barrier_t barrier;
	struct sandbox *box;
	sigset_t before;

	pthread_barrier_init(&barrier, NULL, NTHREADS + 1);
	for (unsigned i = 0; i < NTHREADS; i++) {
		lookers[i] = (struct looker){ .barrier = &barrier, .n = i };
		if (i == 0)
			harden_block_signals(&before);
		WANT(pthread_create(&lookers[i].thread, NULL, run_looker, &lookers[i]) == 0);
		if (i == 0)
			pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_barrier_wait(&barrier);
	WANT(sandbox_new(false, &s->log, &box) == 0);
	WANT(sandbox_allow(box, "mine", SANDBOX_CHANGE) == 0);
	WANT(sandbox_allow(box, "read", SANDBOX_READ) == 0);
	WANT(sandbox_allow(box, "not there", SANDBOX_READ) == 0);
	WANT(sandbox_allow(box, NULL, SANDBOX_READ) == 0);
	WANT(sandbox_enter(box) == 0);
	sandbox_free(box);
	pthread_barrier_wait(&barrier);
	for (unsigned i = 0; i < NTHREADS; i++) {
		pthread_join(lookers[i].thread, NULL);
		if (lookers[i].line != 0)
			return lookers[i].line;
	}
	return look_around(NTHREADS);
}

static void test_all_threads(void **state)
{
	if (landlock() < 3)
		skip();
	assert_int_equal(in_child(enter_with_threads, *state), 0);
}

/* Of a path that is a symlink, what it points to; of a descriptor, what it has open; of a file, that alone. */
static int enter_by_other_names(struct scratch *s)
{
	struct sandbox *box;
	int fd = open("mine", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	WANT(fd >= 0 && symlink("read", "link") == 0);
	WANT(sandbox_new(true, &s->log, &box) == 0);
	WANT(sandbox_allow_fd(box, fd, SANDBOX_RESTORE) == 0);
	WANT(sandbox_allow(box, "link", SANDBOX_READ) == 0);
	WANT(sandbox_allow(box, "other/file", SANDBOX_CHANGE) == 0);
	WANT(sandbox_enter(box) == 0);
	sandbox_free(box);
	WANT(try_open("read/file", O_RDONLY) == 0);
	WANT(try_open("mine/new", O_WRONLY | O_CREAT | O_EXCL) == 0);
	WANT(try_open("other/file", O_RDWR | O_TRUNC) == 0);
	WANT(try_open("other/new", O_WRONLY | O_CREAT) == EACCES);
	WANT(geteuid() != 0 || mknod("mine/null", S_IFCHR | 0600, 0x103) == 0);
	return 0;
}

static void test_other_names(void **state)
{
	if (landlock() < 3)
		skip();
	assert_int_equal(in_child(enter_by_other_names, *state), 0);
}

/* --- Programs and network ----------------------------------------------------------------------------------------- */

static int enter_and_execute(struct scratch *s)
{
	struct sandbox *box;

	WANT(sandbox_new(true, &s->log, &box) == 0);
	WANT(sandbox_allow(box, "/", SANDBOX_RESTORE) == 0);
	WANT(sandbox_enter(box) == 0);
	sandbox_free(box);
	execl("/bin/true", "true", (char *)NULL);
	WANT(errno == EACCES);
	return 0;
}

static void test_no_programs(void **state)
{
	if (landlock() < 1)
		skip();
	assert_int_equal(in_child(enter_and_execute, *state), 0);
}

/* The errno of connecting to a port of this machine where somebody listens. */
static int try_connect(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int err = connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 ? 0 : errno;

	close(fd);
	return err;
}

static int listen_somewhere(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return bind(fd, (struct sockaddr *)at, sizeof(*at)) == 0 && listen(fd, 4) == 0 &&
	    getsockname(fd, (struct sockaddr *)at, &len) == 0 ? fd : -1;
}

static int enter_and_connect(struct scratch *s, bool network, int want)
{
	struct sockaddr_in at;
	struct sandbox *box;

	WANT(listen_somewhere(&at) >= 0);
	WANT(try_connect(&at) == 0);
	WANT(sandbox_new(network, &s->log, &box) == 0);
	WANT(sandbox_enter(box) == 0);
	sandbox_free(box);
	WANT(try_connect(&at) == want);
	return 0;
}

static int enter_without_network(struct scratch *s)
{
	return enter_and_connect(s, false, EACCES);
}

static int enter_with_network(struct scratch *s)
{
	return enter_and_connect(s, true, 0);
}

static void test_network(void **state)
{
	if (landlock() < 4)
		skip();
	assert_int_equal(in_child(enter_without_network, *state), 0);
	assert_int_equal(in_child(enter_with_network, *state), 0);
}

/* --- Switching it off, and the rest of hardening ------------------------------------------------------------------ */

static void test_wanted(void **state)
{
	bool usually;

	(void)state;
	unsetenv("VARVE_NO_SANDBOX");
	usually = sandbox_wanted();
	setenv("VARVE_NO_SANDBOX", "1", 1);
	assert_false(sandbox_wanted());
	setenv("VARVE_NO_SANDBOX", "0", 1);
	assert_int_equal(sandbox_wanted(), usually);
	setenv("VARVE_NO_SANDBOX", "", 1);
	assert_int_equal(sandbox_wanted(), usually);
	unsetenv("VARVE_NO_SANDBOX");
}

static int harden(struct scratch *s)
{
	struct rlimit core;

	(void)s;
	harden_process();
	WANT(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0);
	WANT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	return 0;
}

static void test_process(void **state)
{
	assert_int_equal(in_child(harden, *state), 0);
}

static void test_forget_variable(void **state)
{
	char text[] = "VARVE_TEST_SECRET=abc";

	(void)state;
	assert_int_equal(putenv(text), 0);
	harden_forget_variable("VARVE_TEST_SECRET");
	assert_string_equal(getenv("VARVE_TEST_SECRET"), "");
	assert_memory_equal(text, "VARVE_TEST_SECRET=\0\0\0", sizeof(text));
	unsetenv("VARVE_TEST_SECRET");
	harden_forget_variable("VARVE_TEST_SECRET");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_programs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_network, setup, teardown),
		cmocka_unit_test(test_wanted),
		cmocka_unit_test_setup_teardown(test_process, setup, teardown),
		cmocka_unit_test(test_forget_variable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
