/*
 * For tests of the S3 store: an environment in which nothing of AWS is set but what the test sets.
 */
#ifndef VARVE_TEST_AWS_H
#define VARVE_TEST_AWS_H

#include "tests/lib/scratch.h"

/* As scratch_setup(), with no variable of AWS, $HOME in the directory, and no metadata service. */
int aws_setup(void **state);

/* Write ~/.aws/${name}. */
void aws_file(const struct scratch *s, const char *name, const char *text);

#endif
