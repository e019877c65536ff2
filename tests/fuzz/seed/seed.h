/*
 * What the generators of seed corpora share.  What fails ends the program.
 */
#ifndef VARVE_TEST_SEED_H
#define VARVE_TEST_SEED_H

#include <stddef.h>

/* Write ${len} bytes to dir/target/name. */
void seed_put(const char *dir, const char *target, const char *name, const void *data, size_t len);

/* ${rc} is 0 or more, or the negative errno that the program ends with. */
void seed_need(int rc);

#endif
