/*
 * For tests of prune: a repository with a clock that tests set forward.  What fails in here fails the running cmocka
 * test.
 */
#ifndef VARVE_TEST_PRUNE_RIG_H
#define VARVE_TEST_PRUNE_RIG_H

#include "repo/retention/prune/prune.h"
#include "tests/lib/backup_rig.h"
#include "tests/lib/fake_clock.h"

#define GRACE_H 24 /* hours, of the repository */

struct pruning {
	struct rig *g;
	struct fake_clock clock;
	struct prune_options o; /* without repacking */
	struct prune_result out;
	int pause_h;     /* the test's */
	unsigned findings;
	char first[256]; /* the first of them */
};

/* As cmocka's setup and teardown, with *state a struct pruning over a store in memory without a snapshot. */
int prune_rig_setup(void **state);
int prune_rig_teardown(void **state);

/* Prune as ${p->o} says; return as prune_run(). */
int prune_rig_run(struct pruning *p);

void prune_rig_pass_hours(struct pruning *p, int hours);

/* Two snapshots, of "old" and "new": all of the data of each is needed by it alone. */
void prune_rig_fill(struct pruning *p);

/*
 * Two snapshots of "src", of which the second needs a part of the first one's packs: whole segments, and parts of some.
 * The first is forgotten.
 */
void prune_rig_fill_partly(struct pruning *p);

/* Delete the oldest snapshot; ${name} is its manifest's, whose bytes are appended to ${bytes} (NULL: are not). */
void prune_rig_take_oldest(struct pruning *p, char name[SNAPSHOT_NAME_SIZE], struct buf *bytes);
void prune_rig_forget_oldest(struct pruning *p);

/* How much is wrong, by all that check can see; the first of it in ${p->first}.  Nothing is. */
unsigned prune_rig_findings(struct pruning *p);
void prune_rig_check(struct pruning *p);

unsigned prune_rig_packs(struct pruning *p);

/* Let operations ${ops} on ${prefix} fail with ${err} from the ${skip}th on; 0: none any more. */
void prune_rig_fault(struct pruning *p, unsigned ops, const char *prefix, uint64_t skip, int err);

#endif
