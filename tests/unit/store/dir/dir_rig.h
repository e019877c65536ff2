/*
 * For tests of the directory store: one in a temporary directory, what is in it, and children that go wrong.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_DIR_RIG_H
#define VARVE_TEST_DIR_RIG_H

#include "repo/store/dir/store_dir.h"
#include "tests/lib/scratch.h"

/* Open the store "store", which is made if it is not there. */
struct store *dir_rig_open(struct scratch *s);

/* What writers have left in it. */
unsigned dir_rig_leftovers(struct scratch *s);

/* Number of objects in it. */
unsigned dir_rig_objects(struct store *store);

/* In such a child, which has no assertions. */
#define EXPECT(condition)               \
	do {                            \
		if (!(condition))       \
			_exit(__LINE__ % 64 + 1); \
	} while (0)

/* Run ${child} in a process of its own, with which goes what it mounts or forbids.  Return its exit
 * status: 0 as expected, 77 cannot be tried. */
int dir_rig_in_child(void (*child)(struct scratch *), struct scratch *s);

/* Number of descriptors that are open. */
unsigned dir_rig_open_files(void);

#endif
