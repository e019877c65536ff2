/*
 * swapper: whoever changes a tree while somebody else works on it.  "swapper PATH..." exchanges each PATH with
 * PATH.swap, atomically (renameat2, RENAME_EXCHANGE), in random order and with random pauses, until its stdin ends.
 * Prints how many times it has.
 *
 * Exit status: 0; 2 failed or wrong usage; 77 if the filesystem cannot do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/tools/lib/tool.h"

#define PAUSE_MAX_US 300

/* Has stdin ended? */
static bool ended(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static void exchange(const char *path, struct str *other)
{
	str_cut(other, 0);
	str_add(other, path, strlen(path));
	str_add(other, ".swap", strlen(".swap"));
	if (renameat2(AT_FDCWD, path, AT_FDCWD, other->s, RENAME_EXCHANGE) == 0)
		return;
	if (errno == EINVAL || errno == ENOSYS)
		exit(77);
	/* A restore may have replaced what is above it just now. */
	if (errno != ENOENT && errno != ENOTDIR && errno != EACCES && errno != ELOOP)
		die_errno("%s", path);
}

int main(int argc, char **argv)
{
	struct timespec pause = { 0 };
	struct str other = { 0 };
	uint64_t n = 0;
	struct rng rng;

	if (argc < 2)
		die("usage: swapper PATH...");
	rng_init(&rng, (uint64_t)getpid());
	while (!ended()) {
		exchange(argv[1 + rng_below(&rng, (uint64_t)argc - 1)], &other);
		n++;
		pause.tv_nsec = (long)rng_below(&rng, PAUSE_MAX_US) * 1000;
		nanosleep(&pause, NULL);
	}
	printf("%" PRIu64 "\n", n);
	str_free(&other);
	return 0;
}
