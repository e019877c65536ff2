/*
 * For tests of replicas: one store around several in memory, each of which fails on request.
 *
 * What fails in here fails the running cmocka test.
 */
#ifndef VARVE_TEST_REPLICA_RIG_H
#define VARVE_TEST_REPLICA_RIG_H

#include "repo/store/mem/store_mem.h"
#include "repo/store/store_impl.h"
#include "tests/lib/scratch.h"

#define REPLICA_RIG_READS (STORE_OP_GET | STORE_OP_STAT | STORE_OP_LIST)
#define REPLICA_RIG_MEMBERS 3

struct replica_rig {
	struct scratch *scratch;
	struct store *mem[REPLICA_RIG_MEMBERS], *store;
};

/* A store in memory that says it is at ${url}; without a config if that is NULL. */
struct store *replica_rig_mem(struct scratch *s, const char *url, const char *config);

/* Three members, all with the object "packs/a", which says where it is from. */
void replica_rig_open(struct replica_rig *g, void **state, unsigned deadline_ms);

/* Let its next ${count} operations of ${ops} fail with ${err} (0: all), or none any more. */
void replica_rig_break(struct store *m, unsigned ops, uint64_t count, int err);
void replica_rig_heal(struct store *m);

/* Wait. */
void replica_rig_sleep_ms(long ms);

/* From where a read of packs/a comes: '1', '2', '3'; 0 if it fails. */
char replica_rig_source(struct replica_rig *g);

#endif
