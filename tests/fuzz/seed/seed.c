/*
 * Seeds of corpora.  See seed.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/seed/seed.h"

void seed_put(const char *dir, const char *target, const char *name, const void *data, size_t len)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, target);
	if (mkdir(path, 0777) != 0 && errno != EEXIST)
		goto fail;
	snprintf(path, sizeof(path), "%s/%s/%s", dir, target, name);
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0)
		goto fail;
	return;
fail:
	perror(path);
	exit(1);
}

void seed_need(int rc)
{
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, strerror(-rc));
		exit(1);
	}
}
