/*
 * An environment for S3.  See aws.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/store/s3/aws.h"

/* Names shift as variables go: from the start each time. */
static void unset_all(void)
{
	char name[128];
	size_t i = 0;

	while (environ[i] != NULL) {
		if (strncmp(environ[i], "AWS_", 4) != 0 && strncmp(environ[i], "http_proxy", 10) != 0) {
			i++;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(environ[i], "="), environ[i]);
		unsetenv(name);
		i = 0;
	}
}

int aws_setup(void **state)
{
	char path[SCRATCH_PATH_SIZE];
	struct scratch *s;

	if (scratch_setup(state) != 0)
		return -1;
	s = *state;
	unset_all();
	setenv("HOME", s->dir, 1);
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	return mkdir(scratch_path(s, ".aws", path), 0700);
}

void aws_file(const struct scratch *s, const char *name, const char *text)
{
	char path[SCRATCH_PATH_SIZE], relative[64];
	FILE *f;

	snprintf(relative, sizeof(relative), ".aws/%s", name);
	f = fopen(scratch_path(s, relative, path), "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}
