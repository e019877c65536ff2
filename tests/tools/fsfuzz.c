/*
 * fsfuzz: random system calls on a read-only file system, by several processes at once, of which now and then one is
 * killed.
 *
 *   fsfuzz DIR SECONDS [PROCESSES [SEED]]
 *
 * Needs root: its processes are shut into DIR (chroot(2)), so that neither a symlink nor ".." leads a call that would
 * change something to the files of the machine.
 *
 * What a call returns is of no interest, but for those that would change something: none may succeed.  Ends with
 * status 1 if one did, or if a process hangs; prints how many calls there were.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "tests/tools/lib/tool.h"

#define PATHS_MAX 4096
#define PROCESSES_MAX 64
#define ROOM (1u << 20)
#define OPEN_MAX_HERE 16
#define HUNG_S 60 /* for one call */
#define FUSE_MAGIC 0x65735546 /* FUSE_SUPER_MAGIC, linux/magic.h */

/* What all processes see. */
struct shared {
	_Atomic uint64_t calls[PROCESSES_MAX];
	atomic_int changed; /* calls that should have failed */
};

struct fuzz {
	struct shared *shared;
	unsigned number;
	struct rng rng;
	char *path[PATHS_MAX]; /* absolute, in the mount */
	unsigned npaths;
	int fd[OPEN_MAX_HERE];
	uint8_t *room;
};

static uint64_t below(struct fuzz *f, uint64_t n)
{
	return rng_below(&f->rng, n);
}

/* --- Paths -------------------------------------------------------------------------------------------------------- */

static void add_path(struct fuzz *f, const char *path)
{
	unsigned at = f->npaths < PATHS_MAX ? f->npaths++ : (unsigned)below(f, PATHS_MAX);

	free(f->path[at]);
	f->path[at] = xstrdup(path);
}

/* A name that is there, or one that is not, or none at all. */
static void random_name(struct fuzz *f, char *out, size_t size)
{
	static const char *const names[] = { "..", ".", "", "snapshots", "at", "latest", "ids", "hosts", "tags",
		"at/yesterday", "at/2024-01-01", "at/now", "at/99999999", "at/@1", ".Trash", "a\\b",
		"\xff\xfe", "%s%n" };
	size_t len;

	if (below(f, 2) == 0) {
		snprintf(out, size, "%s", names[below(f, sizeof(names) / sizeof(names[0]))]);
		return;
	}
	len = below(f, 4) == 0 ? 250 + below(f, 10) : below(f, 20);
	for (size_t i = 0; i < len; i++)
		out[i] = (char)(1 + below(f, 255));
	out[len] = '\0';
}

/* A path below the directory, mostly of something that is there. */
static const char *random_path(struct fuzz *f, char out[8192])
{
	const char *base = f->npaths > 0 ? f->path[below(f, f->npaths)] : "/";
	char name[300];

	if (below(f, 5) != 0)
		return base;
	random_name(f, name, sizeof(name));
	snprintf(out, 8192, "%.7000s/%s", base, name);
	return out;
}

/* --- Calls -------------------------------------------------------------------------------------------------------- */

/* What a call has returned is of no interest. */
static void ignore(ssize_t n)
{
	(void)n;
}

static int any_fd(struct fuzz *f)
{
	return f->fd[below(f, OPEN_MAX_HERE)];
}

static uint64_t any_offset(struct fuzz *f)
{
	static const uint64_t odd[] = { 0, 1, 4095, 4096, 131072, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX };

	return below(f, 3) == 0 ? odd[below(f, sizeof(odd) / sizeof(odd[0]))] : below(f, 1 << below(f, 24));
}

static void do_open(struct fuzz *f)
{
	static const int flags[] = { O_RDONLY, O_RDONLY | O_DIRECTORY, O_PATH, O_RDONLY | O_NOFOLLOW,
		O_RDONLY | O_DIRECT, O_RDONLY | O_NOATIME };
	unsigned i = (unsigned)below(f, OPEN_MAX_HERE);
	char room[8192];

	if (f->fd[i] >= 0)
		close(f->fd[i]);
	f->fd[i] = open(random_path(f, room), flags[below(f, 6)] | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static void do_read(struct fuzz *f)
{
	size_t len = (size_t)below(f, 1 << below(f, 21));
	struct pollfd p = { .fd = any_fd(f), .events = POLLIN };

	switch (below(f, 4)) {
	case 0:
		ignore(read(any_fd(f), f->room, len));
		break;
	case 1:
		poll(&p, 1, 0);
		break;
	default:
		ignore(pread(any_fd(f), f->room, len, (off_t)any_offset(f)));
	}
}

static void do_seek(struct fuzz *f)
{
	static const int whence[] = { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 17 };

	lseek(any_fd(f), (off_t)any_offset(f), whence[below(f, 6)]);
}

static void do_map(struct fuzz *f)
{
	size_t len = 1 + (size_t)below(f, 1 << 20);
	int fd = any_fd(f);
	volatile uint8_t sum = 0;
	struct stat st;
	uint8_t *p;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return;
	len = (off_t)len > st.st_size ? (size_t)st.st_size : len;
	p = mmap(NULL, len, PROT_READ, below(f, 2) ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return;
	madvise(p, len, below(f, 2) ? MADV_DONTNEED : MADV_WILLNEED);
	sum = (uint8_t)(sum + p[below(f, len)]);
	munmap(p, len);
}

static void do_list(struct fuzz *f)
{
	char room[8192], sub[8192];
	const char *path = random_path(f, room);
	DIR *d = opendir(path);
	unsigned n = (unsigned)below(f, 200);
	const struct dirent *e;
	long at = 0;

	if (d == NULL)
		return;
	while (n-- > 0 && (e = readdir(d)) != NULL) {
		if (below(f, 20) == 0)
			at = telldir(d);
		if (below(f, 50) == 0)
			seekdir(d, at);
		if (strcmp(e->d_name, "..") == 0 || below(f, 4) != 0 || strlen(path) > 3000)
			continue;
		snprintf(sub, sizeof(sub), "%.7000s/%s", path, e->d_name);
		add_path(f, sub);
	}
	closedir(d);
}

static void do_look(struct fuzz *f)
{
	char room[8192];
	const char *path = random_path(f, room);
	struct statvfs v;
	struct statx x;
	struct stat st;

	switch (below(f, 6)) {
	case 0:
		stat(path, &st);
		break;
	case 1:
		statx(AT_FDCWD, path, (int)below(f, 2) * AT_SYMLINK_NOFOLLOW, (unsigned)rng_next(&f->rng) & 0xfff, &x);
		break;
	case 2:
		statvfs(path, &v);
		break;
	case 3:
		ignore(readlink(path, (char *)f->room, (size_t)below(f, 300) + 1));
		break;
	case 4:
		access(path, (int)below(f, 8));
		break;
	default:
		lstat(path, &st);
	}
}

static void do_xattr(struct fuzz *f)
{
	static const char *const names[] = { "user.varve.snapshot", "user.varve.requests", "user.varve.path",
		"security.capability", "system.posix_acl_access", "user.x", "trusted.y", "user.varve.", "user." };
	char room[8192];
	const char *path = random_path(f, room);

	if (below(f, 3) == 0)
		llistxattr(path, (char *)f->room, (size_t)below(f, 5000));
	else
		lgetxattr(path, names[below(f, 9)], f->room, (size_t)below(f, 1 << below(f, 17)));
}

static void do_handle(struct fuzz *f)
{
	struct {
		struct file_handle h;
		uint8_t bytes[128];
	} handle = { .h.handle_bytes = (unsigned)below(f, 129) };
	char room[8192];
	int id, fd;

	if (name_to_handle_at(AT_FDCWD, random_path(f, room), &handle.h, &id, 0) != 0)
		return;
	if (below(f, 2) == 0)
		rng_fill(&f->rng, handle.h.f_handle, handle.h.handle_bytes < 8 ? handle.h.handle_bytes : 8);
	fd = open_by_handle_at(any_fd(f), &handle.h, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
}

static void do_odd(struct fuzz *f)
{
	int fd = any_fd(f), pipes[2], n;
	char room[8192];
	off_t off = (off_t)any_offset(f);

	switch (below(f, 7)) {
	case 0:
		flock(fd, LOCK_SH | LOCK_NB);
		break;
	case 1:
		ioctl(fd, (unsigned long)rng_next(&f->rng) & 0xffff, f->room);
		break;
	case 2:
		n = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		inotify_add_watch(n, random_path(f, room), IN_ALL_EVENTS);
		close(n);
		break;
	case 3:
		if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0) {
			ignore(splice(fd, &off, pipes[1], NULL, (size_t)below(f, 100000), SPLICE_F_NONBLOCK));
			close(pipes[0]);
			close(pipes[1]);
		}
		break;
	case 4:
		posix_fadvise(fd, off, (off_t)below(f, 1 << 20), (int)below(f, 6));
		break;
	case 5:
		readahead(fd, off, (size_t)below(f, 1 << 22));
		break;
	default:
		syncfs(fd);
	}
}

/* Whatever would change something: 0 is a fault. */
static int try_change(struct fuzz *f, const char *path, const char *other)
{
	int fd;

	switch (below(f, 14)) {
	case 0:
		return mkdir(other, 0777);
	case 1:
		return unlink(path);
	case 2:
		return rmdir(path);
	case 3:
		return rename(path, other);
	case 4:
		return link(path, other);
	case 5:
		return symlink("x", other);
	case 6:
		return chmod(path, 0777);
	case 7:
		return lchown(path, 1, 1);
	case 8:
		return truncate(path, (off_t)below(f, 100));
	case 9:
		return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
	case 10:
		return lsetxattr(path, "user.x", "y", 1, 0);
	case 11:
		return lremovexattr(path, "user.x");
	case 12:
		return mknod(other, S_IFIFO | 0666, 0);
	default:
		fd = open(path, (below(f, 2) ? O_WRONLY : O_RDWR | O_TRUNC) | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
		if (fd >= 0)
			close(fd);
		return fd < 0 ? -1 : 0;
	}
}

static void do_change(struct fuzz *f)
{
	char room[8192], name[300], other[8192];
	const char *path = random_path(f, room);
	struct stat st;

	random_name(f, name, sizeof(name));
	snprintf(other, sizeof(other), "/%s", name);
	/* A FIFO or a device is not the file system's to refuse. */
	if ((stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return;
	if (try_change(f, path, other) == 0) {
		fprintf(stderr, "fsfuzz: something was changed: %s, %s\n", path, other);
		atomic_fetch_add(&f->shared->changed, 1);
	}
}

static void run(struct fuzz *f)
{
	static void (*const calls[])(struct fuzz *) = { do_open, do_open, do_read, do_read, do_read, do_seek, do_map,
		do_list, do_list, do_look, do_look, do_xattr, do_handle, do_odd, do_change };

	f->room = xmalloc(ROOM * 2);
	for (unsigned i = 0; i < OPEN_MAX_HERE; i++)
		f->fd[i] = -1;
	add_path(f, "/");
	for (;;) {
		calls[below(f, sizeof(calls) / sizeof(calls[0]))](f);
		atomic_fetch_add(&f->shared->calls[f->number], 1);
	}
}

/* --- Processes ---------------------------------------------------------------------------------------------------- */

struct process {
	pid_t pid;
	uint64_t calls; /* when last looked at */
	time_t moved;   /* when there were fewer */
};

/* Nothing but the mount is there any more. */
static void shut_in(const char *dir)
{
	struct statfs at;

	if (chdir(dir) != 0 || chroot(".") != 0 || chdir("/") != 0)
		die_errno("%s: chroot", dir);
	if (statfs("/", &at) != 0 || (unsigned long)at.f_type != FUSE_MAGIC)
		die("%s: not a FUSE mount", dir);
}

static void start(struct process *p, unsigned number, const char *dir, uint64_t seed, struct shared *shared)
{
	struct fuzz f = { .shared = shared, .number = number };

	p->pid = fork();
	if (p->pid == 0) {
		shut_in(dir);
		rng_init(&f.rng, seed);
		run(&f);
	}
	if (p->pid < 0)
		die_errno("fork");
	p->moved = time(NULL);
}

/* Has it made a call in all that time? */
static bool is_hung(struct process *p, uint64_t calls)
{
	if (calls != p->calls) {
		p->calls = calls;
		p->moved = time(NULL);
	}
	return time(NULL) - p->moved > HUNG_S;
}

static int watch(struct process *p, unsigned n, const char *dir, time_t end, uint64_t seed, struct shared *shared)
{
	struct rng rng;

	rng_init(&rng, seed);
	while (time(NULL) < end && shared->changed == 0) {
		usleep(200000);
		for (unsigned i = 0; i < n; i++) {
			bool gone = waitpid(p[i].pid, NULL, WNOHANG) == p[i].pid;

			if (is_hung(&p[i], shared->calls[i])) {
				fprintf(stderr, "fsfuzz: process %d hangs\n", (int)p[i].pid);
				return 1;
			}
			/* One that is killed may be in the middle of anything; SIGBUS comes of maps that fail. */
			if (!gone && rng_below(&rng, 100) == 0) {
				kill(p[i].pid, SIGKILL);
				gone = waitpid(p[i].pid, NULL, 0) == p[i].pid;
			}
			if (gone)
				start(&p[i], i, dir, rng_next(&rng), shared);
		}
	}
	return shared->changed != 0;
}

int main(int argc, char **argv)
{
	struct process p[PROCESSES_MAX] = { 0 };
	uint64_t seed = argc > 4 ? parse_size("seed", argv[4]) : (uint64_t)time(NULL), calls = 0;
	unsigned n = argc > 3 ? (unsigned)parse_size("processes", argv[3]) : 8;
	struct shared *shared;
	int status;

	if (geteuid() != 0)
		die("needs root");
	if (argc < 3 || n == 0 || n > PROCESSES_MAX)
		die("usage: fsfuzz DIR SECONDS [PROCESSES [SEED]]");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die_errno("mmap");
	for (unsigned i = 0; i < n; i++)
		start(&p[i], i, argv[1], seed + i, shared);
	status = watch(p, n, argv[1], time(NULL) + (time_t)parse_size("seconds", argv[2]), seed, shared);
	for (unsigned i = 0; i < n; i++) {
		kill(p[i].pid, SIGKILL);
		calls += shared->calls[i];
	}
	for (unsigned i = 0; status == 0 && i < n; i++)
		waitpid(p[i].pid, NULL, 0);
	printf("%" PRIu64 " calls, seed %" PRIu64 "\n", calls, seed);
	return status;
}
